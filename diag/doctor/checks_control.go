package doctor

import (
	"cmp"
	"context"
	"errors"
	"net/netip"
	"slices"
	"time"

	"rapport/diag"
	"rapport/diag/answers"
	"rapport/diag/check"
	"rapport/diag/clock"
	"rapport/diag/scan"
	"rapport/knock"
)

// compareAfter checks whether what answered at first still does: a server may have
// banned this address for what was sent. Each is asked more than once.
func (x *run) compareAfter(ctx context.Context) error {
	if err := x.compareSSH(ctx); err != nil || x.seen().StandIn {
		return err
	}
	return x.compareClocks(ctx)
}

// bannedMeanwhile is compareAfter in the middle of a search, where anything answered: to
// go on would only make a ban longer.
func (x *run) bannedMeanwhile(ctx context.Context) (bool, error) {
	if x.seen().ShutState() == knock.SSHFiltered && len(x.seen().Answering()) == 0 {
		return false, nil
	}
	if !knock.Wait(ctx, unlimited) {
		return false, context.Cause(ctx)
	}
	if err := x.compareAfter(ctx); err != nil || !x.seen().FellSilent() || x.seen().Limited != knock.SSHUnknown {
		return false, err
	}
	x.guess()
	return true, nil
}

// compareSSH probes SSH without a knock until it answers as at first.
func (x *run) compareSSH(ctx context.Context) error {
	if x.spent() { // it may be open still
		return nil
	}
	var after knock.SSH
	cut := false
	for range 4 {
		r, err := x.Client.Probe(ctx, x.host.Name, x.seen().Target.Addr, knock.Options{Timeout: x.within(controlProbe)})
		if err != nil && !errors.Is(err, knock.ErrUnreachable) {
			return err
		}
		cut = err != nil
		if after = r.SSH; after.State == x.seen().ShutState() || after.State.Connected() { // somebody else may have opened it
			break
		}
	}
	if after.State.Connected() {
		x.made.Add(1)
	}
	x.learn(func(e *diag.Evidence) { e.After, e.Cut = after, cut })
	return x.compareKnocks(ctx, after.State)
}

// compareKnocks finds out whether SSH alone answered otherwise than at first, by now: then
// connections to it are limited rather than this address banned. A knock port and SSH are
// asked in turns, with time between them: hosts limit the ICMP errors that they send.
func (x *run) compareKnocks(ctx context.Context, now knock.SSHState) error {
	const apart = 600 * time.Millisecond
	e := x.seen()
	knocks := answers.Knocks(e.Handshake)
	if now == knock.SSHUnknown || now == e.ShutState() || now.Connected() || e.Limited != knock.SSHUnknown || len(knocks) < knock.Knocks || e.StandIn {
		return nil
	}
	for _, k := range knocks[1:3] { // never the whole sequence
		if !knock.Wait(ctx, 2*apart) {
			return context.Cause(ctx)
		}
		got := []knock.Answer{knock.Silent, knock.Silent, knock.Silent}
		packets := []knock.Packet{{Port: k.Port}, {At: apart / 2, Port: k.Port}, {At: apart, Port: e.Target.Addr.Port()}}
		_, err := x.Client.SendBatch(ctx, e.Target.Addr, packets, knock.BatchOptions{Wait: controlProbe}, func(r knock.PacketReport) {
			if r.Answer != knock.Pending {
				got[r.Index] = r.Answer
			}
		})
		port, ssh := cmp.Or(loud(got[0]), got[1]), got[2]
		differs := slices.ContainsFunc(knocks, func(sent knock.SentKnock) bool { return sent.Port == k.Port && sent.Answer != port })
		// One that was silent until the first knocks is banned with all ports.
		differs = differs || knocks[0].Answer == knock.Silent && port != knock.Silent && port == answerOf(now)
		if err != nil || differs || port == knock.Silent && now == knock.SSHFiltered || !slices.Contains([]knock.Answer{answerOf(now), answerOf(e.ShutState()), knock.Open}, ssh) {
			return err
		}
		if ssh == knock.Open { // by what the scan has sent: nobody is banned
			x.made.Add(1)
			break
		}
	}
	x.learn(func(e *diag.Evidence) { e.Limited = now })
	x.guess()
	return nil
}

// loud is an answer that is not silence: packets get lost.
func loud(a knock.Answer) knock.Answer {
	if a == knock.Silent {
		return ""
	}
	return a
}

// answerOf is what a knock at SSH's port gets in that state.
func answerOf(s knock.SSHState) knock.Answer {
	if s == knock.SSHFiltered {
		return knock.Silent
	}
	return knock.Answer(s)
}

// compareClocks asks the sources of the server's clock that answered, those that do not
// twice: packets get lost.
func (x *run) compareClocks(ctx context.Context) error {
	silent := x.seen().Answering()
	for _, limit := range []time.Duration{1500 * time.Millisecond, 3500 * time.Millisecond} {
		if len(silent) == 0 {
			break
		}
		c := clock.Clocks{Clock: x.Client.Clock, Only: silent, Timeout: limit}
		r, err := c.Read(ctx, x.host.Lookup(), x.seen().Target.Addr.Addr(), nil)
		if err != nil {
			return err
		}
		silent = nil
		for _, reading := range r.Sources {
			if reading.Of == clock.Server && reading.Err != nil {
				silent = append(silent, reading.Name)
			}
		}
	}
	x.learn(func(e *diag.Evidence) { e.Silenced = silent })
	return nil
}

// controlSilence probes SSH once more where it was silent, and a knock of the first attempt was
// rejected: a gate that rejects does so at SSH's port too, unless the packets got lost. A later
// attempt may be rejected by a ban. It does not probe where packets hardly get lost: every knock
// was answered, or the server is on a link of this machine.
func (x *run) controlSilence(ctx context.Context) error {
	h := x.seen().Handshake
	rejected := slices.ContainsFunc(h.Attempts[0].Knocks, func(k knock.SentKnock) bool { return k.Answer == knock.Refused })
	if !rejected || x.seen().ShutState() != knock.SSHFiltered || h.SSH.State.Connected() || x.seen().StandIn {
		return nil
	}
	if silent, _ := answers.With(h, knock.Silent); len(silent) == 0 || scan.OnLink(x.seen().Target.Addr.Addr()) {
		return nil
	}
	if !knock.Wait(ctx, unlimited) {
		return context.Cause(ctx)
	}
	for range 2 {
		switch now, err := x.probe(ctx, knock.Options{Timeout: x.within(repeatedProbe)}); {
		case err != nil:
			return err
		case now.State == knock.SSHRefused:
			x.learn(func(e *diag.Evidence) { e.Before = now })
			return nil
		}
	}
	return nil
}

// controls makes sure of what the handshake alone explains.
func (x *run) controls(ctx context.Context) error {
	if err := x.controlAccepted(ctx); err != nil {
		return err
	}
	return x.controlRefusal(ctx)
}

// controlRefusal probes a refused SSH once more when the window is over: a gate that
// opened is shut again by then, and a ban or a limit that rejects is not over.
func (x *run) controlRefusal(ctx context.Context) error {
	reached := x.seen().Reached().State
	rejected := reached == knock.SSHRefused && x.seen().ShutState() == knock.SSHFiltered || reached == knock.SSHUnreachable
	if x.seen().Outcome() != diag.SSHBehind || !rejected || x.seen().StandIn || x.seen().NoListener || x.seen().Target.Window > longestWait {
		return nil
	}
	if !knock.Wait(ctx, min(x.over(), longestWait)) {
		return context.Cause(ctx)
	}
	after, err := x.probe(ctx, knock.Options{Timeout: x.within(controlProbe)})
	if err != nil {
		return err
	}
	x.learn(func(e *diag.Evidence) { e.After = after })
	return x.compareKnocks(ctx, after.State)
}

// controlNoRoute asks other ports where a router says of SSH's that there is no route to the
// host: a filter for that port may say so too. SSH's port comes last, since routers limit what
// they say.
func (x *run) controlNoRoute(ctx context.Context) error {
	const limited = 300 * time.Millisecond // two of these packets are further apart than most limits
	var packets []knock.Packet
	for _, port := range append(x.outside(), x.seen().Target.Addr.Port()) {
		packets = append(packets, knock.Packet{At: time.Duration(len(packets)) * limited, Port: port})
	}
	last, others := false, false
	_, err := x.Client.SendBatch(ctx, x.seen().Target.Addr, packets, knock.BatchOptions{}, func(r knock.PacketReport) {
		last = last || r.Answer == knock.Unreachable && r.Index == len(packets)-1
		others = others || r.Answer == knock.Unreachable && r.Index < len(packets)-1
	})
	if errors.Is(err, knock.ErrSend) || errors.Is(err, knock.ErrUnreachable) {
		return nil
	}
	x.learn(func(e *diag.Evidence) { e.OnlySSH = last && !others && len(packets) > 2 })
	return err
}

// controlAccepted asks ports outside the range where those of the knocks accept: a SYN
// proxy accepts for all ports, and may still pass the knocks on.
func (x *run) controlAccepted(ctx context.Context) error {
	if x.seen().Outcome() != diag.KnocksAccepted {
		return nil
	}
	var packets []knock.Packet
	for _, port := range x.outside() {
		packets = append(packets, knock.Packet{Port: port})
	}
	accepted := 0
	_, err := x.Client.SendBatch(ctx, x.seen().Target.Addr, packets, knock.BatchOptions{}, func(r knock.PacketReport) {
		if r.Answer == knock.Open {
			accepted++
		}
	})
	x.learn(func(e *diag.Evidence) { e.AcceptsOthers = accepted > len(packets)/2 })
	return err
}

// tryFamily makes the handshake over the other IP family, where there is one.
func (x *run) tryFamily(ctx context.Context) (opened bool, err error) {
	if !x.seen().OtherAddr.IsValid() {
		x.skip(check.Family, check.OneFamily, check.Args{})
		return false, nil
	}
	t, o := x.seen().OtherTarget(), knock.Options{Gaps: x.gaps()[:x.quickAttempts()], Wait: quickWait(x.seen().OtherAddr)}
	o.Timeout = x.Client.Plan(t, o).Length() + o.Wait + bannerWait
	r, err := x.knock(ctx, check.Family, t, o)
	if err != nil {
		return false, err
	}
	return r.Opened || x.seen().OtherOpens(), nil
}

// tryElsewhere tries the other addresses of the name, where the first one has no
// route.
func (x *run) tryElsewhere(ctx context.Context) error {
	if x.seen().Other == nil {
		if opened, err := x.tryFamily(ctx); err != nil || opened {
			return err
		}
	}
	for _, a := range x.seen().Untried[:min(len(x.seen().Untried), diag.MostOthers)] {
		t := x.seen().Target
		t.Addr = netip.AddrPortFrom(a, t.Addr.Port())
		r, err := x.Client.Knock(ctx, t, knock.Options{Gaps: x.gaps()[:x.quickAttempts()], Wait: quickWait(t.Addr.Addr())}, nil)
		if errors.Is(err, knock.ErrUnreachable) {
			continue
		}
		if err != nil {
			return err
		}
		x.count(r)
		if x.learn(func(e *diag.Evidence) { e.Elsewhere = &r }); r.Opened {
			return nil
		}
	}
	if !x.seen().OtherAddr.IsValid() || x.seen().OtherScan != nil || x.seen().Other.Before.State.Connected() {
		return nil
	}
	s := x.begin(check.Scan, check.Scanning, check.Args{})
	job := scan.Scan{Shut: x.seen().Other.Before.State, Spent: len(answers.Knocks(x.seen().Other)), Past: x.Past, Future: x.Future, Also: x.Also}
	last, err := x.scanOne(ctx, s, x.seen().OtherTarget(), job)
	if err != nil {
		return err
	}
	s.end(scanStatus(last), check.Scanned, check.Args{Scan: last}, nil)
	return nil
}

// afterOpening reads the clocks of a server that opens, and checks whether the other
// IP family is guarded too, and whether it took the handshake to open this one.
func (x *run) afterOpening(ctx, clocks context.Context) error {
	opened := time.Now()
	x.guess()
	x.readServer(clocks, openWait, clock.SourceHTTP, clock.SourceNTP, clock.SourceICMP)
	defer x.clocks.Wait()
	if err := x.probeOther(ctx); err != nil {
		return err
	}
	return x.controlOpen(ctx, opened)
}

// probeOther checks whether SSH answers without a knock over the other IP family.
func (x *run) probeOther(ctx context.Context) error {
	if !x.seen().OtherAddr.IsValid() {
		return nil
	}
	s := x.begin(check.Family, check.Probing, check.Args{})
	r, err := x.Client.Probe(ctx, x.host.Name, x.seen().OtherTarget().Addr, knock.Options{Timeout: openWait})
	if err != nil && !errors.Is(err, knock.ErrUnreachable) {
		return err
	}
	if r.SSH.State.Connected() {
		x.made.Add(1)
	}
	x.learn(func(e *diag.Evidence) { e.OtherSSH = r.SSH })
	switch {
	case r.SSH.State == knock.SSHOpen:
		s.end(check.Warn, check.OtherUnguarded, check.Args{Address: x.seen().OtherAddr}, nil)
	case err != nil:
		s.end(check.Skipped, check.NoRoute, check.Args{}, nil)
	default:
		s.end(check.OK, check.SSHShut, check.Args{SSH: r.SSH}, nil)
	}
	return nil
}
