//go:build unix

package knock

import (
	"cmp"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"
)

// syn is one connection attempt of which exactly one SYN has left when sendSYN
// returns. The kernel repeats it after a second, unless it is closed by then.
type syn struct {
	sent time.Time
	file *os.File
	raw  syscall.RawConn
	now  error      // what connect itself answered
	from netip.Addr // this machine's address that the SYN carries
	// drop says that the connection cannot be completed, see dropSYNACK: connected then
	// means that a SYN-ACK came.
	drop bool

	mu  sync.Mutex
	end time.Time // the deadline in force
}

// sendSYN starts to connect to addr, by system calls: net.Dialer does not tell when
// the SYN has left, and their order is what counts. With drop, where the platform can,
// the connection is not completed: the syn only notes whether a SYN-ACK came. It is
// sent from source. An error is one of this machine: no SYN has left.
func sendSYN(addr netip.AddrPort, drop bool, source Source) (*syn, error) {
	domain, sockaddr, err := sockaddrOf(addr)
	if err != nil {
		return nil, err
	}
	syscall.ForkLock.RLock()
	fd, err := syscall.Socket(domain, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	if err := syscall.SetNonblock(fd, true); err != nil {
		syscall.Close(fd)
		return nil, os.NewSyscallError("setnonblock", err)
	}
	if source != nil {
		if err := source.Bind(fd, addr.Addr()); err != nil {
			syscall.Close(fd)
			return nil, err
		}
	}
	askForICMP(fd, domain)

	s := &syn{drop: drop && dropSYNACK(fd), sent: time.Now()}
	for {
		if err = syscall.Connect(fd, sockaddr); !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	switch {
	case err == nil || errors.Is(err, syscall.EINPROGRESS) || errors.Is(err, syscall.EALREADY) || errors.Is(err, syscall.EISCONN):
	case answerOf(err) == Pending:
		syscall.Close(fd)
		return nil, os.NewSyscallError("connect", err)
	default:
		s.now = err
	}
	s.from = localAddr(fd)
	s.file = os.NewFile(uintptr(fd), "knock")
	if s.raw, err = s.file.SyscallConn(); err != nil {
		s.file.Close()
		return nil, err
	}
	return s, nil
}

// localAddr returns this machine's address of a socket, the zero Addr if it is not
// known.
func localAddr(fd int) netip.Addr {
	sa, err := syscall.Getsockname(fd)
	if err != nil {
		return netip.Addr{}
	}
	switch sa := sa.(type) {
	case *syscall.SockaddrInet4:
		return netip.AddrFrom4(sa.Addr)
	case *syscall.SockaddrInet6:
		return netip.AddrFrom16(sa.Addr)
	}
	return netip.Addr{}
}

// wait returns the reply; Silent where there is none by the deadline or when
// expire is called.
func (s *syn) wait(deadline time.Time, target netip.Addr) reply {
	err := s.now
	done := err != nil
	check := func(fd uintptr) bool {
		if errno, e := syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_ERROR); e != nil {
			err, done = e, true
		} else if errno != 0 {
			err, done = syscall.Errno(errno), true
		} else if _, e := syscall.Getpeername(int(fd)); e == nil {
			done = true
		}
		return done
	}
	if !done {
		s.expires(deadline)
		_ = s.raw.Write(check)
	}
	at := time.Now()
	if !done { // the answer may have come with the deadline
		_ = s.raw.Control(func(fd uintptr) { check(fd) })
	}
	switch {
	case !done:
		return reply{answer: Silent, at: at}
	case err == nil:
		r := reply{answer: Open, at: at}
		_ = s.raw.Control(func(fd uintptr) { r.repeated = answeredRepeat(int(fd), at.Sub(s.sent)) })
		return r
	}
	r := reply{answer: answerOf(err), at: at}
	r.noRoute = r.answer == Unreachable
	_ = s.raw.Control(func(fd uintptr) {
		if from, noRoute, ok := readICMP(int(fd)); ok {
			r.answer, r.from = Unreachable, from
			r.noRoute = noRoute && from != target.WithZone("")
		}
	})
	if r.answer == Pending { // an error that says nothing of the port, such as ECONNABORTED
		r.answer = Silent
	}
	return r
}

// left reports whether the SYN has left: this machine had a route.
func (s *syn) left() bool { return s.now == nil || answerOf(s.now) != Unreachable }

// connected reports whether the server has accepted by now.
func (s *syn) connected() (yes bool) {
	_ = s.raw.Control(func(fd uintptr) {
		if s.drop {
			yes = sawSYNACK(int(fd))
			return
		}
		_, err := syscall.Getpeername(int(fd))
		yes = err == nil
	})
	return yes
}

// expires brings the deadline of wait forward to t.
func (s *syn) expires(t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.end.IsZero() || t.Before(s.end) {
		s.end = t
		_ = s.file.SetWriteDeadline(t)
	}
}

// expire ends the wait, also one that has not begun.
func (s *syn) expire() { s.expires(s.sent) }

// netConn turns a connected syn into a net.Conn. The caller closes the syn after it.
func (s *syn) netConn() (net.Conn, error) { return net.FileConn(s.file) }

func (s *syn) close() { _ = s.file.Close() }

// answerOf maps an error of connect or SO_ERROR; Pending where it is one of this
// machine.
func answerOf(err error) Answer {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return Pending
	}
	switch errno {
	case syscall.ECONNREFUSED, syscall.ECONNRESET:
		return Refused
	case syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EHOSTDOWN, syscall.ENETDOWN, syscall.EADDRNOTAVAIL, syscall.EPROTO, syscall.ENOPROTOOPT:
		return Unreachable
	case syscall.ETIMEDOUT:
		return Silent
	}
	return Pending
}

func sockaddrOf(addr netip.AddrPort) (domain int, sa syscall.Sockaddr, err error) {
	ip := addr.Addr().Unmap()
	if ip.Is4() {
		return syscall.AF_INET, &syscall.SockaddrInet4{Port: int(addr.Port()), Addr: ip.As4()}, nil
	}
	sa6 := &syscall.SockaddrInet6{Port: int(addr.Port()), Addr: ip.As16()}
	if zone := ip.Zone(); zone != "" {
		iface, err := net.InterfaceByName(zone)
		if err != nil {
			return 0, nil, err
		}
		sa6.ZoneId = uint32(iface.Index)
	}
	return syscall.AF_INET6, sa6, nil
}

// peek returns up to maxGreeting bytes that wait in c, without taking them, as
// soon as there are more than had. end is why no more will come, [io.EOF] if the server closed,
// nil if more may.
func peek(c net.Conn, had int) (seen []byte, same net.Conn, end error) {
	raw, err := c.(syscall.Conn).SyscallConn()
	if err != nil {
		return nil, c, err
	}
	buf := make([]byte, maxGreeting)
	n := 0
	err = raw.Read(func(fd uintptr) bool {
		var e error
		n, _, e = syscall.Recvfrom(int(fd), buf, syscall.MSG_PEEK)
		switch {
		case e == syscall.EAGAIN || e == syscall.EINTR:
			return false
		case e != nil || n == 0:
			end = cmp.Or(e, io.EOF)
			return true
		}
		// No more than the known bytes: wait for the next event. While they are
		// unread, the end of the connection looks the same; the deadline decides.
		return n > had
	})
	return buf[:max(n, 0)], c, cmp.Or(end, err)
}
