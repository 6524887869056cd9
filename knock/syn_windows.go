package knock

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

// Windows socket errors that package syscall does not name, see winsock2.h.
const (
	wsaECONNREFUSED = syscall.Errno(10061)
	wsaENETUNREACH  = syscall.Errno(10051)
	wsaEHOSTUNREACH = syscall.Errno(10065)
)

// syn is one connection attempt, made by the standard dialer.
type syn struct {
	sent   time.Time
	from   netip.Addr // not known
	drop   bool       // never: every connection is completed
	cancel context.CancelFunc
	dialed chan struct{}
	ended  chan struct{} // closed by expire
	once   sync.Once
	c      net.Conn
	err    error
}

// sendSYN starts to connect to addr. The standard dialer does not tell when the
// SYN has left, so sendSYN waits a millisecond: more than the call takes, and no
// more than the shortest gap. Windows cannot drop a SYN-ACK.
func sendSYN(addr netip.AddrPort, _ bool, source Source) (*syn, error) {
	var d net.Dialer
	if source != nil {
		from, err := source.Local(addr.Addr())
		if err != nil {
			return nil, err
		}
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &syn{sent: time.Now(), cancel: cancel, dialed: make(chan struct{}), ended: make(chan struct{})}
	go func() {
		defer close(s.dialed)
		s.c, s.err = d.DialContext(ctx, "tcp", addr.String())
	}()
	time.Sleep(time.Millisecond)
	return s, nil
}

func (s *syn) wait(deadline time.Time, _ netip.Addr) reply {
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	r := reply{answer: Silent}
	select {
	case <-s.dialed:
		switch {
		case s.err == nil:
			r.answer = Open
		case errors.Is(s.err, wsaECONNREFUSED):
			r.answer = Refused
		case errors.Is(s.err, wsaENETUNREACH), errors.Is(s.err, wsaEHOSTUNREACH):
			r.answer, r.noRoute = Unreachable, true
		}
	case <-s.ended:
	case <-timer.C:
	}
	r.at = time.Now()
	return r
}

// left reports whether the SYN has left, which is not known here.
func (s *syn) left() bool { return true }

// connected reports whether the server has accepted by now.
func (s *syn) connected() bool {
	select {
	case <-s.dialed:
		return s.err == nil
	default:
		return false
	}
}

// expire ends the wait, also one that has not begun.
func (s *syn) expire() { s.once.Do(func() { close(s.ended) }) }

// netConn returns the connection, which close then leaves open.
func (s *syn) netConn() (net.Conn, error) {
	c, err := s.c, s.err
	s.c = nil
	return c, err
}

func (s *syn) close() {
	s.cancel()
	<-s.dialed
	if s.c != nil {
		s.c.Close()
	}
}

// replayed is a connection whose first bytes were read ahead and are read again.
type replayed struct {
	net.Conn
	first []byte
}

// Read reads the bytes read ahead, then the connection.
func (r *replayed) Read(b []byte) (int, error) {
	if len(r.first) > 0 {
		n := copy(b, r.first)
		r.first = r.first[n:]
		return n, nil
	}
	return r.Conn.Read(b)
}

// peek returns the bytes read ahead so far, with more than had of them unless
// the connection ended or its deadline came. Go's poller cannot peek on Windows,
// so the bytes are stored.
func peek(c net.Conn, had int) (seen []byte, whole net.Conn, end error) {
	r, ok := c.(*replayed)
	if !ok {
		r = &replayed{Conn: c}
	}
	buf := make([]byte, maxGreeting-had)
	n, err := r.Conn.Read(buf)
	r.first = append(r.first, buf[:n]...)
	return r.first, r, err
}
