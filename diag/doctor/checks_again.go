package doctor

import (
	"context"
	"slices"
	"time"

	"rapport/diag"
	"rapport/diag/check"
	"rapport/diag/scan"
	"rapport/knock"
)

// makeSure makes sure of a handshake that opened the gate only when it was repeated, or
// against the server's rules: another user behind the same NAT may have opened it just then.
// If it does not open the gate again, it counts as one that did not.
func (x *run) makeSure(ctx context.Context) error {
	h := x.seen().Handshake
	late := h.OpenedBy > 0
	if t := x.seen().Target; !h.Opened || x.seen().StandIn || x.seen().BeforeAgain.State.Connected() || t.Window > longestWait || t.Strict {
		return nil
	}
	if x.playRules(); !late && !x.seen().RulesContradict() {
		return nil
	}
	x.guess()
	s := x.begin(check.Handshake, check.Repeating, check.Args{})
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
	if x.seen().BeforeAgain.State.Connected() {
		s.end(check.Warn, check.HandshakeMade, check.Args{Handshake: h}, nil)
		return err
	}
	if again {
		status := check.OK
		if late {
			status = check.Warn
		}
		s.end(status, check.HandshakeMade, check.Args{Handshake: h}, nil)
	}
	if err != nil || again {
		return err
	}
	put := *h
	put.Opened, put.OpenedBy, put.SSH = false, 0, knock.SSH{State: x.seen().ShutState()}
	s.end(check.Fail, check.OpenedOnce, check.Args{Handshake: &put}, func(e *diag.Evidence) { e.Handshake, e.Once = &put, true })
	return nil
}

// hearAgain makes the handshake once more where SSH was silent on a single connection, whose
// packets may have got lost. What it answers on another one counts.
func (x *run) hearAgain(ctx context.Context) error {
	h := x.seen().Handshake
	if h.SSH.State != knock.SSHSilent || h.Accepted > 1 || x.spent() || x.seen().StandIn || x.seen().BeforeAgain.State.Connected() || x.seen().Target.Window > longestWait {
		return nil
	}
	x.guess()
	if h.SSH.Closed { // on purpose: another connection may get another answer, while the window is open
		switch now, err := x.probeBanner(ctx); {
		case err == nil && now.State == knock.SSHOpen:
			put := *h
			put.SSH, put.Opened = now, true
			x.learn(func(e *diag.Evidence) { e.Handshake, e.Varies = &put, h.SSH })
			return nil
		case err != nil || now.State.Connected():
			return err
		}
	}
	if over := x.over() - time.Since(h.At); !knock.Wait(ctx, over) { // what opens SSH is to be new
		return context.Cause(ctx)
	}
	r, err := x.again(ctx, x.gaps()[1:3])
	x.log.Debug("banner awaited again", "ssh", r.SSH.State, "error", err)
	if err != nil || !r.SSH.State.Connected() {
		x.learn(func(e *diag.Evidence) { e.AcceptedOnce = err == nil })
		return err
	}
	r.Before = h.Before
	r.Attempts = slices.Concat(h.Attempts, r.Attempts)
	r.OpenedBy += len(h.Attempts)
	x.learn(func(e *diag.Evidence) { e.Handshake = &r })
	return nil
}

// over is how long after the last knock a window is surely over.
func (x *run) over() time.Duration { return scan.Over(x.seen().Target, x.seen().StandIn) }

// againBy is until when a handshake with short gaps that did not open the gate again may get
// a second chance: after it there has to be time for all the rest.
const againBy = 16 * time.Second

// opensAgain makes a handshake once more, when the window is over: one attempt, which slips
// in the order of the ports do not open.
func (x *run) opensAgain(ctx context.Context) (bool, error) {
	if !knock.Wait(ctx, x.over()) {
		return false, context.Cause(ctx)
	}
	r, err := x.again(ctx, x.gaps()[1:2])
	return r.Opened, err
}

// repeats reports whether a handshake that opened the gate does so again, as far as there is
// time to make sure of it, which Again says: else it is taken at its word, unless a hit did not repeat.
func (x *run) repeats(ctx context.Context, gap time.Duration, h knock.Report) (bool, error) {
	t := x.seen().Target
	t.Gap = max(t.Gap, gap)
	// A try takes up to ten gaps, a half of which is within the window that is open now.
	try := max(10*gap, time.Second)
	need := x.over() + try/2
	if time.Since(x.start)+need > endBy || x.spent() {
		return !x.unsure, x.controlOnce(ctx, h.SSH)
	}
	by := endBy - try // what is made once more ends by then
	if gap < wideGap {
		by = againBy
	}
	job := scan.Scan{Client: x.Client, Shut: x.seen().ShutState(), RTT: h.RoundTrip(), ConfirmBy: x.start.Add(by), Made: func() int { return int(x.made.Load()) }}
	how, did, err := job.Repeats(ctx, t)
	x.made.Add(int32(did.Connections))
	x.log.Debug("handshake confirmed", "how", how, "ssh", did.SSH.State, "error", err)
	switch {
	case err != nil || how == scan.NotAgain:
		return false, err
	case how == scan.Again:
		x.learn(func(e *diag.Evidence) { e.Again = true })
		return true, nil
	}
	return false, x.openUnknocked(ctx, did.SSH)
}

// controlOnce probes SSH when the window is over that a handshake has opened which is not made
// again, as often as there is time: where packets get lost, SSH may answer without a knock. ssh is
// what was read behind the handshake: a banner outweighs one that gets lost.
func (x *run) controlOnce(ctx context.Context, ssh knock.SSH) error {
	wait := x.within(firstProbe)
	if !x.seen().Once || x.spent() || time.Since(x.start)+x.over()+wait > endBy {
		return nil
	}
	if !knock.Wait(ctx, x.over()) {
		return context.Cause(ctx)
	}
	for time.Since(x.start)+wait < endBy {
		now, err := x.probe(ctx, knock.Options{Timeout: wait})
		switch {
		case err != nil:
			return err
		case now.State.Connected():
			x.learn(func(e *diag.Evidence) { e.BeforeAgain, e.Waited = ssh, true })
			return nil
		}
	}
	return nil
}

// openUnknocked makes sure that SSH, which was open before the fifth knock of a handshake that
// was made again, needs no knock: it is probed once more, when nothing that was sent can have
// opened it. ssh is what was read then.
func (x *run) openUnknocked(ctx context.Context, ssh knock.SSH) error {
	over := x.over()
	if ssh.State == knock.SSHRefused || time.Since(x.start)+over+bannerWait/2 > endBy {
		return nil
	}
	if !knock.Wait(ctx, over) {
		return context.Cause(ctx)
	}
	again, err := x.probeBanner(ctx)
	if err == nil && again.State == knock.SSHFiltered && time.Since(x.start)+bannerWait < endBy {
		again, err = x.probeBanner(ctx) // packets get lost
	}
	if err != nil || !again.State.Connected() {
		return err
	}
	if ssh.State == knock.SSHOpen { // a banner that was read outweighs one that was not
		again = ssh
	}
	x.learn(func(e *diag.Evidence) { e.BeforeAgain, e.Waited = again, true })
	return nil
}

// controlOpen probes SSH once more, when the window of the handshake that opened it is over: two
// lost packets must not make a server that nothing guards look like one that opens. The kernel
// repeats the SYN, so it takes two more to hide the answer.
func (x *run) controlOpen(ctx context.Context, opened time.Time) error {
	e := x.seen()
	asked := e.BeforeAgain.State != knock.SSHUnknown // more than once
	if !e.Handshake.Opened || e.ShutState() != knock.SSHFiltered || asked || e.Again || e.StandIn || x.spent() || e.Target.Window > longestWait {
		return nil
	}
	s := x.begin(check.Before, check.ShutAwaited, check.Args{})
	if !knock.Wait(ctx, time.Until(opened.Add(x.over()))) {
		s.end(check.OK, check.SSHShut, check.Args{SSH: e.Before}, nil)
		return context.Cause(ctx)
	}
	now, err := x.probe(ctx, knock.Options{Timeout: x.within(repeatedProbe)})
	if err != nil || !now.State.Connected() {
		s.end(check.OK, check.SSHShut, check.Args{SSH: e.Before}, nil)
		return err
	}
	x.learn(func(e *diag.Evidence) { e.BeforeAgain, e.Waited = now, true })
	x.guess()
	return x.controlWindow(ctx, s)
}

// controlWindow probes SSH as late as there is time, where it accepts without a knock after a
// handshake that seemed to open it: its window may be longer than the entry has.
func (x *run) controlWindow(ctx context.Context, s step) error {
	wait := x.within(repeatedProbe)
	if left := endBy - wait - time.Since(x.start); !x.spent() && left > 0 {
		if !knock.Wait(ctx, left) {
			s.end(check.Fail, check.SSHAnswers, check.Args{SSH: x.seen().BeforeAgain}, nil)
			return context.Cause(ctx)
		}
		later, err := x.probe(ctx, knock.Options{Timeout: wait})
		if err != nil {
			return err
		}
		x.learn(func(e *diag.Evidence) { e.Later = later })
		if !later.State.Connected() {
			s.end(check.Warn, check.SSHShut, check.Args{SSH: later}, nil)
			return nil
		}
	}
	s.end(check.Fail, check.SSHAnswers, check.Args{SSH: x.seen().BeforeAgain}, nil)
	return nil
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
