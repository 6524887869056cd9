package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"rapport/diag"
	"rapport/knock"
	"rapport/knock/gate"
	"rapport/knock/solve"
)

// resolve finds the address to probe, and one of the other family if there is one.
func (x *run) resolve(ctx context.Context) error {
	lookup := x.host.Lookup()
	s := x.begin(diag.CheckName, diag.LookingUp, diag.Args{Host: lookup})
	ctx2, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	addr, err := x.Client.Resolve(ctx2, lookup, x.host.Family)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		s.end(diag.Fail, diag.NameFailed, diag.Args{Err: err}, func(e *diag.Evidence) { e.NameError = err })
		return nil
	}
	var other netip.Addr
	var untried []netip.Addr
	if _, e := netip.ParseAddr(lookup); e != nil {
		all, _ := x.Client.Resolver.LookupNetIP(ctx2, "ip"+string(knock.FamilyOf(addr)), lookup)
		for _, a := range all {
			if a = a.Unmap(); a != addr {
				untried = append(untried, a)
			}
		}
		family := knock.Family4
		if addr.Is4() {
			family = knock.Family6
		}
		if a, err := x.Client.Resolve(ctx2, lookup, family); err == nil {
			other = a
		}
	}
	x.update(func(r *diag.Report) { r.Address = addr.String() })
	s.end(diag.OK, diag.NameResolved, diag.Args{Address: addr, Other: other, Untried: len(untried)}, func(e *diag.Evidence) {
		e.Target.Addr = netip.AddrPortFrom(addr, e.Target.Addr.Port())
		e.OtherAddr, e.Untried = other, untried
	})
	return nil
}

// readRules finds the hour, range and secret variant of the server's rules.
func (x *run) readRules(ctx context.Context) error {
	if x.Rules == nil {
		return nil
	}
	s := x.begin(diag.CheckRules, diag.RulesSolving, diag.Args{})
	t, hours := x.seen().Target, max(x.Past, x.Future, solve.DefaultHours)
	i, err := gate.Inspect(ctx, *x.Rules, solve.Query{
		Secret: t.Secret, Range: t.Range, Hour: knock.HourOf(x.seen().Now.Add(t.Skew)), Past: hours, Future: hours,
	}, gate.Facts{SSHPort: int(t.Addr.Port())})
	if err != nil {
		return err
	}
	status, code := diag.Fail, diag.RulesDiffer
	switch m := i.Candidate(); {
	case i.Gate == nil:
		code = diag.RulesNoGate
	case len(i.Differs) > 0:
	case m != nil:
		status, code = diag.OK, diag.RulesFit
	case i.OtherSecret():
		code = diag.RulesOther
	default:
		status, code = diag.Skipped, diag.RulesHidden
	}
	s.end(status, code, diag.Args{Rules: &i}, func(e *diag.Evidence) {
		e.Rules = &i
		if g := i.Gate; g != nil {
			e.Target.Strict = e.Target.Strict || g.Strict
			e.Target.SweepGuard = cmp.Or(g.SweepGuard, e.Target.SweepGuard)
		}
	})
	return nil
}

// probe probes SSH without a knock. No route to the host is evidence.
func (x *run) probe(ctx context.Context, limit time.Duration) (knock.SSH, error) {
	r, err := x.Client.Probe(ctx, x.host.Name, x.seen().Target.Addr, knock.Options{Timeout: limit})
	x.log.Debug("probed SSH", "address", x.seen().Target.Addr, "state", r.SSH.State, "banner", r.SSH.Banner, "rtt", time.Duration(r.SSH.RTT), "error", err)
	if errors.Is(err, knock.ErrUnreachable) {
		x.learn(func(e *diag.Evidence) { e.NoRoute = err })
		err = nil
	}
	return r.SSH, err
}

const (
	// firstProbe is how long the first probe waits: the handshake makes another one
	// before its knocks, so that one lost packet decides nothing.
	firstProbe = 400 * time.Millisecond
	// bannerWait is how long a banner is awaited: some servers ask a name server first.
	bannerWait = 4 * time.Second
	// longestWait is the longest window whose end is waited for.
	longestWait = 8 * time.Second
)

// probeFirst checks whether SSH answers without a knock. done says that this
// explains the failure.
func (x *run) probeFirst(ctx context.Context) (done bool, err error) {
	s := x.begin(diag.CheckBefore, diag.Probing, diag.Args{})
	now, err := x.probe(ctx, firstProbe)
	if err != nil {
		return false, err
	}
	x.learn(func(e *diag.Evidence) { e.Before = now })
	if now.State.Connected() {
		if now, err = x.probeAgain(ctx, s); err != nil {
			return false, err
		}
	}
	switch {
	case x.seen().NoRoute != nil:
		s.end(diag.Fail, diag.ProbeFailed, diag.Args{Err: x.seen().NoRoute}, nil)
		return false, nil
	case now.State == knock.SSHOpen:
		s.end(diag.Fail, diag.OpenUnknocked, diag.Args{}, nil)
	case now.State.Connected():
		s.end(diag.Fail, diag.SSHAnswers, diag.Args{SSH: now}, nil)
	default:
		s.end(diag.OK, diag.SSHShut, diag.Args{SSH: now}, nil)
	}
	return now.State.Connected() && now.State != knock.SSHSilent, nil
}

// probeAgain probes SSH once more, after the window of an earlier handshake has
// ended. A long window is not waited for.
func (x *run) probeAgain(ctx context.Context, s step) (knock.SSH, error) {
	x.update(func(r *diag.Report) { find(r, s.id).Code = diag.WindowWaiting })
	x.guess()
	wait := x.seen().Target.Window + time.Second
	if !knock.Wait(ctx, min(wait, longestWait)) {
		return knock.SSH{}, context.Cause(ctx)
	}
	again, err := x.probe(ctx, bannerWait)
	if err != nil {
		return again, err
	}
	x.learn(func(e *diag.Evidence) { e.BeforeAgain, e.Waited = again, wait <= longestWait })
	return again, nil
}

// knock makes a handshake. No route to the host is evidence, not an error.
func (x *run) knock(ctx context.Context, id string, t knock.Target, o knock.Options) (*knock.Report, error) {
	s := x.begin(id, diag.Handshaking, diag.Args{})
	record := func(r *knock.Report) func(*diag.Evidence) {
		return func(e *diag.Evidence) {
			if id == diag.CheckFamily {
				e.Other = r
			} else {
				e.Handshake = r
			}
		}
	}
	r, err := x.Client.Knock(ctx, t, o, func(e knock.Event) { x.learn(record(&e.Report)) })
	x.log.Debug("handshake made", "address", r.Address, "opened", r.Opened, "ssh", r.SSH.State, "banner", r.SSH.Banner, "error", err)
	if errors.Is(err, knock.ErrUnreachable) {
		s.end(diag.Fail, diag.NoRoute, diag.Args{}, func(e *diag.Evidence) {
			record(&r)(e)
			if id == diag.CheckHandshake {
				e.NoRoute = fmt.Errorf("%w: no route to %s; check the address and this machine's network", knock.ErrUnreachable, t.Addr.Addr())
			}
		})
		return &r, nil
	}
	if err != nil {
		x.learn(record(&r))
		return &r, err
	}
	status := diag.Fail
	switch {
	case id == diag.CheckFamily && r.Before.State == knock.SSHOpen:
		s.end(diag.Warn, diag.OtherUnguarded, diag.Args{Address: t.Addr.Addr()}, record(&r))
		return &r, nil
	case r.Opened && r.OpenedBy == 0:
		status = diag.OK
	case r.Opened:
		status = diag.Warn
	}
	s.end(status, diag.HandshakeMade, diag.Args{Handshake: &r}, record(&r))
	return &r, nil
}

// handshake makes the handshake. Where SSH turns out to accept before its first knock,
// the probe before that was lost: then it is probed again after the window. done says
// that SSH accepts without a knock.
func (x *run) handshake(ctx context.Context, o knock.Options) (done bool, err error) {
	if gap := x.seen().Target.Gap; gap > 0 && !knock.Wait(ctx, gap) { // the probe before counts too
		return false, context.Cause(ctx)
	}
	for {
		r, err := x.knock(ctx, diag.CheckHandshake, x.seen().Target, o)
		if err != nil || !r.Before.State.Connected() || x.seen().BeforeAgain.State != knock.SSHUnknown {
			return false, err
		}
		s := x.begin(diag.CheckBefore, diag.Probing, diag.Args{})
		again, err := x.probeAgain(ctx, s)
		switch {
		case err != nil:
			return false, err
		case again.State == knock.SSHOpen:
			s.end(diag.Fail, diag.OpenUnknocked, diag.Args{}, nil)
			return true, nil
		case again.State.Connected():
			s.end(diag.Fail, diag.SSHAnswers, diag.Args{SSH: again}, nil)
			if again.State != knock.SSHSilent {
				return true, nil
			}
			continue
		}
		s.end(diag.OK, diag.SSHShut, diag.Args{SSH: again}, nil)
	}
}

// explained reports whether the handshake alone leads to a verdict.
func (x *run) explained() bool {
	switch x.seen().Outcome() {
	case diag.OpensAtOnce, diag.OpensLate, diag.KnocksAccepted, diag.SSHBehind, diag.AddressesDiffer, diag.SilentUnknocked:
		return true
	}
	return false
}

// gaps are the times between the knocks of each attempt of the handshake.
func (x *run) gaps() []time.Duration {
	gaps := knock.DefaultGaps()
	for i := range gaps {
		gaps[i] = max(gaps[i], x.seen().Target.Gap)
	}
	return gaps
}
