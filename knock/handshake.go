package knock

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"
)

// Options say how a handshake or probe is made. The zero Options are the usual
// ones.
type Options struct {
	Gaps     []time.Duration // between knocks, one for each attempt; nil is what Target.Gaps returns
	Wait     time.Duration   // how long the last attempt waits for SSH; zero is two seconds
	RTT      time.Duration   // the round trip as last measured, zero if it was not
	Timeout  time.Duration   // for everything; zero is DefaultTimeout, or what all attempts take
	KeepConn bool            // return the connection that proved SSH open in the report
}

// DefaultTimeout is what Options.Timeout is when zero, unless the attempts take
// longer.
const DefaultTimeout = 10 * time.Second

const (
	// beforeWait is how long the banner is awaited on a connection that was made
	// before the handshake, until another probe is sent.
	beforeWait = time.Second
	// greetWait is how much longer than a round trip a banner is awaited before the
	// handshake continues. Servers send it within tens of milliseconds, but a lost ACK
	// delays it by a second.
	greetWait = 400 * time.Millisecond
	// maxConnections is the most connections to SSH that one handshake makes: sshd
	// counts those that close without a login.
	maxConnections = 3
)

// Plan returns what Knock would send to t, as far as it is known beforehand.
// It sends nothing.
func (c *Client) Plan(t Target, o Options) Plan {
	if o.Gaps == nil {
		o.Gaps = t.Gaps(len(DefaultGaps()))
	}
	sequences := t.Sequences(c.Clock.Now())
	return NewPlan(sequences, o.Gaps, Facts{
		RTT: o.RTT, Window: t.Window, Strict: t.Strict, Wrong: t.wrongPort(sequences), SweepGuard: t.SweepGuard, Wait: o.Wait,
	})
}

// Knock sends the handshake to t and probes SSH, attempt after attempt until SSH answers. The
// knocks leave strictly in order, one SYN each; one probe precedes them. Probes stay open during
// later attempts; at a strict gate they are closed before the kernel repeats their SYN. The first
// one that SSH accepts closes all others. An attempt starts only if it can end before the
// timeout. on, if not nil, is called with every event, on the caller's goroutine.
//
// The report holds what was done, even if there is an error. That SSH stayed shut is none.
// Errors wrap [ErrUnreachable] or [ErrSend], are the cause of ctx's end, or say that the
// timeout is too short for a single attempt.
func (c *Client) Knock(ctx context.Context, t Target, o Options, on func(Event)) (Report, error) {
	first := c.Plan(t, o)
	if o.Timeout == 0 {
		o.Timeout = max(DefaultTimeout, first.Length()+lastWait)
	}
	h := &handshake{engine: c.newEngine(t.Addr.Addr()), target: t, on: on, lastWait: cmp.Or(o.Wait, lastWait), report: Report{
		Schema: 1, Host: t.Host, Address: t.Addr.Addr().String(), Attempts: []Attempt{}, Hour: first.Attempts[0].Knocks[0].Hour,
	}}
	h.engine.record = h.record
	h.deadline = h.engine.start.Add(o.Timeout)
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

// handshake is one call of Knock.
type handshake struct {
	engine   *engine
	target   Target
	on       func(Event)
	report   Report
	deadline time.Time
	last     int           // the last attempt there can be
	lastWait time.Duration // how long the last attempt waits
	wait     time.Duration // how long the current attempt waits for SSH

	before   *socket       // the probe before the first knock
	probes   []*socket     // those since the first knock
	accepted int           // connections that were made
	greeting *socket       // accepted, and its banner is not overdue
	rejects  bool          // a knock was answered: the server rejects instead of dropping
	rtt      time.Duration // the longest that was measured
	noRoute  bool
}

// run makes attempts until SSH has sent its banner or none is left. Each attempt
// is planned anew: the hour may have changed, and a round trip may have been
// measured.
func (h *handshake) run(ctx context.Context, attempts int, plan func() Plan) (err error) {
	h.last = attempts - 1
	if h.before, err = h.probe(0, h.engine.start.Add(synWatch)); err != nil {
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
		if err := h.await(ctx, pause, func() bool { return h.greeting != nil || h.over() }); err != nil {
			return err
		}
		if err := h.awaitBanner(ctx, i < attempts-1); err != nil {
			return err
		}
		if h.over() {
			return nil
		}
	}
	// Older probes may still be answered, and connections send their banner.
	if len(h.probes) == 0 {
		return nil
	}
	last := h.probes[len(h.probes)-1].sent.Add(h.lastWait)
	if h.accepted > 0 {
		last = h.deadline
	}
	if err := h.await(ctx, last, func() bool { return h.over() || h.greeting != nil || allDone(h.probes) }); err != nil {
		return err
	}
	return h.awaitBanner(ctx, false)
}

// await waits like [engine.await], no longer than the timeout.
func (h *handshake) await(ctx context.Context, until time.Time, done func() bool) error {
	if until.After(h.deadline) {
		until = h.deadline
	}
	return h.engine.await(ctx, until, done)
}

// awaitBanner waits for the banner of a connection that was accepted. Where more
// attempts may follow it does not wait for long: they continue, and the connection
// stays open.
func (h *handshake) awaitBanner(ctx context.Context, more bool) error {
	if h.greeting == nil {
		return nil
	}
	until := h.deadline
	if more && h.accepted < maxConnections {
		until = time.Now().Add(time.Duration(h.greeting.ssh.RTT) + time.Duration(h.accepted)*greetWait)
	}
	if err := h.await(ctx, until, h.over); err != nil {
		return err
	}
	h.greeting = nil
	return nil
}

func (h *handshake) event(kind EventKind, attempt, knock int) {
	if h.on == nil {
		return
	}
	if kind != Finished {
		h.report.Elapsed = Millis(time.Since(h.engine.start))
	}
	h.on(Event{Kind: kind, Attempt: attempt, Knock: knock, Report: h.report.clone()})
}
