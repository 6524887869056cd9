package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"rapport/diag"
	"rapport/diag/check"
	"rapport/diag/scan"
	"rapport/knock"
	"rapport/knock/demo"
	"rapport/knock/gate"
	"rapport/knock/solve"
)

// resolve finds the address to probe, and one of the other family if there is one.
func (x *run) resolve(ctx context.Context) error {
	lookup := x.host.Lookup()
	s := x.begin(check.Name, check.LookingUp, check.Args{Host: lookup})
	ctx2, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	addr, err := x.Client.Resolve(ctx2, lookup, x.host.Family)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err == nil && addr.IsUnspecified() {
		err = fmt.Errorf("%s has the address %s, which is no host: its name server may block it", lookup, addr)
	}
	if err != nil {
		s.end(check.Fail, check.NameFailed, check.Args{Err: err}, func(e *diag.Evidence) { e.NameError = err })
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
	standIn := demo.Runs(netip.AddrPortFrom(addr, x.seen().Target.Addr.Port()))
	own := !standIn && (addr.IsLoopback() || isOwn(addr))
	s.end(check.OK, check.NameResolved, check.Args{Address: addr, Other: other, Untried: len(untried)}, func(e *diag.Evidence) {
		e.Target.Addr = netip.AddrPortFrom(addr, e.Target.Addr.Port())
		e.OtherAddr, e.Untried, e.StandIn, e.OwnAddr = other, untried, standIn, own
		e.NoListener = own && nothingListens(e.Target.Addr)
	})
	return nil
}

// readRules finds the hour, range and secret variant of the server's rules.
func (x *run) readRules(ctx context.Context) error {
	if x.Rules == nil {
		return nil
	}
	s := x.begin(check.Rules, check.RulesSolving, check.Args{})
	t, hours := x.seen().Target, max(x.Past, x.Future, solve.DefaultHours)
	i, err := gate.Inspect(ctx, ofFamily(*x.Rules, x.seen().Family()), solve.Query{
		Secret: t.Secret, Range: t.Range, Hour: knock.HourOf(x.seen().Now.Add(t.Skew)), Past: hours, Future: hours,
	}, gate.Facts{SSHPort: int(t.Addr.Port())})
	if err != nil {
		return err
	}
	status, code := check.Fail, check.RulesDiffer
	switch m := i.Candidate(); {
	case i.Gate == nil:
		code = check.RulesNoGate
	case len(i.Differs) > 0:
	case m != nil:
		status, code = check.OK, check.RulesFit
	case i.OtherSecret():
		code = check.RulesOther
	case i.Empty != nil:
		code = check.RulesEmpty
	default:
		status, code = check.Skipped, check.RulesHidden
	}
	s.end(status, code, check.Args{Rules: &i}, func(e *diag.Evidence) {
		e.Rules = &i
		if g := i.Gate; g != nil {
			e.Target.Strict = e.Target.Strict || g.Strict
			e.Target.SweepGuard = cmp.Or(g.SweepGuard, e.Target.SweepGuard)
		}
	})
	return nil
}

// ofFamily is what was found of rules for an IP family: its gate comes first. Where there is none, that
// of the other one proves nothing, unless the text has no rules of this family.
func ofFamily(f gate.Findings, family knock.Family) gate.Findings {
	f.Gates = slices.Clone(f.Gates)
	switch others := func(g gate.Gate) bool { return g.Family != family }; {
	case len(f.Gates) == 0 || f.Printed != nil || f.Kind == gate.FromScript:
	case len(f.Gates) > 1 && others(f.Gates[0]):
		slices.Reverse(f.Gates)
	case others(f.Gates[0]) && !slices.ContainsFunc(f.Problems(gate.Facts{}), func(p gate.Problem) bool { return p.Code == "v6-not-given" }):
		f.Gates = nil
	}
	return f
}

// probeBanner probes SSH, which accepted without a knock, and awaits its banner. Where it did so
// at once, it is probed some times while it is silent, as often as outweighs the kernel's repeats
// of one SYN and the server's of its answer; else packets get lost, and those are awaited.
func (x *run) probeBanner(ctx context.Context) (now knock.SSH, err error) {
	const near, elsewhere = 3, 6
	o := knock.Options{Timeout: bannerWait}
	if !x.seen().Before.State.Connected() {
		return x.probe(ctx, o)
	}
	o.Wait = x.within(controlProbe)
	begun := time.Now()
	for n := range elsewhere {
		if n >= near && (scan.OnLink(x.seen().Target.Addr.Addr()) || time.Since(begun)+o.Wait > bannerWait) {
			break
		}
		if now, err = x.probe(ctx, o); err != nil || now.State != knock.SSHFiltered {
			break
		}
	}
	return now, err
}

// probe probes SSH without a knock. No route to the host is evidence.
func (x *run) probe(ctx context.Context, o knock.Options) (knock.SSH, error) {
	r, err := x.Client.Probe(ctx, x.host.Name, x.seen().Target.Addr, o)
	if r.SSH.State.Connected() {
		x.made.Add(1)
	}
	x.log.Debug("probed SSH", "address", x.seen().Target.Addr, "state", r.SSH.State, "banner", r.SSH.Banner, "rtt", time.Duration(r.SSH.RTT), "error", err)
	if errors.Is(err, knock.ErrUnreachable) {
		x.learn(func(e *diag.Evidence) { e.NoRoute = err })
		err = nil
	}
	return r.SSH, err
}

const (
	// firstProbe is how long a first probe waits. The handshake makes another one before its
	// knocks, and no more come before both: a server may ban whoever sends a few SYNs more than a
	// plain handshake does. That two lost packets decide nothing is controlOpen's part.
	firstProbe = 250 * time.Millisecond
	// controlProbe is how long a single probe waits whose answer is known from before.
	controlProbe = 400 * time.Millisecond
	// repeatedProbe is how long one waits whose SYN the kernel repeats meanwhile.
	repeatedProbe = 1300 * time.Millisecond
	// knownWithin is the round trip up to which the answer to a probe before the knocks comes in time:
	// to an SSH that is further away, it proves nothing that none was.
	knownWithin = 700 * time.Millisecond
	// unlimited is how long it takes until a limit forgives a few packets.
	unlimited = time.Second
	// bannerWait is how long a banner is awaited: some servers ask a name server first.
	bannerWait = 4 * time.Second
	// firstBanner is how long that is behind the first handshake: a name server that is away is asked
	// twice, for five seconds, see resolv.conf(5).
	firstBanner = 11 * time.Second
	// bannerDue is how long one takes that is not late.
	bannerDue = 1500 * time.Millisecond
	// mostConnections is how many connections to SSH a diagnosis makes.
	mostConnections = 4
	// longestWait is the longest window whose end is waited for.
	longestWait = 8 * time.Second
)

// probeFirst checks whether SSH answers without a knock. done says that this
// explains the failure.
func (x *run) probeFirst(ctx context.Context) (done bool, err error) {
	s := x.begin(check.Before, check.Probing, check.Args{})
	now, err := x.probe(ctx, knock.Options{Timeout: firstProbe})
	if err != nil {
		return false, err
	}
	x.learn(func(e *diag.Evidence) { e.Before = now })
	if now.State.Connected() {
		if now, err = x.probeAgain(ctx, s, 0); err != nil {
			return false, err
		}
	}
	switch {
	case x.seen().NoRoute != nil:
		err := x.controlNoRoute(ctx)
		s.end(check.Fail, check.ProbeFailed, check.Args{Err: x.seen().NoRoute}, nil)
		return false, err
	case now.State == knock.SSHOpen:
		x.playUnknocked()
		s.end(check.Fail, check.OpenUnknocked, check.Args{}, nil)
	case now.State.Connected():
		s.end(check.Fail, check.SSHAnswers, check.Args{SSH: now}, nil)
	default:
		s.end(check.OK, check.SSHShut, check.Args{SSH: now}, nil)
	}
	return now.State == knock.SSHRefusing || x.seen().Outcome() == diag.OpensUnknocked, nil
}

// probeAgain probes SSH once more, after the window of an earlier handshake has
// ended, of which so much has passed. A long window is not waited for.
func (x *run) probeAgain(ctx context.Context, s step, passed time.Duration) (knock.SSH, error) {
	x.update(func(r *diag.Report) { find(r, s.id).Code = check.WindowWaiting })
	x.guess()
	wait := x.over()
	if !knock.Wait(ctx, min(wait, longestWait)-passed) {
		return knock.SSH{}, context.Cause(ctx)
	}
	again, err := x.probeBanner(ctx)
	if h := x.seen().Handshake; err == nil && again.State == knock.SSHFiltered && h != nil && h.Before.State.Connected() {
		again, err = x.probeBanner(ctx) // it accepted before the knocks: that outweighs silence
	}
	if err != nil {
		return again, err
	}
	x.learn(func(e *diag.Evidence) { e.BeforeAgain, e.Waited = again, wait <= longestWait })
	return again, nil
}

// knock makes a handshake. No route to the host is evidence, not an error.
func (x *run) knock(ctx context.Context, id string, t knock.Target, o knock.Options) (*knock.Report, error) {
	s := x.begin(id, check.Handshaking, check.Args{})
	record := func(r *knock.Report) func(*diag.Evidence) {
		return func(e *diag.Evidence) {
			if id == check.Family {
				e.Other = r
			} else {
				e.Handshake, e.Awaiting = r, false
			}
		}
	}
	late := time.AfterFunc(bannerWait, x.guessSilent)
	defer late.Stop()
	late.Stop()
	r, err := x.Client.Knock(ctx, t, o, func(e knock.Event) {
		if x.learn(record(&e.Report)); e.Kind == knock.Connected && id == check.Handshake {
			late.Reset(bannerDue)
		}
	})
	x.count(r)
	x.log.Debug("handshake made", "address", r.Address, "opened", r.Opened, "ssh", r.SSH.State, "banner", r.SSH.Banner, "error", err)
	if errors.Is(err, knock.ErrUnreachable) {
		s.end(check.Fail, check.NoRoute, check.Args{}, func(e *diag.Evidence) {
			record(&r)(e)
			if id == check.Handshake {
				e.NoRoute = fmt.Errorf("%w: no route to %s; check the address and this machine's network", knock.ErrUnreachable, t.Addr.Addr())
			}
		})
		return &r, nil
	}
	if err != nil {
		x.learn(record(&r))
		return &r, err
	}
	status := check.Fail
	switch {
	case id == check.Family && r.Before.State == knock.SSHOpen:
		s.end(check.Warn, check.OtherUnguarded, check.Args{Address: t.Addr.Addr()}, record(&r))
		return &r, nil
	case r.Opened && r.OpenedBy == 0:
		status = check.OK
	case r.Opened:
		status = check.Warn
	}
	s.end(status, check.HandshakeMade, check.Args{Handshake: &r}, record(&r))
	return &r, nil
}

// guessSilent gives the report the verdict on a banner that is late, while it is awaited.
func (x *run) guessSilent() {
	x.update(func(r *diag.Report) {
		if h := r.Evidence.Handshake; h != nil && h.SSH.State == knock.SSHUnknown && h.SSH.RTT > 0 {
			silent := *h
			silent.SSH.State = knock.SSHSilent
			r.Evidence.Handshake, r.Evidence.Awaiting = &silent, true
			r.Verdict, r.Causes = r.Evidence.Judge()
		}
	})
}

// roundTrip is that to SSH, zero if nothing shows it: the shortest of those that were seen, since
// a SYN that gets lost is repeated.
func (x *run) roundTrip() (rtt time.Duration) {
	all := []knock.SSH{x.seen().Before, x.seen().BeforeAgain}
	if h := x.seen().Handshake; h != nil {
		all = append(all, h.SSH)
	}
	for _, s := range all {
		if d := time.Duration(s.RTT); d > 0 && (rtt == 0 || d < rtt) {
			rtt = d
		}
	}
	return cmp.Or(rtt, x.seen().Far)
}

// within is a wait for an answer, or more where the round trip is known to be longer.
func (x *run) within(d time.Duration) time.Duration {
	rtt := x.roundTrip()
	return max(d, rtt+rtt/4+100*time.Millisecond)
}

// count counts the connections to SSH of a handshake.
func (x *run) count(r knock.Report) {
	if x.made.Add(int32(r.Accepted)); r.Before.State.Connected() {
		x.made.Add(1)
	}
}

// spent reports whether no more connections to SSH are to be made. A stand-in counts none.
func (x *run) spent() bool { return x.made.Load() >= mostConnections && !x.seen().StandIn }

// handshake makes the handshake. Where SSH turns out to accept before its first knock,
// the probe before that was lost: then it is probed again after the window, and so it is
// where SSH is too far away for either, or sends its banner after the knocks alone. done
// says that SSH accepts without a knock.
func (x *run) handshake(ctx context.Context, o knock.Options) (done bool, err error) {
	if gap := x.seen().Target.Gap; gap > 0 && !knock.Wait(ctx, gap) { // the probe before counts too
		return false, context.Cause(ctx)
	}
	for {
		known := x.seen().BeforeAgain.State
		if !x.seen().StandIn {
			o.Timeout = x.Client.Plan(x.seen().Target, o).Length() + o.Wait + firstBanner
			if known.Connected() { // it said nothing then either
				o.Timeout += bannerWait - firstBanner
			}
		}
		r, err := x.knock(ctx, check.Handshake, x.seen().Target, o)
		late := time.Duration(r.SSH.RTT) > knownWithin && !repeatedSYN(r.SSH)
		once := known == knock.SSHUnknown && (r.Before.State.Connected() || late)
		// Either a proxy accepts, and passes on what the gate lets through, or packets get lost.
		lost := known == knock.SSHSilent && r.SSH.State != knock.SSHSilent && !x.spent()
		if err != nil || !once && !lost || !r.Before.State.Connected() && x.seen().Target.Window > longestWait {
			return false, err
		}
		s := x.begin(check.Before, check.Probing, check.Args{})
		passed := time.Duration(0)
		if !r.At.IsZero() { // it awaited a banner since
			passed = time.Since(r.At) - x.roundTrip()
		}
		again, err := x.probeAgain(ctx, s, passed)
		switch {
		case err != nil:
			return false, err
		case again.State == knock.SSHOpen:
			s.end(check.Fail, check.OpenUnknocked, check.Args{}, nil)
			return true, nil
		case again.State.Connected():
			s.end(check.Fail, check.SSHAnswers, check.Args{SSH: again}, nil)
			if again.State != knock.SSHSilent || lost {
				return again.State != knock.SSHSilent, nil
			}
			continue
		}
		s.end(check.OK, check.SSHShut, check.Args{SSH: again}, nil)
		if late || lost {
			return false, nil
		}
	}
}

// repeatedSYN reports whether an answer is one to the kernel's repeat of a SYN, after a second: the
// host is near, and was silent at first.
func repeatedSYN(s knock.SSH) bool {
	const repeat, near = time.Second, 60 * time.Millisecond
	rtt := time.Duration(s.RTT)
	return s.Repeated || rtt >= repeat && rtt < repeat+near
}

// explained reports whether the handshake alone leads to a verdict.
func (x *run) explained() bool {
	switch x.seen().Outcome() {
	case diag.OpensUnknocked, diag.OpensAtOnce, diag.OpensLate, diag.KnocksAccepted, diag.SSHBehind, diag.AddressesDiffer, diag.SilentUnknocked, diag.OthersUnknocked:
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
