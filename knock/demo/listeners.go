package demo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"rapport/knock"
)

// The ranges that are tried if none is configured: the article's, and those of the
// same size above it, below the ports that Linux uses for outgoing connections,
// from 32768 on.
const (
	rangeSize = 1000
	lastRange = 31000
)

// The SSH ports that are tried if none is configured.
const (
	firstSSHPort = 2222
	lastSSHPort  = 2321
)

// backOff is the pause after an accept that failed, for example without free
// descriptors.
const backOff = 10 * time.Millisecond

// pickPorts chooses the ranges and the SSH port, and listens on the knock ports. If
// no range is configured it takes the first one whose ports are free: s.mu is held.
func (s *StandIn) pickPorts() error {
	c := s.config
	if err := s.pickSSHPort(); err != nil {
		return err
	}
	if c.Range.IsValid() || c.Faults.Range.IsValid() {
		s.Range, s.rules = c.Range, cmp.Or(c.Faults.Range, c.Range)
		flag := "--range"
		if c.Faults.Range.IsValid() {
			flag = "--fault range="
		}
		s.listen(1)
		for _, port := range s.sequence(0).Ports() {
			if s.taken[port] {
				return fmt.Errorf("port %d is taken; choose another range with %s", port, flag)
			}
		}
		if s.Range.IsValid() {
			return nil
		}
		return s.pickRange(func(r knock.Range) bool { return r != s.rules && s.unused(r) })
	}
	return s.pickRange(func(r knock.Range) bool {
		s.rules = r
		s.listen(2)
		return len(s.taken) == 0
	})
}

// pickRange chooses the first range for clients that fits. Stand-ins on one machine have
// different SSH ports, which give them different ranges: else one would see the knocks
// for another.
func (s *StandIn) pickRange(fits func(knock.Range) bool) error {
	const ranges = (lastRange-10000)/rangeSize + 1 // from that of the article on
	first := max(0, int(s.SSHAddr.Port())-firstSSHPort) % ranges
	for n := range ranges {
		bottom := knock.DefaultRange.Bottom() + (first+n)%ranges*rangeSize
		r, err := knock.NewRange(bottom, bottom+rangeSize-1)
		if err != nil {
			return err
		}
		if !r.Contains(int(s.SSHAddr.Port())) && fits(r) {
			s.Range = r
			return nil
		}
	}
	return fmt.Errorf("no range of %d ports between %d and %d has its ports free; choose one with --range",
		rangeSize, knock.DefaultRange.Bottom(), lastRange+rangeSize-1)
}

// unused reports whether nothing else listens on this hour's ports of a range: it would
// answer the knocks that the rules of another range do not get.
func (s *StandIn) unused(r knock.Range) bool {
	for _, port := range knock.Derive(s.hour, r, s.config.Secret).Ports() {
		if s.knocks[port] != nil {
			continue
		}
		l, err := listenTCP(netip.AddrPortFrom(s.config.Addr, port))
		if err != nil {
			return false
		}
		_ = l.Close()
	}
	return true
}

// pickSSHPort chooses the SSH port and locks it.
func (s *StandIn) pickSSHPort() error {
	c := s.config
	if c.SSHPort != 0 {
		s.SSHAddr = netip.AddrPortFrom(c.Addr, uint16(c.SSHPort))
		if err := s.lockPort(); err != nil {
			return fmt.Errorf("port %d is taken; choose another with --ssh-port", c.SSHPort)
		}
		return nil
	}
	for port := firstSSHPort; port <= lastSSHPort; port++ {
		if c.Range.Contains(port) || c.Faults.Range.Contains(port) {
			continue
		}
		s.SSHAddr = netip.AddrPortFrom(c.Addr, uint16(port))
		if s.lockPort() == nil {
			return nil
		}
	}
	return fmt.Errorf("the ports %d-%d are all taken; choose another with --ssh-port", firstSSHPort, lastSSHPort)
}

// lockPort makes sure that the SSH port is free. Nothing listens there while the
// gate is closed, so that a second stand-in would find it free too. The UDP port of
// the same number serves as a lock, and says what runs here.
func (s *StandIn) lockPort() error {
	lock, err := new(net.ListenConfig).ListenPacket(s.ctx, "udp", s.SSHAddr.String())
	if err != nil {
		return err
	}
	l, err := listenTCP(s.SSHAddr)
	if err != nil {
		_ = lock.Close()
		return err
	}
	s.lock = lock
	s.running.Go(func() { answerAsked(lock) })
	return l.Close()
}

// mark is what [Runs] asks the UDP port of a stand-in, and what that answers.
const mark = "rapport stand-in"

// Runs reports whether a stand-in has that SSH address. Its address does not tell: a server's own
// gate and sshd are on loopback too.
func Runs(addr netip.AddrPort) bool {
	const wait = 500 * time.Millisecond // a firewall may drop what is asked
	if !addr.Addr().IsLoopback() {
		return false
	}
	c, err := net.Dial("udp", addr.String())
	if err != nil {
		return false
	}
	defer c.Close()
	answer := make([]byte, len(mark))
	_ = c.SetDeadline(time.Now().Add(wait))
	if _, err := c.Write([]byte(mark)); err != nil {
		return false
	}
	n, err := c.Read(answer)
	return err == nil && string(answer[:n]) == mark
}

// answerAsked answers those that ask whether this is a stand-in, until the lock is closed.
func answerAsked(lock net.PacketConn) {
	asked := make([]byte, len(mark))
	for {
		switch n, from, err := lock.ReadFrom(asked); {
		case errors.Is(err, net.ErrClosed):
			return
		case err == nil && string(asked[:n]) == mark:
			_, _ = lock.WriteTo(asked[:n], from)
		}
	}
}

// listenTCP listens on a port, without multipath TCP, Go's default, which makes
// listening and accepting slower.
func listenTCP(addr netip.AddrPort) (*net.TCPListener, error) {
	var lc net.ListenConfig
	lc.SetMultipathTCP(false)
	l, err := lc.Listen(context.Background(), "tcp", addr.String())
	if err != nil {
		return nil, err
	}
	return l.(*net.TCPListener), nil
}

// listen listens on the ports of so many hours from this one on, and closes all
// others. While the stand-in runs that is one hour: a client that knocks at ports of
// another must get no answer. It stores ports that are not free in s.taken: s.mu is
// held.
func (s *StandIn) listen(hours int) {
	want := make(map[uint16]bool, 2*knock.Knocks)
	for n := range hours {
		for _, port := range s.sequence(n).Ports() {
			want[port] = true
		}
	}
	for port := range s.dropped {
		delete(want, port)
	}
	for port, l := range s.knocks {
		if !want[port] {
			_ = l.Close()
			delete(s.knocks, port)
		}
	}
	was := s.taken
	s.taken = make(map[uint16]bool)
	for port := range want {
		if s.knocks[port] != nil {
			continue
		}
		l, err := listenTCP(netip.AddrPortFrom(s.config.Addr, port))
		if err == nil {
			if err = s.arrivals.add(port, l); err != nil {
				_ = l.Close()
			}
		}
		if err != nil {
			s.taken[port] = true
			if !was[port] {
				s.portTaken(port, err)
			}
			continue
		}
		s.knocks[port] = l
	}
}

// portTaken reports a failed listen with its short cause: s.mu is held.
func (s *StandIn) portTaken(port uint16, err error) {
	if errno := syscall.Errno(0); errors.As(err, &errno) {
		err = errno
	}
	s.emit(Event{Kind: PortTaken, Port: int(port), Err: err})
}

// openSSH listens on the SSH port, unless the server is down: s.mu is held.
func (s *StandIn) openSSH() {
	if s.listener != nil || s.config.Faults.SSHD == SSHDDown {
		return
	}
	l, err := listenTCP(s.SSHAddr)
	if err != nil {
		s.portTaken(s.SSHAddr.Port(), err)
		return
	}
	s.listener = l
	s.running.Go(func() { s.accept(l) })
}

// accept admits l's connections until l is closed.
func (s *StandIn) accept(l *net.TCPListener) {
	for {
		c, err := l.AcceptTCP()
		switch {
		case err == nil:
			s.admit(c)
		case errors.Is(err, net.ErrClosed):
			return
		default:
			knock.Wait(s.ctx, backOff)
		}
	}
}

// remote returns the source address of c.
func remote(c *net.TCPConn) netip.Addr {
	addr, _ := c.RemoteAddr().(*net.TCPAddr)
	return addr.AddrPort().Addr().Unmap()
}
