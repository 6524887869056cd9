package hosts

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"rapport/knock"
)

// SaveSecretFile writes a secret to a new file NAME.secret beside the hosts file at
// hostsPath, with mode 0600. If that exists, it may be the only copy of another
// secret: then the file is NAME-2.secret, and so on. It returns the absolute path,
// for [SecretFile]. Characters that do not belong in a file name are written as
// %XX. It may be called inside [Update].
func SaveSecretFile(hostsPath, name string, secret knock.Secret) (string, error) {
	if err := knock.CheckHost(name); err != nil {
		return "", err
	}
	if secret.IsZero() {
		return "", fmt.Errorf("host %s: %w: it is empty", knock.Quote(name), knock.ErrSecret)
	}
	base, err := filepath.Abs(filepath.Join(filepath.Dir(hostsPath), fileName(name)))
	if err != nil {
		return "", fmt.Errorf("cannot find the folder of %s: %w", knock.QuotePath(hostsPath), knock.WithoutPath(err))
	}
	if err := os.MkdirAll(filepath.Dir(base), 0o700); err != nil {
		return "", fmt.Errorf("cannot make folder %s: %w", knock.QuotePath(filepath.Dir(base)), knock.WithoutPath(err))
	}
	path := base + ".secret"
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	for n := 2; errors.Is(err, fs.ErrExist) && n < maxSecretFiles; n++ {
		path = fmt.Sprintf("%s-%d.secret", base, n)
		f, err = os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	}
	if err == nil {
		_, err = f.WriteString(secret.Reveal() + "\n")
		err = errors.Join(err, f.Sync(), f.Close())
		if err != nil {
			_ = os.Remove(path)
		}
	}
	if err != nil {
		return "", fmt.Errorf("cannot write secret file %s: %w", knock.QuotePath(path), knock.WithoutPath(err))
	}
	return path, nil
}

// maxSecretFiles bounds how many secret files a name can have.
const maxSecretFiles = 1000

// fileName encodes a host's name so that every file system accepts it and no two
// hosts share one.
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

// reserved reports whether a file of that name is a device on Windows, whatever
// follows the first dot.
func reserved(name string) bool {
	base, _, _ := strings.Cut(name, ".")
	switch base {
	case "con", "prn", "aux", "nul":
		return true
	}
	return len(base) == 4 && (strings.HasPrefix(base, "com") || strings.HasPrefix(base, "lpt"))
}
