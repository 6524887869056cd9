package proxy

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"
)

// carryBuffer is the size of a piece that is carried at once.
const carryBuffer = 512 << 10

// farewell is how long the far side may stay silent after the near side has
// ended. A session that is over ends both ways at once; what waits longer
// waits for a network that is gone.
const farewell = time.Minute

// halfCloser is a connection whose one direction can end before the other.
type halfCloser interface{ CloseWrite() error }

// ErrLost says that a connection broke while it was in use.
var ErrLost = errors.New("the connection was lost")

// Carry carries bytes between a connection and a program's standard input and
// output, as a ProxyCommand of ssh must, until either side is through. The end
// of in is passed on as a half-close; the end of the connection ends it all.
// It closes conn, and returns nil when both directions ended in order; it wraps
// ErrLost where the connection broke. in is
// still being read when the far side ends first.
func Carry(conn net.Conn, in io.Reader, out io.Writer) error {
	defer conn.Close()
	widen(in)
	widen(out)
	sent := make(chan error, 1)
	go func() {
		_, err := io.CopyBuffer(onlyWriter{conn}, onlyReader{in}, make([]byte, carryBuffer))
		if half, ok := conn.(halfCloser); ok && err == nil {
			err = half.CloseWrite()
		}
		// From now on the far side has the word, as long as it uses it.
		_ = conn.SetReadDeadline(time.Now().Add(farewell))
		sent <- err
	}()
	return receive(conn, out, sent)
}

// receive copies what conn says to out. Once in has ended, each piece renews
// the patience with the next.
func receive(conn net.Conn, out io.Writer, sent <-chan error) error {
	buf := make([]byte, carryBuffer)
	ended := false
	for {
		n, err := conn.Read(buf)
		if n > 0 {
			if _, err := out.Write(buf[:n]); err != nil {
				return err
			}
		}
		select {
		case <-sent:
			ended = true
		default:
		}
		switch {
		case err == io.EOF, ended && errors.Is(err, os.ErrDeadlineExceeded):
			return nil
		case err != nil:
			return fmt.Errorf("%w: %w", ErrLost, err)
		case ended:
			_ = conn.SetReadDeadline(time.Now().Add(farewell))
		}
	}
}

// onlyReader and onlyWriter hide the other methods, so that io.CopyBuffer uses
// the buffer it is given: the short cuts between a pipe and a socket move less
// at a time.
type (
	onlyReader struct{ io.Reader }
	onlyWriter struct{ io.Writer }
)
