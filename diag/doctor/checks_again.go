package doctor

import (
	"context"
	"slices"
	"time"

	"rapport/diag"
	"rapport/diag/scan"
	"rapport/knock"
)

// makeSure makes sure of a handshake that opened the gate only when it was repeated, or
// against the server's rules: another user behind the same NAT may have opened it just then.
// If it does not open the gate again, it counts as one that did not.
func (x *run) makeSure(ctx context.Context) error {
	h := x.seen().Handshake
	late := h.OpenedBy > 0
	if t := x.seen().Target; !h.Opened || x.seen().Loopback() || x.seen().BeforeAgain.State.Connected() || t.Window > longestWait || t.Strict {
		return nil
	}
	if x.playRules(); !late && !x.seen().RulesContradict() {
		return nil
	}
	x.guess()
	s := x.begin(diag.CheckHandshake, diag.Repeating, diag.Args{})
	s.start = s.start.Add(-time.Duration(h.Elapsed))
	var again bool
	var err error
	switch {
	case x.seen().Once: // so it was before, and that is more than chance
	case late:
		again, err = x.repeats(ctx, x.seen().Target.Gap, *h)
	default:
		again, err = x.opensAgain(ctx)
	}
	if again {
		status := diag.OK
		if late {
			status = diag.Warn
		}
		s.end(status, diag.HandshakeMade, diag.Args{Handshake: h}, nil)
	}
	if err != nil || again {
		return err
	}
	put := *h
	put.Opened, put.OpenedBy, put.SSH = false, 0, knock.SSH{State: x.seen().ShutState()}
	s.end(diag.Fail, diag.OpenedOnce, diag.Args{Handshake: &put}, func(e *diag.Evidence) { e.Handshake, e.Once = &put, true })
	return nil
}

// hearAgain makes the handshake once more where SSH was silent on a single connection, whose
// packets may have got lost. What it answers on another one counts.
func (x *run) hearAgain(ctx context.Context) error {
	h := x.seen().Handshake
	if h.SSH.State != knock.SSHSilent || h.Accepted > 1 || x.seen().Loopback() || x.seen().BeforeAgain.State.Connected() || x.seen().Target.Window > longestWait {
		return nil
	}
	x.guess()
	r, err := x.again(ctx, x.gaps()[1:3])
	x.log.Debug("banner awaited again", "ssh", r.SSH.State, "error", err)
	if err != nil || !r.SSH.State.Connected() {
		return err
	}
	r.Before = h.Before
	r.Attempts = slices.Concat(h.Attempts, r.Attempts)
	r.OpenedBy += len(h.Attempts)
	x.learn(func(e *diag.Evidence) { e.Handshake = &r })
	return nil
}

// againBy is until when a handshake with short gaps that did not open the gate again may get
// a second chance: after it there has to be time for all the rest.
const againBy = 16 * time.Second

// opensAgain makes a handshake once more, when the window is over: one attempt, which slips
// in the order of the ports do not open.
func (x *run) opensAgain(ctx context.Context) (bool, error) {
	if !knock.Wait(ctx, x.seen().Target.Window+time.Second) {
		return false, context.Cause(ctx)
	}
	r, err := x.again(ctx, x.gaps()[1:2])
	return r.Opened, err
}

// repeats reports whether a handshake that opened the gate does so again, as far as there is
// time to make sure of it: else it is taken at its word, and Again says so.
func (x *run) repeats(ctx context.Context, gap time.Duration, h knock.Report) (bool, error) {
	t := x.seen().Target
	t.Gap = max(t.Gap, gap)
	// A try takes up to ten gaps, a half of which is within the window that is open now.
	try := max(10*gap, time.Second)
	need := t.Window + time.Second + try/2
	if time.Since(x.start)+need > endBy {
		return true, nil
	}
	by := endBy - try // what is made once more ends by then
	if gap < wideGap {
		by = againBy
	}
	job := scan.Scan{Client: x.Client, Shut: x.seen().ShutState(), RTT: h.RoundTrip(), ConfirmBy: x.start.Add(by)}
	again, err := job.Repeats(ctx, t)
	x.log.Debug("handshake confirmed", "again", again, "error", err)
	if again {
		x.learn(func(e *diag.Evidence) { e.Again = true })
	}
	return again, err
}

// makeSureSlowly is makeSure for a handshake with wide gaps: it takes seconds, in which
// somebody else may have opened the gate.
func (x *run) makeSureSlowly(ctx context.Context, slow *knock.Report, gap time.Duration) error {
	if !slow.Opened || slow.Before.State.Connected() || x.seen().Target.Window > longestWait {
		return nil
	}
	opened := *slow
	x.learn(func(e *diag.Evidence) { e.Slow = &opened })
	x.guess()
	again, err := x.repeats(ctx, gap, *slow)
	if err != nil || again {
		return err
	}
	slow.Opened, slow.SSH = false, knock.SSH{State: x.seen().ShutState()}
	put := *slow
	x.learn(func(e *diag.Evidence) { e.Slow, e.Once = &put, true })
	return nil
}
