package hosts

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"rapport/knock"
	"rapport/knock/phrase"
)

// ErrReadableByOthers says that others can read a file that holds a secret.
var ErrReadableByOthers = errors.New("others can read it")

const (
	maxSecretFile  = 4096            // bytes
	maxSecretFiles = 1000            // of one name
	socketTimeout  = 5 * time.Second // for which each end of a socket waits for the other
)

// ReadSecretFile reads a secret from the file at path, or from a socket of
// [ServeSecret]: its text without the last line end. It wraps ErrReadableByOthers if
// others can read the file, and knock.ErrSecret if the text is no valid secret.
func ReadSecretFile(path string) (knock.Secret, error) {
	fail := func(err error) (knock.Secret, error) {
		return knock.Secret{}, fmt.Errorf("cannot read secret file %q: %w", path, phrase.WithoutPath(err))
	}
	info, err := os.Stat(path)
	if err != nil {
		return fail(err)
	}
	var f io.ReadCloser
	if info.Mode()&fs.ModeSocket != 0 {
		f, err = openSocket(path)
	} else {
		var file *os.File
		if file, err = os.Open(path); err == nil {
			f = file
			info, err = file.Stat()
		}
	}
	if err != nil {
		return fail(err)
	}
	defer f.Close()
	switch {
	case info.IsDir():
		return knock.Secret{}, fmt.Errorf("secret file %q is a folder", path)
	// Windows has no such bits: there a user's folders are readable by the user alone.
	case info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows":
		return knock.Secret{}, fmt.Errorf("secret file %q: %w; run chmod 600 %q", path, ErrReadableByOthers, path)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxSecretFile))
	if err != nil {
		return fail(err)
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
	s, err := knock.ParseSecret(text)
	if err != nil {
		return knock.Secret{}, fmt.Errorf("secret file %q: %w", path, err)
	}
	return s, nil
}

// SaveSecretFile writes a secret to a new file NAME.secret beside the hosts file, with mode
// 0600, or to NAME-2.secret and so on if that exists, for it may be the only copy of
// another secret. It returns the absolute path. It may be called inside [Update].
func SaveSecretFile(hostsPath, name string, secret knock.Secret) (string, error) {
	if err := knock.CheckHost(name); err != nil {
		return "", err
	}
	if secret.IsZero() {
		return "", fmt.Errorf("host %s: %w: it is empty", knock.Quote(name), knock.ErrSecret)
	}
	path, err := FirstSecretFile(hostsPath, name)
	if err != nil {
		return "", fmt.Errorf("cannot find the folder of %s: %w", knock.QuotePath(hostsPath), phrase.WithoutPath(err))
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", fmt.Errorf("cannot make folder %s: %w", knock.QuotePath(filepath.Dir(path)), phrase.WithoutPath(err))
	}
	base := strings.TrimSuffix(path, ".secret")
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
		return "", fmt.Errorf("cannot write secret file %s: %w", knock.QuotePath(path), phrase.WithoutPath(err))
	}
	return path, nil
}

// FirstSecretFile returns the absolute path at which [SaveSecretFile] writes the first
// secret of a host, which need not be its present one.
func FirstSecretFile(hostsPath, name string) (string, error) {
	return filepath.Abs(filepath.Join(filepath.Dir(hostsPath), fileName(name)+".secret"))
}

// fileName encodes a host's name for every file system, so that no two hosts share one.
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

// reserved reports whether a file of that name, with any ending, is a device on Windows.
func reserved(name string) bool {
	base, _, _ := strings.Cut(name, ".")
	switch base {
	case "con", "prn", "aux", "nul":
		return true
	}
	return len(base) == 4 && (strings.HasPrefix(base, "com") || strings.HasPrefix(base, "lpt"))
}

// ServeSecret serves a secret on a unix socket in a new folder of the user alone, so that
// programs that this one starts, and theirs, can read it with [ReadSecretFile]. It returns
// the socket's path; stop ends it, and removes socket and folder.
func ServeSecret(secret knock.Secret) (path string, stop func(), err error) {
	if secret.IsZero() {
		return "", nil, fmt.Errorf("%w: it is empty", knock.ErrSecret)
	}
	var failures error
	// A socket's path has room for about a hundred bytes.
	for _, parent := range []string{os.Getenv("XDG_RUNTIME_DIR"), os.TempDir()} {
		if !filepath.IsAbs(parent) {
			continue
		}
		path, stop, err = serveBelow(parent, secret)
		if err == nil {
			return path, stop, nil
		}
		failures = errors.Join(failures, phrase.WithoutPath(err))
	}
	return "", nil, fmt.Errorf("cannot pass the secret on: %s; store it in a file, with rapport hosts edit or --secret-file", knock.Excerpt(fmt.Sprint(failures)))
}

func serveBelow(parent string, secret knock.Secret) (path string, stop func(), err error) {
	folder, err := os.MkdirTemp(parent, "rapport-") // with mode 0700
	if err != nil {
		return "", nil, err
	}
	path = filepath.Join(folder, "secret")
	l, err := net.Listen("unix", path)
	if err == nil {
		err = os.Chmod(path, 0o600)
	}
	if err != nil {
		return "", nil, errors.Join(err, os.RemoveAll(folder))
	}
	go func() {
		for {
			c, err := l.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil {
				time.Sleep(10 * time.Millisecond) // as with too many open files
				continue
			}
			_ = c.SetDeadline(time.Now().Add(socketTimeout))
			_, _ = io.WriteString(c, secret.Reveal()+"\n")
			_ = c.Close()
		}
	}()
	return path, func() {
		_ = l.Close()
		_ = os.RemoveAll(folder)
	}, nil
}

// openSocket connects to a secret that ServeSecret serves.
func openSocket(path string) (io.ReadCloser, error) {
	c, err := net.DialTimeout("unix", path, socketTimeout)
	if err != nil {
		return nil, errors.New("no program serves it any more")
	}
	return c, c.SetDeadline(time.Now().Add(socketTimeout))
}
