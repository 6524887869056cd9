// Package proxy is the end of ssh's ProxyCommand (ssh_config(5)): once a
// handshake has opened SSH, [Carry] moves bytes between ssh and the connection,
// or [PassTo] passes the connection itself to ssh (ProxyUseFdpass).
package proxy

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"
)

// carryBuffer is the most that is copied at once, in bytes.
const carryBuffer = 512 << 10

// drainTimeout is how long the connection may stay silent after the input has
// ended. A finished session ends in both directions at once; after a longer
// silence the network is down.
const drainTimeout = time.Minute

var (
	// ErrLost says that a connection broke while it was in use.
	ErrLost = errors.New("the connection was lost")
	// ErrNoFdpass says that the connection cannot be passed to ssh.
	ErrNoFdpass = errors.New("cannot pass the connection to ssh")
)

// Carry carries bytes between a connection and a program's standard input and
// output, as a ProxyCommand of ssh must, until the connection ends. The end of in
// half-closes the connection. Carry closes conn, and returns nil when both
// directions ended in order; its error wraps ErrLost where the connection broke.
// When the connection ends first, a goroutine is still reading in.
func Carry(conn net.Conn, in io.Reader, out io.Writer) error {
	defer conn.Close()
	widen(in)
	widen(out)
	sent := make(chan struct{})
	go func() {
		_, err := io.CopyBuffer(onlyWriter{conn}, onlyReader{in}, make([]byte, carryBuffer))
		if half, ok := conn.(interface{ CloseWrite() error }); ok && err == nil {
			_ = half.CloseWrite() // the reader learns what is wrong
		}
		// The server may still send, as long as it does not pause for too long.
		_ = conn.SetReadDeadline(time.Now().Add(drainTimeout))
		close(sent)
	}()
	return receive(conn, out, sent)
}

// receive copies from conn to out. Once the input has ended, each read extends
// the deadline of the next.
func receive(conn net.Conn, out io.Writer, sent <-chan struct{}) error {
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
		case errors.Is(err, io.EOF), ended && errors.Is(err, os.ErrDeadlineExceeded):
			return nil
		case err != nil:
			return fmt.Errorf("%w: %w", ErrLost, err)
		case ended:
			_ = conn.SetReadDeadline(time.Now().Add(drainTimeout))
		}
	}
}

// onlyReader and onlyWriter hide ReadFrom and WriteTo, so that io.CopyBuffer uses
// its buffer: splicing between a pipe and a socket moves less at a time.
type (
	onlyReader struct{ io.Reader }
	onlyWriter struct{ io.Writer }
)
