package knock

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"time"
)

// synWatch is how long the answer to a single SYN is awaited. The kernel repeats
// an unanswered SYN after a second, and a repeated knock would be a sixth one.
const synWatch = 900 * time.Millisecond

// state is what has become of a socket.
type state int

const (
	stateSent      state = iota // the answer is awaited
	stateConnected              // SSH accepted; the banner is awaited
	stateGreeted                // SSH accepted; the wait for the banner is over
	stateAnswered               // refused, rejected, or silent to the end
	stateNoRoute                // unreachable: no route to the host
	stateFailed                 // SSH accepted; err says why this machine could not use the connection
)

// socket is one SYN and what came of it: a knock, or a probe of the SSH port.
// Its fields belong to the goroutine that calls the engine.
type socket struct {
	*syn
	port    uint16
	probe   bool
	attempt int // of the handshake, from 0
	index   int // of the knock within its attempt, or of the packet within its batch

	state  state
	conn   net.Conn // in the states connected and greeted
	banner *reader  // in the states connected and greeted
	ssh    SSH      // what a probe saw
	err    error    // in the state failed
}

// done reports whether nothing more is awaited.
func (s *socket) done() bool { return s.state != stateSent && s.state != stateConnected }

// seen returns what the probe saw, once the engine has ended.
func (s *socket) seen() SSH {
	if s.state == stateConnected {
		s.ssh.State = SSHSilent
	}
	return s.ssh
}

// closeConn closes the connection, if there is one.
func (s *socket) closeConn() {
	if s.conn != nil {
		_ = s.conn.Close()
	}
}

// reply is what came back to a SYN.
type reply struct {
	answer  Answer
	at      time.Time
	noRoute bool       // unreachable, and not because something at the host rejects
	from    netip.Addr // who sent the ICMP error, where that is known

	repeated bool // it answers the kernel's repeat of the SYN, as far as that is known
}

// outcome is news of a socket: the reply to its SYN, or the end of the wait for
// the banner.
type outcome struct {
	*socket
	reply
	greeting *greeting // nil for a reply
}

// rtt is the time from the SYN to its answer, zero if none came.
func (o outcome) rtt() Measure {
	if o.answer == Silent {
		return 0
	}
	return Measure(o.at.Sub(o.sent))
}

// engine sends SYNs to one address, and waits for the answers and banners. Each
// wait is a goroutine that reports to the channel outcomes; everything else runs
// on the goroutine that calls the engine.
type engine struct {
	addr     netip.Addr
	source   Source
	log      *slog.Logger
	record   func(outcome) // called for each outcome, after it was applied to its socket
	poll     func()        // if not nil, called often while await waits
	start    time.Time
	outcomes chan outcome
	running  sync.WaitGroup
	watched  []*socket // those that a goroutine waits for, the oldest first
	left     bool      // a SYN has left: there was a route
	ended    bool
}

func (c *Client) newEngine(addr netip.Addr) *engine {
	log := cmp.Or(c.Log, slog.New(slog.DiscardHandler))
	return &engine{addr: addr, source: c.Source, log: log.With("address", addr), start: time.Now(), outcomes: make(chan outcome, 64)}
}

// send sends one SYN to the port of s. With drop the connection cannot be
// completed, see dropSYNACK. The error is one of this machine.
func (e *engine) send(s socket, drop bool) (*socket, error) {
	var err error
	if s.syn, err = sendSYN(netip.AddrPortFrom(e.addr, s.port), drop, e.source); err != nil {
		return nil, err
	}
	e.left = e.left || s.left()
	e.log.Debug("SYN sent", "port", s.port, "probe", s.probe)
	return &s, nil
}

// watch waits for the answer to s until deadline. Then the socket is closed,
// unless it is that of a probe that SSH accepted.
func (e *engine) watch(s *socket, deadline time.Time) {
	e.watched = append(e.watched, s)
	e.running.Go(func() {
		r := s.wait(deadline, e.addr)
		if !s.probe || r.answer != Open {
			s.close()
		}
		e.outcomes <- outcome{socket: s, reply: r}
	})
}

// readBanner waits for the banner of a probe that is connected, until deadline.
// It does nothing once the engine has ended.
func (e *engine) readBanner(s *socket, deadline time.Time) {
	if e.ended {
		return
	}
	r := &reader{conn: s.conn}
	s.banner = r
	e.watched = append(e.watched, s)
	e.running.Go(func() {
		g := r.read(deadline)
		e.outcomes <- outcome{socket: s, reply: reply{at: time.Now()}, greeting: &g}
	})
}

// pollInterval is how often await calls poll.
const pollInterval = 2 * time.Millisecond

// await applies outcomes until done, or until the time until. Its error is the
// cause of ctx's end.
func (e *engine) await(ctx context.Context, until time.Time, done func() bool) error {
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	var poll <-chan time.Time
	if e.poll != nil {
		ticker := time.NewTicker(pollInterval)
		defer ticker.Stop()
		poll = ticker.C
	}
	for !done() {
		select { // outcomes that are there already come before the timer
		case <-ctx.Done():
			return context.Cause(ctx)
		case o := <-e.outcomes:
			e.apply(o)
			continue
		default:
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-timer.C:
			return nil
		case <-poll:
			e.poll()
		case o := <-e.outcomes:
			e.apply(o)
		}
	}
	return nil
}

// end stops all waits and applies their outcomes. No socket is in the state sent
// after it.
func (e *engine) end() {
	e.ended = true
	for _, s := range e.watched {
		if s.state == stateConnected {
			s.banner.expires(time.Now())
		} else {
			s.expire()
		}
	}
	go func() {
		e.running.Wait()
		close(e.outcomes)
	}()
	for o := range e.outcomes {
		e.apply(o)
	}
}

// apply changes the socket's state by an outcome, and passes the outcome on.
func (e *engine) apply(o outcome) {
	if i := slices.Index(e.watched, o.socket); i >= 0 {
		e.watched = slices.Delete(e.watched, i, i+1)
	}
	if o.greeting != nil {
		o.applyGreeting(e.start)
		e.log.Debug("banner", "port", o.port, "state", string(o.ssh.State), "text", o.ssh.Banner)
	} else {
		o.applyReply(e.start)
		e.log.Debug("answer", "port", o.port, "probe", o.probe, "answer", string(o.answer), "rtt", time.Duration(o.rtt()))
	}
	e.record(o)
}

func (o outcome) applyGreeting(start time.Time) {
	s, g := o.socket, o.greeting
	s.state, s.conn = stateGreeted, g.conn
	s.ssh.State, s.ssh.Banner, s.ssh.Closed = g.state, g.text, g.shut
	if g.text != "" {
		s.ssh.Read = Measure(o.at.Sub(start))
	}
}

func (o outcome) applyReply(start time.Time) {
	s := o.socket
	s.state, s.ssh.RTT, s.ssh.Repeated = stateAnswered, o.rtt(), o.repeated
	switch o.answer {
	case Open:
		if !s.probe {
			return
		}
		s.conn, s.err = s.netConn()
		s.close()
		if s.err != nil {
			s.state, s.ssh.State = stateFailed, SSHSilent
			return
		}
		s.state, s.ssh.Connect = stateConnected, Measure(o.at.Sub(start))
	case Refused:
		s.ssh.State = SSHRefused
	case Unreachable:
		s.ssh.State = SSHUnreachable
		if o.noRoute {
			s.state = stateNoRoute
		}
	default:
		s.ssh.State = SSHFiltered
	}
}

func unreachable(addr netip.Addr) error {
	return fmt.Errorf("%w: no route to host %s; check the address and this machine's network", ErrUnreachable, addr)
}

func sendError(what string, err error) error {
	hint := "check this machine's network"
	switch {
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EACCES):
		hint = "a firewall on this machine forbids it"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		hint = "it is no address of this machine"
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		hint = "too many files are open: raise ulimit -n"
	}
	return fmt.Errorf("%w: %s: %w; %s", ErrSend, what, err, hint)
}
