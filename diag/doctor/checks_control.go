package doctor

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"rapport/diag"
	"rapport/diag/clock"
	"rapport/diag/scan"
	"rapport/knock"
)

// compareAfter checks whether what answered at first still does: a server may have
// banned this address for what was sent. Each is asked more than once.
func (x *run) compareAfter(ctx context.Context) error {
	if err := x.compareSSH(ctx); err != nil || x.seen().Loopback() {
		return err
	}
	return x.compareClocks(ctx)
}

// bannedMeanwhile is compareAfter in the middle of a search, where anything answered: to
// go on would only make a ban longer.
func (x *run) bannedMeanwhile(ctx context.Context) (bool, error) {
	const unlimited = time.Second // until a limit forgives a few packets
	if x.seen().ShutState() == knock.SSHFiltered && len(x.answeringClocks()) == 0 {
		return false, nil
	}
	if !knock.Wait(ctx, unlimited) {
		return false, context.Cause(ctx)
	}
	err := x.compareAfter(ctx)
	return err == nil && x.seen().FellSilent(), err
}

// compareSSH probes SSH without a knock until it answers as at first.
func (x *run) compareSSH(ctx context.Context) error {
	var after knock.SSH
	for range 4 {
		r, err := x.Client.Probe(ctx, x.host.Name, x.seen().Target.Addr, knock.Options{Timeout: firstProbe})
		if err != nil && !errors.Is(err, knock.ErrUnreachable) {
			return err
		}
		if after = r.SSH; after.State == x.seen().ShutState() || after.State.Connected() { // somebody else may have opened it
			break
		}
	}
	x.learn(func(e *diag.Evidence) { e.After = after })
	return nil
}

// answeringClocks are the sources of the server's clock that answered. Its ICMP says
// nothing of its ports.
func (x *run) answeringClocks() (all []string) {
	for _, r := range x.seen().Clocks().Sources {
		if r.Of == clock.Server && r.Err == nil && r.Name != clock.SourceICMP {
			all = append(all, r.Name)
		}
	}
	return all
}

// compareClocks asks the sources of the server's clock that answered, those that do not
// twice: packets get lost.
func (x *run) compareClocks(ctx context.Context) error {
	silent := x.answeringClocks()
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
	if x.seen().Outcome() != diag.SSHBehind || x.seen().Reached().State != knock.SSHRefused || x.seen().ShutState() != knock.SSHFiltered || x.seen().Loopback() || x.seen().Target.Window > longestWait {
		return nil
	}
	if !knock.Wait(ctx, min(x.seen().Target.Window+time.Second, longestWait)) {
		return context.Cause(ctx)
	}
	after, err := x.probe(ctx, firstProbe)
	if err == nil {
		x.learn(func(e *diag.Evidence) { e.After = after })
	}
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
		x.skip(diag.CheckFamily, diag.OneFamily, diag.Args{})
		return false, nil
	}
	r, err := x.knock(ctx, diag.CheckFamily, x.seen().OtherTarget(), knock.Options{Gaps: x.gaps()[:x.quickAttempts()], Wait: quickWait})
	if err != nil {
		return false, err
	}
	return r.Opened, nil
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
		r, err := x.Client.Knock(ctx, t, knock.Options{Gaps: x.gaps()[:x.quickAttempts()], Wait: quickWait}, nil)
		if errors.Is(err, knock.ErrUnreachable) {
			continue
		}
		if err != nil {
			return err
		}
		if x.learn(func(e *diag.Evidence) { e.Elsewhere = &r }); r.Opened {
			return nil
		}
	}
	if !x.seen().OtherAddr.IsValid() || x.seen().OtherScan != nil || x.seen().Other.Before.State.Connected() {
		return nil
	}
	s := x.begin(diag.CheckScan, diag.Scanning, diag.Args{})
	job := scan.Scan{Shut: x.seen().Other.Before.State, Spent: len(diag.Knocks(x.seen().Other)), Past: x.Past, Future: x.Future, Also: x.Also}
	last, err := x.scanOne(ctx, s, x.seen().OtherTarget(), job)
	if err != nil {
		return err
	}
	status := diag.OK
	if last.Opened == nil {
		status = diag.Warn
	}
	s.end(status, diag.Scanned, diag.Args{Scan: last}, nil)
	return nil
}

// afterOpening reads the clocks of a server that opens, and checks whether the other
// IP family is guarded too.
func (x *run) afterOpening(ctx, clocks context.Context) error {
	x.guess()
	x.readServer(clocks, openWait, clock.SourceHTTP, clock.SourceNTP, clock.SourceICMP)
	defer x.clocks.Wait()
	if !x.seen().OtherAddr.IsValid() {
		return nil
	}
	s := x.begin(diag.CheckFamily, diag.Probing, diag.Args{})
	r, err := x.Client.Probe(ctx, x.host.Name, x.seen().OtherTarget().Addr, knock.Options{Timeout: openWait})
	if err != nil && !errors.Is(err, knock.ErrUnreachable) {
		return err
	}
	x.learn(func(e *diag.Evidence) { e.OtherSSH = r.SSH })
	switch {
	case r.SSH.State == knock.SSHOpen:
		s.end(diag.Warn, diag.OtherUnguarded, diag.Args{Address: x.seen().OtherAddr}, nil)
	case err != nil:
		s.end(diag.Skipped, diag.NoRoute, diag.Args{}, nil)
	default:
		s.end(diag.OK, diag.SSHShut, diag.Args{SSH: r.SSH}, nil)
	}
	return nil
}
