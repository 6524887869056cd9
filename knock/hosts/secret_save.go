package hosts

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"rapport/knock"
)

// SaveSecretFile writes a secret to the file NAME.secret beside the hosts file
// at hostsPath, in one step, with mode 0600, in the place of any that is there.
// It returns the file's absolute path, for SecretFile. Characters of the name
// that a file name should not have are written as %XX. It wraps package os's
// errors, and may be called inside [Update].
func SaveSecretFile(hostsPath, name string, secret knock.Secret) (string, error) {
	if err := CheckName(name); err != nil {
		return "", err
	}
	if secret.IsZero() {
		return "", fmt.Errorf("host %s: %w: it is empty", quote(name), knock.ErrSecret)
	}
	path, err := filepath.Abs(filepath.Join(filepath.Dir(hostsPath), fileName(name)+".secret"))
	if err != nil {
		return "", fmt.Errorf("cannot find the folder of %s: %w", quotePath(hostsPath), plain(err))
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", fmt.Errorf("cannot make folder %s: %w", quotePath(filepath.Dir(path)), plain(err))
	}
	if err := replace(path, []byte(secret.Reveal()+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("cannot write secret file %s: %w", quotePath(path), plain(err))
	}
	return path, nil
}

// fileName writes a host's name so that every file system takes it and no two
// hosts get the same.
func fileName(name string) string {
	name = strings.ToLower(name)
	var b strings.Builder
	for i, c := range []byte(name) {
		safe := c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_' || c == '-' || c == '.' && i > 0
		if i == 0 && reserved(name) || !safe {
			fmt.Fprintf(&b, "%%%02X", c)
			continue
		}
		b.WriteByte(c)
	}
	s := b.String()
	if len(s) > 128 { // file names have 255 bytes at most, less what is added to them
		sum := sha256.Sum256([]byte(name))
		s = fmt.Sprintf("%s-%x", s[:64], sum[:16])
	}
	return s
}

// reserved reports whether Windows takes a file of that name for a device,
// whatever follows the first dot.
func reserved(name string) bool {
	base, _, _ := strings.Cut(name, ".")
	switch base {
	case "con", "prn", "aux", "nul":
		return true
	}
	return len(base) == 4 && (strings.HasPrefix(base, "com") || strings.HasPrefix(base, "lpt"))
}
