package knock

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// Options say how a handshake or probe is made. The zero Options are the usual
// ones.
type Options struct {
	Gaps     []time.Duration // between knocks, one attempt each; nil is DefaultGaps
	Timeout  time.Duration   // for all of it; zero is DefaultTimeout, or what all attempts take
	KeepConn bool            // hand the connection that proved SSH open on in the report
}

// DefaultTimeout is what Options.Timeout is when zero, unless the attempts take
// longer.
const DefaultTimeout = 10 * time.Second

// verdictTime is left before the deadline to judge what a half-said banner is.
const verdictTime = 50 * time.Millisecond

// Knock sends the handshake to t and looks whether SSH opened, attempt after
// attempt until it did. The knocks leave strictly in order, one SYN each, and
// are watched for their answers while the next ones go out; the look at SSH
// before the handshake rides along. No attempt starts that cannot be finished
// in time. on, if not nil, is called with every step, on Knock's own goroutine.
//
// The report holds whatever was done, also beside an error. That SSH stayed
// shut is no error. Errors wrap ErrUnreachable or ErrSend, are the cause of
// ctx's end, or say that the timeout is too short for a single attempt.
func (c *Client) Knock(ctx context.Context, t Target, o Options, on func(Event)) (Report, error) {
	if t.Window == 0 {
		t.Window = DefaultWindow
	}
	if o.Gaps == nil {
		o.Gaps = DefaultGaps()
	}
	plan := func() Plan { return NewPlan(t.Sequences(c.now()), o.Gaps, t.Window) }
	first := plan()
	if o.Timeout == 0 {
		o.Timeout = max(DefaultTimeout, first.length()+lastWait)
	}
	h := newHandshake(t, o, first, on)
	h.report.Hour = first.Attempts[0].Knocks[0].Hour
	if need := first.Attempts[0].length(); o.Timeout < need {
		return h.report, fmt.Errorf("a timeout of %v is too short: the first attempt alone takes %v", o.Timeout, need)
	}
	err := h.run(ctx, len(first.Attempts), plan)
	err = errors.Join(err, h.finish(o.KeepConn))
	if err == nil && h.gone {
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
	after    *look     // the newest look since the last knock
	gone     bool      // no way to the host
	paced    time.Time // before which nothing is sent, to keep the gap
	ending   bool      // nothing new is watched
}

func newHandshake(t Target, o Options, plan Plan, on func(Event)) *handshake {
	packets := 1
	for _, a := range plan.Attempts {
		packets += 2*len(a.Knocks) + len(a.Looks) // two hours, should one turn meanwhile
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

// run carries the plan out until SSH accepted or nothing is left to do. Each
// attempt is planned anew, for the hour may turn between them.
func (h *handshake) run(ctx context.Context, attempts int, plan func() Plan) (err error) {
	if h.before, err = h.look(true); err != nil {
		return err
	}
	for i := range attempts {
		a := plan().Attempts[i]
		started := time.Now()
		if started.Add(a.length()).After(h.deadline) {
			return nil
		}
		h.report.Attempts = append(h.report.Attempts, Attempt{Gap: Millis(a.Gap), Knocks: make([]KnockReport, 0, len(a.Knocks))})
		h.event(AttemptStarted, i, 0)
		for k := range a.Knocks {
			if err := h.await(ctx, h.pace(a, k, started), h.cut); err != nil {
				return err
			}
			if h.cut() {
				return h.greet(ctx)
			}
			if err := h.knock(i, a.Knocks[k], k >= len(a.Knocks)*(Knocks-1)/Knocks); err != nil {
				return err
			}
		}
		again, err := h.lookAfter(ctx, i, a, started)
		if err != nil {
			return err
		}
		if !again {
			return h.greet(ctx)
		}
	}
	return nil
}

// pace returns when knock k of an attempt is to leave: as planned, or later
// where the one before it was late, so that the gap is kept on the wire.
func (h *handshake) pace(a PlannedAttempt, k int, started time.Time) time.Time {
	at := started.Add(a.Knocks[k].At)
	if k > 0 && a.Knocks[k].At > a.Knocks[k-1].At {
		h.paced = time.Now().Add(a.Gap)
	}
	if at.Before(h.paced) {
		return h.paced
	}
	return at
}

// lookAfter makes an attempt's looks at SSH. again says that another attempt
// may do better.
func (h *handshake) lookAfter(ctx context.Context, attempt int, a PlannedAttempt, started time.Time) (again bool, err error) {
	late := max(0, time.Since(started.Add(a.length()-a.Gap)))
	for i, at := range a.Looks {
		if err := h.await(ctx, started.Add(at+late), h.through); err != nil || h.through() {
			return false, err
		}
		// Connected before the handshake: that connection is the look, unless it
		// stays mute, as a tarpit that stands in until the gate opens would.
		if i == 0 && h.before.conn != nil && !h.before.judged {
			if err := h.await(ctx, time.Now().Add(lookWait), func() bool { return h.before.judged }); err != nil || h.through() {
				return false, err
			}
		}
		if h.after != nil {
			h.after.packet.expire()
		}
		if h.after, err = h.look(false); err != nil {
			return false, err
		}
		h.event(LookStarted, attempt, 0)
		settled := func() bool { return h.through() || h.after.judged }
		if err := h.await(ctx, h.after.packet.sent.Add(a.Wait), settled); err != nil || h.through() {
			return false, err
		}
		if !h.after.judged {
			return true, nil
		}
	}
	// Silent before and refused now: the gate opened, and nothing listens.
	return h.before.ssh.State != SSHFiltered || h.after.ssh.State != SSHRefused, nil
}

// cut reports whether sending more knocks is pointless.
func (h *handshake) cut() bool { return h.gone || h.after != nil && h.after.conn != nil }

// through reports whether looking again is pointless too: SSH has already
// answered the look that was made before the handshake.
func (h *handshake) through() bool { return h.cut() || h.openBefore() }

func (h *handshake) openBefore() bool {
	return h.before.judged && (h.before.ssh.State == SSHOpen || h.before.ssh.State == SSHRefusing)
}

// greet waits for the banner, if a connection was made.
func (h *handshake) greet(ctx context.Context) error {
	return h.await(ctx, h.deadline, func() bool {
		return h.openBefore() || h.after == nil || h.after.conn == nil || h.after.judged
	})
}

// knock sends one knock of attempt i; last says that it is a fifth one.
func (h *handshake) knock(i int, k PlannedKnock, last bool) error {
	s, err := sendSYN(netip.AddrPortFrom(h.target.Addr.Addr(), k.Port))
	attempt := &h.report.Attempts[i]
	n := len(attempt.Knocks)
	if err != nil {
		return sendError(fmt.Sprintf("knock %d to port %d", n+1, k.Port), err)
	}
	r := KnockReport{Port: k.Port, Sent: Millis(s.sent.Sub(h.start))}
	if k.Hour != h.report.Hour {
		r.Hour = &k.Hour
	}
	attempt.Knocks = append(attempt.Knocks, r)
	if last {
		h.report.At = s.sent
	}
	h.watch.answer(packet{syn: s, attempt: i, knock: n}, s.sent.Add(hold))
	h.event(KnockSent, i, n)
	return nil
}

// look sends a SYN to the SSH port.
func (h *handshake) look(before bool) (*look, error) {
	s, err := sendSYN(h.target.Addr)
	if err != nil {
		return nil, sendError(fmt.Sprintf("connection to SSH port %d", h.target.Addr.Port()), err)
	}
	l := &look{before: before}
	l.packet = packet{syn: s, look: l}
	deadline := h.deadline
	if before {
		deadline = s.sent.Add(hold) // its SYN must not be repeated after the handshake
	}
	h.watch.answer(l.packet, deadline)
	return l, nil
}

// await takes outcomes until done, the time at or the deadline.
func (h *handshake) await(ctx context.Context, at time.Time, done func() bool) error {
	if at.After(h.deadline) {
		at = h.deadline
	}
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case o := <-h.watch.outcomes:
			h.take(o)
			continue
		default:
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-timer.C:
			return nil
		case o := <-h.watch.outcomes:
			h.take(o)
		}
	}
	return nil
}

// take notes one outcome and tells of it.
func (h *handshake) take(o outcome) {
	p, l := o.packet, o.packet.look
	if l == nil {
		k := &h.report.Attempts[p.attempt].Knocks[p.knock]
		k.Answer = o.answer
		if o.answer != Silent {
			k.RTT = Measure(o.at.Sub(p.sent))
		}
		h.event(KnockAnswered, p.attempt, p.knock)
		return
	}
	h.gone = h.gone || o.gone
	l.take(o, h.start)
	if !l.before && l != h.after && l.conn != nil { // an older look was answered late
		if h.after.conn != nil {
			l.conn.Close()
			return
		}
		h.after.packet.expire()
		h.after = l
	}
	if l.conn != nil && !l.judged && !h.ending {
		h.watch.greeting(p, h.deadline.Add(-verdictTime))
	}
	switch {
	case l.before && l.judged:
		h.report.Before.State = l.ssh.State
		h.event(BeforeSeen, 0, 0)
	case l == h.after:
		h.settleBefore()
		h.report.SSH = l.ssh
		if l.judged {
			h.event(LookAnswered, 0, 0)
		} else {
			h.event(Connected, 0, 0)
		}
	}
}

// settleBefore judges the look before the handshake when a later one has been
// answered: it was sent first and has had the longer time.
func (h *handshake) settleBefore() {
	if h.before == nil || h.before.judged || h.before.conn != nil || h.report.Before.State != SSHUnknown {
		return
	}
	h.before.ssh.State, h.report.Before.State = SSHFiltered, SSHFiltered
	h.event(BeforeSeen, 0, 0)
}

// finish ends whatever is under way and settles the report.
func (h *handshake) finish(keep bool) error {
	h.ending = true
	h.watch.end()
	for o := range h.watch.outcomes {
		h.take(o)
	}
	defer h.watch.close()
	won := h.after
	if h.before != nil {
		if h.openBefore() {
			won = h.before
		}
		h.settleBefore()
		if h.before.conn != nil && !h.before.judged {
			h.report.Before.State = SSHSilent
		}
	}
	if won != nil {
		h.report.SSH = won.ssh
		if !won.judged { // connected with the last outcome: nobody waited for its banner
			h.report.SSH.State = SSHSilent
		}
	} else if h.gone {
		h.report.SSH.State = SSHUnreachable
	}
	h.report.Opened = h.report.SSH.State == SSHOpen
	var failed error
	for _, l := range []*look{h.before, h.after} {
		switch {
		case l == nil:
		case l.conn == nil:
			failed = errors.Join(failed, l.err)
		case l == won && keep && h.report.Opened:
			h.report.Conn = l.conn
		default:
			l.conn.Close()
		}
	}
	for i := range h.report.Attempts {
		for j := range h.report.Attempts[i].Knocks {
			if k := &h.report.Attempts[i].Knocks[j]; k.Answer == Pending {
				k.Answer = Silent
			}
		}
	}
	h.report.Elapsed = Millis(time.Since(h.start))
	if failed != nil {
		return sendError("connection to the SSH port", failed)
	}
	return nil
}

func (h *handshake) event(kind EventKind, attempt, knock int) {
	if h.on == nil {
		return
	}
	if kind != Finished {
		h.report.Elapsed = Millis(time.Since(h.start))
	}
	h.on(Event{Kind: kind, Attempt: attempt, Knock: knock, Report: h.report.clone()})
}
