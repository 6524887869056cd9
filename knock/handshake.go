package knock

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// Options say how a handshake or probe is made. The zero Options are the usual
// ones.
type Options struct {
	Gaps     []time.Duration // between knocks, one attempt each; nil is what Target.Gaps says
	RTT      time.Duration   // the round trip as last measured, zero if it was not
	Timeout  time.Duration   // for all of it; zero is DefaultTimeout, or what all attempts take
	KeepConn bool            // hand the connection that proved SSH open on in the report
}

// DefaultTimeout is what Options.Timeout is when zero, unless the attempts take
// longer.
const DefaultTimeout = 10 * time.Second

const (
	// verdictTime is left before the deadline to judge what a half-said banner is.
	verdictTime = 50 * time.Millisecond
	// beforeWait is how long a connection that was made before the handshake may
	// take to greet before another look is made.
	beforeWait = time.Second
	// greetWait is how much longer than a round trip a banner may take before the
	// handshake goes on: the client's ACK may have been lost, and then the server
	// does not know of the connection before it repeats itself after a second.
	// Servers greet within tens of milliseconds.
	greetWait = 400 * time.Millisecond
	// maxConnections is how many connections to SSH one handshake goes on with:
	// sshd counts those that close without a login.
	maxConnections = 3
)

// Plan returns what Knock would send to t, as far as it is known beforehand.
// It sends nothing.
func (c *Client) Plan(t Target, o Options) Plan {
	if o.Gaps == nil {
		o.Gaps = t.Gaps(len(DefaultGaps()))
	}
	sequences := t.Sequences(c.now())
	return NewPlan(sequences, o.Gaps, Facts{
		RTT: o.RTT, Window: t.Window, Strict: t.Strict, Wrong: t.wrongPort(sequences), SweepGuard: t.SweepGuard,
	})
}

// Knock sends the handshake to t and looks whether SSH opened, attempt after
// attempt until it did. The knocks leave strictly in order, one SYN each, and
// are watched for their answers while the next ones go out; the look at SSH
// before the handshake rides along. A look stays open while later attempts are
// made, to a strict gate for less than the second after which the kernel would
// repeat it, and the first one that SSH accepts ends all others. No attempt starts
// that cannot be finished in time. on, if not nil, is called with every step, on
// Knock's own goroutine.
//
// The report holds whatever was done, also beside an error. That SSH stayed
// shut is no error. Errors wrap ErrUnreachable or ErrSend, are the cause of
// ctx's end, or say that the timeout is too short for a single attempt.
func (c *Client) Knock(ctx context.Context, t Target, o Options, on func(Event)) (Report, error) {
	first := c.Plan(t, o)
	if o.Timeout == 0 {
		o.Timeout = max(DefaultTimeout, first.Length()+lastWait)
	}
	h := newHandshake(t, o, first, on)
	h.report.Hour = first.Attempts[0].Knocks[0].Hour
	if need := first.Attempts[0].length(); o.Timeout < need {
		return h.report, fmt.Errorf("a timeout of %v is too short: the first attempt alone takes %v", o.Timeout, need)
	}
	err := h.run(ctx, len(first.Attempts), func() Plan {
		o.RTT = max(o.RTT, h.rtt)
		return c.Plan(t, o)
	})
	err = errors.Join(err, h.finish(o.KeepConn))
	if err == nil && h.noRoute {
		err = unreachable(t.Addr.Addr())
	}
	h.event(Finished, 0, 0)
	return h.report, err
}

// handshake is one call of Knock under way. All of it belongs to the calling
// goroutine; watchers only report.
type handshake struct {
	target   Target
	on       func(Event)
	report   Report
	start    time.Time
	deadline time.Time
	watch    *watchers
	before   *look
	after    []*look       // those since the first knock
	last     int           // the last attempt there can be
	held     *look         // accepted, and its banner is not overdue
	accepted int           // connections that were made
	sent     bool          // a SYN has left, so there was a way once
	answered bool          // a knock was, so the server rejects what it does not want
	rtt      time.Duration // as far as it was measured
	wait     time.Duration // how long the attempt under way waits for SSH
	noRoute  bool          // no route to the host
	ending   bool          // nothing new is watched
}

func newHandshake(t Target, o Options, plan Plan, on func(Event)) *handshake {
	packets := 1
	for _, a := range plan.Attempts {
		packets += 2*len(a.Knocks) + len(a.Probes) // two hours, should one turn meanwhile
	}
	start := time.Now()
	return &handshake{
		target:   t,
		on:       on,
		report:   Report{Schema: 1, Host: t.Host, Address: t.Addr.Addr().String(), Attempts: []Attempt{}},
		start:    start,
		deadline: start.Add(o.Timeout),
		watch:    newWatchers(t.Addr.Addr(), packets),
	}
}

// run carries the plan out until SSH greeted or nothing is left to do. Each
// attempt is planned anew: the hour may turn between them, and a round trip may
// have been measured.
func (h *handshake) run(ctx context.Context, attempts int, plan func() Plan) (err error) {
	h.last = attempts - 1
	if h.before, err = h.look(true, 0); err != nil {
		return err
	}
	for i := range attempts {
		a := plan().Attempts[i]
		if time.Now().Add(a.length()).After(h.deadline) {
			break
		}
		if err := h.attempt(ctx, i, a); err != nil {
			return err
		}
		pause := time.Now().Add(time.Duration(a.Pause))
		if err := h.await(ctx, pause, func() bool { return h.held != nil || h.over() }); err != nil {
			return err
		}
		if err := h.greet(ctx, i < attempts-1); err != nil {
			return err
		}
		if h.over() {
			return nil
		}
	}
	// Older looks may still be answered, and connections greet.
	if len(h.after) == 0 {
		return nil
	}
	last := h.after[len(h.after)-1].packet.sent.Add(lastWait)
	if h.accepted > 0 {
		last = h.deadline
	}
	if err := h.await(ctx, last, func() bool { return h.over() || h.held != nil || judged(h.after) }); err != nil {
		return err
	}
	return h.greet(ctx, false)
}

// attempt sends the knocks and looks at SSH.
func (h *handshake) attempt(ctx context.Context, i int, a PlannedAttempt) error {
	started := time.Now()
	h.report.Attempts = append(h.report.Attempts, Attempt{Gap: a.Gap, Knocks: make([]KnockReport, 0, len(a.Knocks))})
	h.event(AttemptStarted, i, 0)
	if err := h.reset(ctx, i, a.Resets, started); err != nil || h.cut() {
		return err
	}
	if n := len(a.Resets); n > 0 { // the lead is kept too
		started = started.Add(max(0, time.Since(started.Add(time.Duration(a.Resets[n-1].At)))))
	}
	var late time.Duration
	for k, planned := range a.Knocks {
		// As planned, or later where the one before it was late, so that the gap
		// is kept on the wire.
		at := started.Add(time.Duration(planned.At))
		if k > 0 && planned.At > a.Knocks[k-1].At {
			if paced := time.Now().Add(time.Duration(planned.At - a.Knocks[k-1].At)); at.Before(paced) {
				at = paced
			}
		} else if k > 0 {
			at = started // the other hour's
		}
		if err := h.await(ctx, at, h.cut); err != nil || h.cut() {
			return err
		}
		if err := h.knock(i, planned, k >= len(a.Knocks)*(Knocks-1)/Knocks); err != nil {
			return err
		}
		late = max(0, time.Since(started.Add(time.Duration(planned.At))))
	}
	return h.lookAfter(ctx, i, a, started.Add(late))
}

// reset sends an attempt's SYNs to a wrong port. Nobody waits for their answers:
// each socket is closed at once, so that the kernel repeats none of them.
func (h *handshake) reset(ctx context.Context, i int, resets []PlannedReset, started time.Time) error {
	for _, r := range resets {
		if err := h.await(ctx, started.Add(time.Duration(r.At)), h.cut); err != nil || h.cut() {
			return err
		}
		s, err := sendSYNDropSYNACK(netip.AddrPortFrom(h.target.Addr.Addr(), r.Port))
		if err != nil {
			return sendError(fmt.Sprintf("SYN to port %d", r.Port), err)
		}
		h.sent = h.sent || s.left()
		s.close()
		h.report.Attempts[i].Resets++
	}
	return nil
}

// lookAfter makes an attempt's looks at SSH and waits for their answers.
func (h *handshake) lookAfter(ctx context.Context, attempt int, a PlannedAttempt, started time.Time) error {
	// Connected before the handshake: that connection is the look, unless it
	// stays mute, as a tarpit that stands in until the gate opens would.
	if attempt == 0 {
		if err := h.await(ctx, started.Add(a.length()), h.through); err != nil || h.through() {
			return err
		}
		if h.before.conn != nil && !h.before.judged {
			if err := h.await(ctx, time.Now().Add(beforeWait), func() bool { return h.before.judged }); err != nil || h.through() {
				return err
			}
		}
	}
	first := len(h.after)
	h.wait = time.Duration(a.Wait)
	// What has not left is waited for like what got lost: a link that is down may
	// come up again.
	settled := func() bool {
		mine := h.after[first:]
		return h.through() || judged(mine) && !slices.ContainsFunc(mine, func(l *look) bool { return l.unsent })
	}
	wait := func() error {
		return h.await(ctx, h.after[len(h.after)-1].packet.sent.Add(time.Duration(a.Wait)), settled)
	}
	for _, planned := range a.Probes {
		if planned.IfRefused {
			if err := wait(); err != nil || h.through() || !settled() {
				return err
			}
		}
		if err := h.await(ctx, started.Add(time.Duration(planned.At)), h.through); err != nil || h.through() {
			return err
		}
		l, err := h.look(false, attempt)
		if err != nil {
			return err
		}
		h.after = append(h.after, l)
		h.event(ProbeStarted, attempt, 0)
	}
	return wait()
}

// greet waits for the banner of a connection that was accepted. If more says
// so, not for long: the attempts go on then, with the connection kept.
func (h *handshake) greet(ctx context.Context, more bool) error {
	if h.held == nil {
		return nil
	}
	until := h.deadline
	if more && h.accepted < maxConnections {
		until = time.Now().Add(time.Duration(h.held.ssh.RTT) + time.Duration(h.accepted)*greetWait)
	}
	if err := h.await(ctx, until, h.over); err != nil {
		return err
	}
	h.held = nil
	return nil
}

// judged reports whether nothing more is to be learnt from the looks.
func judged(looks []*look) bool {
	return !slices.ContainsFunc(looks, func(l *look) bool { return !l.judged })
}

// cut reports whether sending more knocks is pointless.
func (h *handshake) cut() bool { return h.noRoute || h.held != nil || h.greeted() }

// through reports whether looking again is pointless too: SSH has already
// answered the look that was made before the handshake.
func (h *handshake) through() bool { return h.cut() || h.openBefore() }

// over reports whether all is known.
func (h *handshake) over() bool {
	return h.noRoute || h.greeted() || h.openBefore() || h.held == nil && h.nobodyHome()
}

func (h *handshake) openBefore() bool {
	return h.before.judged && (h.before.ssh.State == SSHOpen || h.before.ssh.State == SSHRefusing)
}

// greeted reports whether a connection has said what it is, or has ended.
func (h *handshake) greeted() bool {
	return slices.ContainsFunc(h.after, func(l *look) bool { return l.judged && l.conn != nil })
}

// nobodyHome reports whether the gate opened and nothing listens: SSH was silent
// before and is refused now. Where knocks are answered the server just rejects
// what it does not want, and the first look was lost.
func (h *handshake) nobodyHome() bool {
	l := h.best()
	return l != nil && !h.answered && h.before.ssh.State == SSHFiltered && l.judged && l.ssh.State == SSHRefused
}

// best returns the look that tells the most, of several the newest; nil if none
// was made.
func (h *handshake) best() (best *look) {
	for _, l := range h.after {
		if best == nil || l.tells() >= best.tells() {
			best = l
		}
	}
	return best
}

// knock sends one knock of attempt i; last says that it is a fifth one.
func (h *handshake) knock(i int, k PlannedKnock, last bool) error {
	s, err := sendSYN(netip.AddrPortFrom(h.target.Addr.Addr(), k.Port))
	attempt := &h.report.Attempts[i]
	n := len(attempt.Knocks)
	if err != nil {
		return sendError(fmt.Sprintf("knock %d to port %d", n+1, k.Port), err)
	}
	r := KnockReport{Port: k.Port, Sent: Millis(s.sent.Sub(h.start)), Copy: k.Copy}
	if k.Hour != h.report.Hour {
		r.Hour = &k.Hour
	}
	attempt.Knocks = append(attempt.Knocks, r)
	if last {
		h.report.At = s.sent
	}
	h.sent = h.sent || s.left()
	h.watch.answer(packet{syn: s, attempt: i, knock: n}, s.sent.Add(synWatch))
	h.event(KnockSent, i, n)
	return nil
}

// look sends a SYN to the SSH port.
func (h *handshake) look(before bool, attempt int) (*look, error) {
	s, err := sendSYN(h.target.Addr)
	if err != nil {
		return nil, sendError(fmt.Sprintf("connection to SSH port %d", h.target.Addr.Port()), err)
	}
	l := &look{before: before, unsent: !s.left()}
	h.sent = h.sent || s.left()
	l.packet = packet{syn: s, look: l, attempt: attempt}
	// The look before must not be repeated after the handshake. The kernel's
	// repeats of others are welcome where no more is sent, or to tell that an
	// answer took longer; else they would only be more packets.
	// To a strict gate they are wrong packets, so there none comes after the wait.
	deadline := h.deadline
	switch {
	case before:
		deadline = s.sent.Add(synWatch)
	case attempt == h.last:
	case h.target.Strict:
		deadline = s.sent.Add(max(synWatch, h.wait))
	case attempt != 0:
		deadline = s.sent.Add(synWatch)
	}
	h.watch.answer(l.packet, deadline)
	return l, nil
}
