package hosts

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"strings"

	"rapport/knock"
)

// ErrReadableByOthers says that others can read a file that holds a secret.
var ErrReadableByOthers = errors.New("others can read it")

// maxSecretFile is the largest secret file, in bytes.
const maxSecretFile = 4096

// ReadSecretFile reads a secret from the file at path, or from a socket of
// [ServeSecret]: its text without the last line end. It wraps ErrReadableByOthers if
// others can read the file, and knock.ErrSecret if the text is no valid secret.
func ReadSecretFile(path string) (knock.Secret, error) {
	fail := func(err error) (knock.Secret, error) {
		return knock.Secret{}, fmt.Errorf("cannot read secret file %q: %w", path, knock.WithoutPath(err))
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
