package proxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"rapport/knock"
)

const (
	// keepSilence is how long the server may be silent after the client has spoken. It
	// answers a banner with its keys at once.
	keepSilence = 10 * time.Second
	// keepPause is the time between two tries: a network that is away answers at once.
	keepPause = time.Second
	// maxKept is the most that is kept to be sent again, in bytes. ssh sends about 2 KB
	// before it has seen the server's keys.
	maxKept = 64 << 10
)

// Keeper carries bytes like [Carry], and begins again on a new connection where one is
// lost before the login. ssh sees one stream, so that is possible only until the first
// byte beyond the server's banner (its list of algorithms) has been handed on: until then
// the new server can be given all that ssh has said, and its banner, if it is the same, be
// kept from ssh. A connection that the server closes in order is not lost.
type Keeper struct {
	Tries   int                      // how often Again may be called
	Again   func() (net.Conn, error) // makes another connection
	Silence time.Duration            // after which a connection is lost; zero is ten seconds
}

// Carry is [Carry] with conn as the first connection. The end of ctx ends it.
func (k Keeper) Carry(ctx context.Context, conn net.Conn, in io.Reader, out io.Writer) error {
	if k.Silence <= 0 {
		k.Silence = keepSilence
	}
	widen(in)
	widen(out)
	s := &kept{conn: conn, again: true}
	defer s.close()
	stop := context.AfterFunc(ctx, s.close)
	defer stop()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		s.send(in)
	}()
	var banner []byte // as handed on
	for {
		rest, err := s.greet(&banner, out, k.Silence)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, errOut):
			return err
		case err == nil:
			if _, err := out.Write(rest); err != nil {
				return err
			}
			s.settle()
			return receive(s.conn, out, sent)
		}
		if err := k.restart(ctx, s, err); err != nil {
			return err
		}
	}
}

// restart makes another connection in place of the one that was lost by cause.
func (k *Keeper) restart(ctx context.Context, s *kept, cause error) error {
	s.close()
	for k.Tries > 0 && s.repeatable() {
		k.Tries--
		conn, err := k.Again()
		switch {
		case err == nil && s.replay(conn):
			return context.Cause(ctx) // a new connection is not closed by it
		case err != nil:
			cause = err
		}
		if !knock.Wait(ctx, keepPause) {
			return context.Cause(ctx)
		}
	}
	return fmt.Errorf("%w before the login: %w", ErrLost, cause)
}

// kept is a stream to a server that may move to another connection.
type kept struct {
	mu    sync.Mutex
	conn  net.Conn
	sent  []byte // all that was sent, while it can be repeated
	again bool   // it can be repeated
	ended bool   // the client sends no more
}

func (s *kept) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.conn.Close()
}

// repeatable reports whether all that was sent is known, and more may follow.
func (s *kept) repeatable() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.again
}

// settle ends the time in which the stream can be repeated.
func (s *kept) settle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.again, s.sent = false, nil
	if !s.ended {
		_ = s.conn.SetReadDeadline(time.Time{})
	}
}

// replay moves the stream to conn, and reports whether it could. What cannot be written
// shows in the next read.
func (s *kept) replay(conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.again {
		_ = conn.Close()
		return false
	}
	s.conn = conn
	_, _ = conn.Write(s.sent)
	return true
}

// send sends all of in. Its end half-closes the connection, and nothing is repeated after
// it.
func (s *kept) send(in io.Reader) {
	buf := make([]byte, carryBuffer)
	for {
		n, err := in.Read(buf)
		if n > 0 && !s.write(buf[:n]) { // an empty write would take the error that the reader is to see
			return
		}
		if err != nil {
			s.mu.Lock()
			s.again, s.ended = false, true
			conn := s.conn
			s.mu.Unlock()
			if half, ok := conn.(interface{ CloseWrite() error }); ok && errors.Is(err, io.EOF) {
				_ = half.CloseWrite()
			}
			_ = conn.SetReadDeadline(time.Now().Add(drainTimeout))
			return
		}
	}
}

// write sends b, and reports whether more may be sent: an error is no matter as long as
// b can be sent again.
func (s *kept) write(b []byte) bool {
	s.mu.Lock()
	if s.again = s.again && len(s.sent)+len(b) <= maxKept; s.again {
		defer s.mu.Unlock()
		s.sent = append(s.sent, b...)
		_, _ = s.conn.Write(b)
		return true
	}
	conn := s.conn
	s.mu.Unlock() // a server that does not read must not stop the other direction
	_, err := conn.Write(b)
	return err == nil
}

// errOut says that what the server said cannot be handed on.
var errOut = errors.New("cannot write to ssh")

// greet reads the server's banner, with the lines before it, hands it on unless that was
// done before, and returns the first bytes beyond it.
func (s *kept) greet(banner *[]byte, out io.Writer, silence time.Duration) (rest []byte, err error) {
	buf := make([]byte, maxKept)
	n, end := 0, 0
	for end == 0 && n < len(buf) {
		m, err := s.read(buf[n:], silence)
		if n += m; err != nil {
			return nil, err
		}
		end = bannerEnd(buf[:n])
	}
	switch {
	case *banner == nil:
		if _, err := out.Write(buf[:end]); err != nil {
			return nil, fmt.Errorf("%w: %w", errOut, err)
		}
		*banner = buf[:end:end]
	case !bytes.Equal(*banner, buf[:end]):
		s.settle() // nothing fits to what ssh knows
		return nil, errors.New("the server says another banner now")
	}
	if n == end {
		m, err := s.read(buf[n:], silence)
		if n += m; err != nil {
			return nil, err
		}
	}
	return buf[end:n], nil
}

// read reads from the connection. Silence is an error once the client has said something:
// before that the server may wait too.
func (s *kept) read(b []byte, silence time.Duration) (int, error) {
	for {
		_ = s.conn.SetReadDeadline(time.Now().Add(silence))
		n, err := s.conn.Read(b)
		if n > 0 {
			return n, nil
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) || !s.waiting() {
			return 0, err
		}
	}
}

// waiting reports whether the client has said nothing yet: then the server may wait too.
func (s *kept) waiting() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.again && len(s.sent) == 0
}

// bannerEnd returns where the line ends that starts SSH-, zero while it has not ended.
func bannerEnd(b []byte) int {
	for at := 0; ; {
		i := bytes.IndexByte(b[at:], '\n')
		if i < 0 {
			return 0
		}
		if bytes.HasPrefix(b[at:], []byte("SSH-")) {
			return at + i + 1
		}
		at += i + 1
	}
}
