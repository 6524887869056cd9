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
	cancel context.CancelFunc
	dialed chan struct{}
	ended  chan struct{} // closed by expire
	once   sync.Once
	c      net.Conn
	err    error
}

// sendSYN starts to connect to addr. The standard dialer does not tell when the
// SYN has left, so sendSYN waits a millisecond: more than the call takes, and no
// more than the shortest gap.
func sendSYN(addr netip.AddrPort) (*syn, error) {
	ctx, cancel := context.WithCancel(context.Background())
	s := &syn{sent: time.Now(), cancel: cancel, dialed: make(chan struct{}), ended: make(chan struct{})}
	go func() {
		defer close(s.dialed)
		var d net.Dialer
		s.c, s.err = d.DialContext(ctx, "tcp", addr.String())
	}()
	time.Sleep(time.Millisecond)
	return s, nil
}

// sendSYNDropSYNACK is sendSYN: Windows cannot drop a SYN-ACK.
func sendSYNDropSYNACK(addr netip.AddrPort) (*syn, error) { return sendSYN(addr) }

func (s *syn) wait(deadline time.Time, _ netip.Addr) reply {
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	select {
	case <-s.dialed:
	case <-s.ended:
		return reply{answer: Silent, at: time.Now()}
	case <-timer.C:
		return reply{answer: Silent, at: time.Now()}
	}
	at := time.Now()
	switch {
	case s.err == nil:
		return reply{answer: Open, at: at}
	case errors.Is(s.err, wsaECONNREFUSED):
		return reply{answer: Refused, at: at}
	case errors.Is(s.err, wsaENETUNREACH), errors.Is(s.err, wsaEHOSTUNREACH):
		return reply{answer: Unreachable, at: at, noRoute: true}
	}
	return reply{answer: Silent, at: at}
}

// dropsSYNACK reports false: every connection is completed.
func (s *syn) dropsSYNACK() bool { return false }

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

// expire ends a wait that is under way, or is yet to begin.
func (s *syn) expire() { s.once.Do(func() { close(s.ended) }) }

// conn hands the connection over; close no longer closes it.
func (s *syn) conn() (net.Conn, error) {
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
