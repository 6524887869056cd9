// Package demo is a gate and an SSH server on loopback, in pure Go: for rapport demo
// and for tests, without root and without a firewall.
//
// [Start] starts a [StandIn] from a [Config]. It follows the hour as a real server
// does, and reports each [Event]. [Faults] are things that go wrong on real servers:
// a wrong clock, another range, lost knocks, an SSH server that is down, silent or
// refusing.
//
// [Phases] are the article's netfilter rules as a state machine without I/O and
// clock. The documentation of StandIn says how it differs from a real gate.
package demo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"rapport/knock"
)

const (
	// tick is how often the clock is read. One long timer to the hour change would
	// miss a clock that is set and a laptop that slept.
	tick = time.Second
	// eventBacklog is how many events OnEvent can lag behind. A handshake makes
	// about eight.
	eventBacklog = 256
	// firstUnprivileged is the lowest port that needs no root.
	firstUnprivileged = 1024
)

// Config is the configuration of a [StandIn]. Only the secret is required.
type Config struct {
	Secret  knock.Secret
	Range   knock.Range   // zero: one with free ports; knock.DefaultRange for the first stand-in on a machine
	Window  time.Duration // of each phase and of SSH; zero: knock.DefaultWindow
	SSHPort int           // zero: the first free port from 2222 on
	Addr    netip.Addr    // on loopback; zero: 127.0.0.1
	Faults  Faults
	// Clock is the server's clock before faults. It only gives the hour: windows are
	// measured by the monotonic clock, as in the kernel.
	Clock knock.Clock
	// OnEvent, if not nil, is called with every event in order, from one goroutine.
	// Events are lost if it is more than 256 behind. It must not call Close, which
	// waits for it.
	OnEvent func(Event)
}

// EventKind is what an [Event] is about.
type EventKind int

// The kinds of events of a [StandIn].
const (
	// Entered: Addr entered Phase by a knock to Port.
	Entered EventKind = iota + 1
	// Opened: SSH is open for Addr from now on, for one window.
	Opened
	// Shut: the window of Addr is over, or a refresh ended it.
	Shut
	// Refreshed: the ports are those of Hour from now on.
	Refreshed
	// PortTaken: listening on Port failed with Err. The stand-in tries again every
	// second; knocks to that port are lost until then.
	PortTaken
	// Login: a session from Addr was greeted.
	Login
)

// Event is something that happened to a [StandIn]. Fields that do not concern its
// kind are zero.
type Event struct {
	Kind  EventKind
	Time  time.Time // by the server's clock, faults included
	Addr  netip.Addr
	Port  int
	Phase int // 1 to 5
	Hour  knock.Hour
	Err   error
}

// StandIn is a gate and its SSH server on loopback. It behaves as the article's
// rules do, except for what a program cannot do without the kernel's firewall:
//
//   - It sees a knock only where it listens, so the ports of the hour accept
//     connections, and close them. A client sees `open` there, and `refused` on
//     every other port and on that of a lost knock, where a real gate is `silent`.
//   - The SSH port refuses while closed. While it is open for one address, it
//     accepts and resets connections from others.
//   - Knocks count in the order in which they were sent. On other systems than
//     Linux the order within 10 ms is not known: these count in the order of the
//     sequence.
type StandIn struct {
	// Range is the range for clients. With a fault in the range, the rules have
	// another. SSHAddr is the address of the SSH server. Both stay as Start has set them.
	Range   knock.Range
	SSHAddr netip.AddrPort

	config   Config
	rules    knock.Range // the range of the rules
	server   *ssh.ServerConfig
	lock     net.PacketConn // see lockPort
	ctx      context.Context
	cancel   context.CancelFunc
	running  sync.WaitGroup
	wake     chan struct{} // something is due earlier than before
	sessions chan struct{} // one slot for each connection to the SSH port

	mu       sync.Mutex
	closed   bool
	hour     knock.Hour
	phases   *Phases
	dropped  map[uint16]bool             // ports of this hour that lose every packet
	arrivals *arrivals                   // accepts the knocks
	knocks   map[uint16]*net.TCPListener // of this hour
	taken    map[uint16]bool             // ports of this hour that are not free
	open     map[netip.Addr]time.Time    // when SSH opened, for each address for which it is open
	listener *net.TCPListener            // of SSH, nil while shut
	conns    map[net.Conn]struct{}       // to the SSH port
	events   chan Event                  // nil without OnEvent
}

// Start starts a stand-in that runs until ctx ends or Close is called. It fails for
// a wrong configuration and for ports that are taken, which the error names.
func Start(ctx context.Context, c Config) (*StandIn, error) {
	c.Window = cmp.Or(c.Window, knock.DefaultWindow)
	c.Addr = cmp.Or(c.Addr, netip.AddrFrom4([4]byte{127, 0, 0, 1}))
	if err := check(c); err != nil {
		return nil, err
	}
	server, err := newSSHServer()
	if err != nil {
		return nil, err
	}
	s := &StandIn{
		config:   c,
		server:   server,
		wake:     make(chan struct{}, 1),
		sessions: make(chan struct{}, maxSessions),
		knocks:   make(map[uint16]*net.TCPListener),
		taken:    make(map[uint16]bool),
		open:     make(map[netip.Addr]time.Time),
		conns:    make(map[net.Conn]struct{}),
	}
	s.ctx, s.cancel = context.WithCancel(ctx)
	if err := s.start(); err != nil {
		s.running.Wait()
		return nil, err
	}
	return s, nil
}

// start chooses the ports and starts the goroutines. After an error they end.
func (s *StandIn) start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hour = knock.HourOf(s.now())
	var err error
	if s.arrivals, err = newArrivals(); err == nil {
		err = s.pickPorts()
	}
	if err != nil {
		s.teardown()
		return err
	}
	if on := s.config.OnEvent; on != nil {
		s.events = make(chan Event, eventBacklog)
		s.running.Go(func() {
			for e := range s.events {
				on(e)
			}
		})
	}
	clear(s.taken) // so that listen reports them, now that events are delivered
	s.refresh()
	s.running.Go(s.run)
	s.running.Go(s.acceptKnocks)
	return nil
}

// check returns what is wrong with a configuration.
func check(c Config) error {
	switch {
	case c.Secret.IsZero():
		return errors.New("the stand-in needs a secret")
	case c.Window < 0:
		return fmt.Errorf("window %v is negative; give one such as 5s", c.Window)
	case !c.Addr.IsLoopback():
		return fmt.Errorf("address %v is not on loopback, and the stand-in is safe only there; use 127.0.0.1", c.Addr)
	case c.SSHPort != 0 && (c.SSHPort < firstUnprivileged || c.SSHPort > 65535):
		return fmt.Errorf("ssh port %d is not within %d-65535; choose another with --ssh-port", c.SSHPort, firstUnprivileged)
	}
	for _, r := range [...]knock.Range{c.Range, c.Faults.Range} {
		if r.IsValid() && r.Bottom() < firstUnprivileged {
			return fmt.Errorf("range %v has ports below %d, which need root; choose another range with --range", r, firstUnprivileged)
		}
		if c.SSHPort != 0 && r.Contains(c.SSHPort) {
			return fmt.Errorf("ssh port %d lies in the range %v; choose another with --ssh-port", c.SSHPort, r)
		}
	}
	return nil
}

// Close ends the stand-in and its sessions, and returns when all its goroutines have
// ended and the last event is delivered. It returns nil, and may be called again.
func (s *StandIn) Close() error {
	s.cancel()
	s.running.Wait()
	return nil
}

// run does what is due until the stand-in ends.
func (s *StandIn) run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-s.ctx.Done():
			s.mu.Lock()
			defer s.mu.Unlock()
			s.teardown()
			return
		case <-timer.C:
		case <-s.wake:
		}
		timer.Reset(s.runDue())
	}
}

// runDue does what is due, and returns how long until the next call.
func (s *StandIn) runDue() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if h := knock.HourOf(now); h != s.hour {
		s.hour = h
		s.refresh()
	} else if len(s.taken) > 0 {
		s.listen(1)
	}
	s.shut()
	if len(s.open) > 0 && s.listener == nil {
		s.openSSH() // its port was taken
	}

	wait := min(tick, s.hour.End().Sub(now))
	for _, since := range s.open {
		wait = min(wait, s.config.Window-time.Since(since))
	}
	return wait + time.Millisecond // what is due at an instant is over after it
}

// refresh loads the ports of s.hour: s.mu is held.
func (s *StandIn) refresh() {
	seq := s.sequence(0)
	if s.phases == nil {
		s.phases = NewPhases(seq, s.config.Window)
	} else {
		s.phases.Refresh(seq)
	}
	s.dropped = make(map[uint16]bool)
	for k, port := range seq.Ports() {
		if s.config.Faults.Drop[k] {
			s.dropped[port] = true
		}
	}
	s.listen(1)
	s.emit(Event{Kind: Refreshed, Hour: s.hour})
	s.shut()
}

// sequence returns the rules' sequence n hours after the current one.
func (s *StandIn) sequence(n int) knock.Sequence {
	return knock.Derive(s.hour.Add(n), s.rules, s.config.Secret)
}

// now returns the time of the server's clock.
func (s *StandIn) now() time.Time { return s.config.Clock.Now().Add(s.config.Faults.Clock) }

// acceptKnocks accepts knocks until the stand-in ends.
func (s *StandIn) acceptKnocks() {
	for {
		b, err := s.arrivals.wait()
		if err != nil {
			if s.ctx.Err() == nil {
				time.Sleep(backOff)
				continue
			}
			return
		}
		s.knock(b)
	}
}

// knock plays knocks that arrived now.
func (s *StandIn) knock(b batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	at, ports := time.Now(), s.phases.ports
	var events []Event
	s.phases.play(b, at, func(a arrival, phases []int) {
		for _, phase := range phases {
			events = append(events, Event{Kind: Entered, Addr: a.addr, Phase: phase, Port: int(ports[phase-1])})
		}
		if slices.Contains(phases, knock.Knocks) {
			// At once: the client's SYN to the SSH port follows within 1 ms.
			s.open[a.addr] = at
			s.openSSH()
			events = append(events, Event{Kind: Opened, Addr: a.addr, Port: int(s.SSHAddr.Port())})
		}
	})
	for _, e := range events {
		s.emit(e)
	}
	if len(s.open) > 0 {
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
}

// shut closes the windows that are over: s.mu is held.
func (s *StandIn) shut() {
	now := time.Now()
	for addr := range s.open {
		if !s.phases.Open(addr, now) {
			delete(s.open, addr)
			s.emit(Event{Kind: Shut, Addr: addr, Port: int(s.SSHAddr.Port())})
		}
	}
	if len(s.open) == 0 && s.listener != nil {
		_ = s.listener.Close()
		s.listener = nil
	}
}

// emit passes an event on without waiting: s.mu is held.
func (s *StandIn) emit(e Event) {
	if s.events == nil || s.closed {
		return
	}
	e.Time = s.now()
	select {
	case s.events <- e:
	default:
	}
}

// teardown closes everything, so that every goroutine ends: s.mu is held.
func (s *StandIn) teardown() {
	s.cancel()
	s.closed = true
	if s.arrivals != nil {
		s.arrivals.close()
	}
	for _, l := range s.knocks {
		_ = l.Close()
	}
	for c := range s.conns {
		_ = c.Close()
	}
	if s.listener != nil {
		_ = s.listener.Close()
	}
	if s.lock != nil {
		_ = s.lock.Close()
	}
	if s.events != nil {
		close(s.events)
	}
}
