package diag

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"rapport/diag/clock"
	"rapport/knock"
	"rapport/knock/gate"
	"rapport/knock/solve"
)

// resolve finds the address to probe, and one of the other family if there is one.
func (x *run) resolve(ctx context.Context) error {
	lookup := x.host.Lookup()
	s := x.begin(CheckName, LookingUp, Args{Host: lookup})
	ctx2, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	addr, err := x.Client.Resolve(ctx2, lookup, x.host.Family)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		s.end(Fail, NameFailed, Args{Err: err}, func(e *Evidence) { e.NameError = err })
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
	x.update(func(r *Report) { r.Address = addr.String() })
	s.end(OK, NameResolved, Args{Address: addr, Other: other, Untried: len(untried)}, func(e *Evidence) {
		e.Target.Addr = netip.AddrPortFrom(addr, e.Target.Addr.Port())
		e.OtherAddr, e.Untried = other, untried
	})
	return nil
}

// readClocks starts to read the clocks, beside the other checks.
func (x *run) readClocks(ctx context.Context) {
	addr := x.e.Target.Addr.Addr()
	if addr.IsLoopback() {
		// A time service here has this machine's clock, not a stand-in's.
		x.skip(CheckLocal, OneClock, Args{})
		x.skip(CheckServer, OneClock, Args{})
		return
	}
	c := clock.Clocks{Now: x.Client.Clock, NTP: x.host.NTP}
	local := step{}
	if len(c.NTP) > 0 {
		local = x.begin(CheckLocal, ClockAsking, Args{})
	} else {
		x.skip(CheckLocal, ClockUnasked, Args{})
	}
	server := x.begin(CheckServer, ClockAsking, Args{Address: addr})
	skew, at := x.e.Target.Skew, x.e.Now
	x.clocks.Go(func() {
		var so clock.Report
		r, err := c.Read(ctx, x.host.Lookup(), addr, func(reading clock.Reading) {
			x.log.Debug("read a clock", "source", reading.Name, "of", reading.Of, "said", reading.Text())
			so.Add(reading)
			shown := so
			x.learn(func(e *Evidence) { e.Clock = &shown })
		})
		x.clockErr = err
		switch l, a := r.Local, (Args{Offset: r.Local.Offset, Within: r.Local.Uncertainty}); {
		case len(c.NTP) == 0:
		case err != nil:
			local.end(Skipped, EndedEarly, Args{}, nil)
		case l.Known && l.Offset.Abs() > time.Second+l.Uncertainty:
			local.end(Warn, ClockOff, a, nil)
		case l.Known:
			local.end(OK, ClockRight, a, nil)
		default:
			local.end(Warn, ClockSilent, Args{}, nil)
		}
		record := func(e *Evidence) { e.Clock = &r }
		switch a := (Args{Clock: &r, At: at}); {
		case err != nil:
			server.end(Skipped, EndedEarly, Args{}, record)
		case !r.Known:
			server.end(Skipped, ServerUntold, Args{}, record)
		case (r.Skew - skew).Abs() > r.Uncertainty+2*time.Second:
			server.end(Warn, ServerTold, a, record)
		default:
			server.end(OK, ServerTold, a, record)
		}
	})
}

// readRules finds the hour, range and secret variant of the server's rules.
func (x *run) readRules(ctx context.Context) error {
	if x.Rules == nil {
		return nil
	}
	s := x.begin(CheckRules, RulesSolving, Args{})
	t, hours := x.e.Target, max(x.Past, x.Future, solve.DefaultHours)
	i, err := gate.Inspect(ctx, *x.Rules, solve.Query{
		Secret: t.Secret, Range: t.Range, Hour: knock.HourOf(x.e.Now.Add(t.Skew)), Past: hours, Future: hours,
	}, gate.Facts{SSHPort: int(t.Addr.Port())})
	if err != nil {
		return err
	}
	status, code := Fail, RulesDiffer
	switch m := i.Candidate(); {
	case i.Gate == nil:
		code = RulesNoGate
	case len(i.Differs) > 0:
	case m != nil:
		status, code = OK, RulesFit
	case i.OtherSecret():
		code = RulesOther
	default:
		status, code = Skipped, RulesHidden
	}
	s.end(status, code, Args{Rules: &i}, func(e *Evidence) {
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
	r, err := x.Client.Probe(ctx, x.host.Name, x.e.Target.Addr, knock.Options{Timeout: limit})
	x.log.Debug("probed SSH", "address", x.e.Target.Addr, "state", r.SSH.State, "banner", r.SSH.Banner, "rtt", time.Duration(r.SSH.RTT), "error", err)
	if errors.Is(err, knock.ErrUnreachable) {
		x.learn(func(e *Evidence) { e.NoRoute = err })
		err = nil
	}
	return r.SSH, err
}

// probeFirst checks whether SSH answers without a knock. done says that this
// explains the failure.
func (x *run) probeFirst(ctx context.Context) (done bool, err error) {
	s := x.begin(CheckBefore, Probing, Args{})
	now, err := x.probe(ctx, time.Second)
	if err != nil {
		return false, err
	}
	x.learn(func(e *Evidence) { e.Before = now })
	if now.State == knock.SSHOpen || now.State == knock.SSHSilent {
		// The window of an earlier handshake may still be open. SSHSilent may be a
		// path that is too slow for a banner within the limit.
		x.update(func(r *Report) { r.check(s.id).Code = WindowWaiting })
		if !knock.Wait(ctx, x.e.Target.Window+time.Second) {
			return false, context.Cause(ctx)
		}
		again, err := x.probe(ctx, 4*time.Second) // its banner may be slow
		if err != nil {
			return false, err
		}
		x.learn(func(e *Evidence) { e.BeforeAgain = again })
		if again.State != knock.SSHUnknown {
			now = again
		}
	}
	switch {
	case x.e.NoRoute != nil:
		s.end(Fail, ProbeFailed, Args{Err: x.e.NoRoute}, nil)
		return true, nil
	case x.e.BeforeAgain.State == knock.SSHOpen:
		s.end(Fail, OpenUnknocked, Args{}, nil)
		return true, nil
	case now.State == knock.SSHRefusing:
		s.end(Fail, SSHAnswers, Args{SSH: now}, nil)
		return true, nil
	case now.State.Connected():
		s.end(Warn, SSHAnswers, Args{SSH: now}, nil)
	default:
		s.end(OK, SSHShut, Args{SSH: now}, nil)
	}
	return false, nil
}

// knock makes a handshake. No route to the host is evidence, not an error.
func (x *run) knock(ctx context.Context, id string, t knock.Target, gaps []time.Duration) (*knock.Report, error) {
	s := x.begin(id, Handshaking, Args{})
	record := func(r *knock.Report) func(*Evidence) {
		return func(e *Evidence) {
			if id == CheckFamily {
				e.Other = r
			} else {
				e.Handshake = r
			}
		}
	}
	r, err := x.Client.Knock(ctx, t, knock.Options{Gaps: gaps}, func(e knock.Event) { x.learn(record(&e.Report)) })
	x.log.Debug("handshake made", "address", r.Address, "opened", r.Opened, "ssh", r.SSH.State, "banner", r.SSH.Banner, "error", err)
	if errors.Is(err, knock.ErrUnreachable) {
		s.end(Fail, NoRoute, Args{}, func(e *Evidence) {
			record(&r)(e)
			if id == CheckHandshake {
				e.NoRoute = fmt.Errorf("%w: no route to %s; check the address and this machine's network", knock.ErrUnreachable, t.Addr.Addr())
			}
		})
		return &r, nil
	}
	if err != nil {
		x.learn(record(&r))
		return &r, err
	}
	status := Fail
	switch {
	case r.Opened && r.OpenedBy == 0:
		status = OK
	case r.Opened:
		status = Warn
	}
	s.end(status, HandshakeMade, Args{Handshake: &r}, record(&r))
	return &r, nil
}

// explained reports whether the handshake alone leads to a verdict.
func (x *run) explained() bool {
	switch x.e.outcome() {
	case opensAtOnce, opensLate, knocksAccepted, sshBehind:
		return true
	}
	return false
}

// gaps are the times between the knocks of each attempt of the handshake.
func (x *run) gaps() []time.Duration {
	gaps := knock.DefaultGaps()
	for i := range gaps {
		gaps[i] = max(gaps[i], x.e.Target.Gap)
	}
	return gaps
}

// repeat makes the handshake with the attempts that the first one left out. The
// report covers all of them.
func (x *run) repeat(ctx context.Context) (done bool, err error) {
	first := x.e.Handshake
	if len(first.Attempts) > 1 {
		return false, nil // it had all of them
	}
	o := knock.Options{Gaps: x.gaps()[1:], RTT: time.Duration(x.e.Before.RTT)}
	r, err := x.Client.Knock(ctx, x.e.Target, o, nil)
	if err == nil && r.Before.State.Connected() { // the scan opened it, and did not see that
		if !knock.Wait(ctx, x.e.Target.Window+time.Second) {
			return false, context.Cause(ctx)
		}
		r, err = x.Client.Knock(ctx, x.e.Target, o, nil)
	}
	if err != nil || r.Before.State.Connected() {
		return false, err
	}
	x.log.Debug("handshake repeated", "address", r.Address, "opened", r.Opened, "ssh", r.SSH.State)
	r.Before = first.Before
	r.Attempts = slices.Concat(first.Attempts, r.Attempts)
	r.OpenedBy += len(first.Attempts)
	x.learn(func(e *Evidence) { e.Handshake = &r })
	return x.explained(), nil
}
