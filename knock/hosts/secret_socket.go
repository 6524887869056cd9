package hosts

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"rapport/knock"
)

// socketTimeout is how long each end of a socket waits for the other.
const socketTimeout = 5 * time.Second

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
		failures = errors.Join(failures, knock.WithoutPath(err))
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
