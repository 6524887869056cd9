package diag

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"time"

	"rapport/diag/clock"
	"rapport/diag/scan"
	"rapport/knock"
	"rapport/knock/gate"
)

// search tries other hours, ranges and secret variants: first without the server's
// clock, which may take seconds to be known, then the hours that it shows. Where
// that finds nothing, it makes sure that the server still answers as before.
func (x *run) search(ctx, clocks context.Context) error {
	x.playRules()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	if !x.e.answeredAtAll() {
		watch := x.watchRoute(ctx, stop)
		defer watch.Wait()
	}
	err := x.searchAll(ctx, clocks)
	if errors.Is(err, errNoRoute) {
		return nil
	}
	stop(nil)
	return err
}

// errNoRoute ends a search of a host that nobody is.
var errNoRoute = errors.New("no route to host")

// watchRoute probes SSH until the kernel has given up to find a neighbour with the
// address, which takes it three seconds; then the search ends.
func (x *run) watchRoute(ctx context.Context, stop context.CancelCauseFunc) *sync.WaitGroup {
	var running sync.WaitGroup
	running.Go(func() {
		_, err := x.Client.Probe(ctx, x.host.Name, x.e.Target.Addr, knock.Options{})
		if errors.Is(err, knock.ErrUnreachable) {
			x.learn(func(e *Evidence) { e.NoRoute = err })
			stop(errNoRoute)
		}
	})
	return &running
}

// searchAll is search, once it is known to make sense.
func (x *run) searchAll(ctx, clocks context.Context) error {
	if x.e.otherSecret() || x.e.wrongGate() {
		x.skip(CheckScan, ScanPointless, Args{})
		return nil
	}
	s := x.begin(CheckScan, Scanning, Args{})
	shut := x.e.shutState()
	if shut.Connected() || shut == knock.SSHUnknown {
		shut = knock.SSHFiltered
	}
	job := scan.Scan{Shut: shut, Spent: len(knocksOf(x.e.Handshake)), Between: x.repeat, Past: x.Past, Future: x.Future, Also: x.Also}
	last, err := x.scanOne(ctx, s, x.e.Target, job)
	if err != nil {
		return err
	}
	x.clocks.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if last.Opened == nil && last.Stopped.IsZero() && !x.e.clock().Known && !x.e.Handshake.Opened && x.e.Slow == nil {
		x.readServer(clocks, time.Second, clock.SourceDaytime, clock.SourceTime)
		x.clocks.Wait()
	}
	if last.Opened == nil && last.Stopped.IsZero() && !x.e.Handshake.Opened {
		if err := x.scanByClock(ctx); err != nil {
			return err
		}
	}
	if last.Stopped.Reason == scan.Changed && x.e.Slow == nil {
		if _, err := x.repeat(ctx); err != nil {
			return err
		}
	}
	if x.byClock != nil {
		last = x.byClock
		x.learn(func(e *Evidence) { e.Scan = last })
	}
	if x.e.Handshake.Opened {
		s.end(Warn, RepeatOpened, Args{}, nil)
		return nil
	}
	if x.slowOpens() {
		s.end(Warn, SlowOpened, Args{}, nil)
		return nil
	}
	if last.Opened == nil && x.e.OtherAddr.IsValid() && x.e.Other != nil && !x.e.Other.Before.State.Connected() {
		job = scan.Scan{Shut: x.e.Other.Before.State, Spent: len(knocksOf(x.e.Other)), Past: x.Past, Future: x.Future, Also: x.Also}
		if last, err = x.scanOne(ctx, s, x.e.otherTarget(), job); err != nil {
			return err
		}
	}
	status := OK
	if last.Opened == nil || !last.Confirmed {
		status = Warn
	}
	s.end(status, Scanned, Args{Scan: last}, nil)
	if last.Opened == nil {
		return x.compareAfter(ctx)
	}
	return nil
}

// playRules plays the handshake of the server's gate through its rules: they may shut
// this address out, or everybody.
func (x *run) playRules() {
	from := sources(x.e.Handshake)
	if x.Rules == nil || x.e.Rules.Gate == nil || len(from) == 0 {
		return
	}
	played := func(a netip.Addr) *gate.Trace {
		t, err := x.Rules.Trace(gate.TraceRequest{Family: x.e.family(), From: a})
		if err != nil || len(t.Unmodelled) > 0 || t.Unanswered {
			return nil // it proves nothing
		}
		return &t
	}
	here, all := played(from[0]), played(netip.Addr{})
	x.learn(func(e *Evidence) { e.PlayedHere, e.Played = here, all })
}

// scanByClock tries the hours that the clocks show, once, where they are none of those
// that were tried. What opens the gate is then in byClock.
func (x *run) scanByClock(ctx context.Context) error {
	c := x.likelyClock()
	if x.byClock != nil || !x.newHours(c) {
		return nil
	}
	job := scan.Scan{Shut: x.e.shutState(), Spent: len(knocksOf(x.e.Handshake)), Clock: &c}
	r, err := x.scanOne(ctx, step{x, CheckScan, time.Now()}, x.e.Target, job)
	if err == nil && r.Opened != nil {
		x.byClock = r
	}
	return err
}

// likelyClock is what is known of the server's clock, or else the right time, where
// NTP tells it.
func (x *run) likelyClock() clock.Report {
	c := x.e.clock()
	if l := c.Local; !c.Known && l.Known {
		c.Sources = slices.Clone(c.Sources)
		c.Add(clock.Reading{Name: clock.SourceNTP, Of: clock.Server, Offset: l.Offset, Uncertainty: l.Uncertainty})
	}
	return c
}

// newHours reports whether a clock shows an hour that was not tried.
func (x *run) newHours(c clock.Report) bool {
	if !c.Known {
		return false
	}
	i, own := c.Interval(), knock.HourOf(x.e.Now.Add(x.e.Target.Skew))
	low, high := knock.HourOf(x.e.Now.Add(i.Low)).Sub(own), knock.HourOf(x.e.Now.Add(i.High)).Sub(own)
	return low < -x.Past || high > x.Future
}

// slowOpens reports whether a handshake with wide gaps opened the gate.
func (x *run) slowOpens() bool { return x.e.Slow != nil && x.e.Slow.Opened }

// scanOne scans one address. No route to the host is a result, not an error.
func (x *run) scanOne(ctx context.Context, s step, t knock.Target, job scan.Scan) (*scan.Report, error) {
	job.Client, job.RTT = x.Client, time.Duration(x.e.Before.RTT)
	if i := x.e.Rules; i != nil {
		job.Proven = i.Candidate()
		job.Unguarded = i.Gate != nil && t.SweepGuard == 0
	}
	record := func(r *scan.Report) func(*Evidence) {
		return func(e *Evidence) {
			if t.Addr.Addr() == e.OtherAddr {
				e.OtherScan = r
			} else {
				e.Scan = r
			}
		}
	}
	hit := false
	r, err := job.Run(ctx, t, func(r scan.Report) {
		if r.Packets == 0 {
			x.log.Debug("scan begins", "sends", r.Announce)
		}
		x.update(func(rep *Report) {
			rep.check(s.id).Args.Scan = &r
			record(&r)(&rep.Evidence)
		})
		if r.Confirming && !hit {
			x.guess()
		}
		hit = r.Confirming
	})
	x.log.Debug("scanned", "address", t.Addr, "candidates", r.Candidates, "packets", r.Packets, "connections", r.Connections, "result", r.Summary(), "error", err)
	if errors.Is(err, knock.ErrUnreachable) {
		r.Stopped, err = scan.Stop{Reason: scan.NoRoute}, nil
	}
	x.learn(func(e *Evidence) {
		if record(&r)(e); r.Opened != nil { // the hour may have changed meanwhile
			e.Now = x.Client.Now()
		}
	})
	return &r, err
}

// slowGaps are the gaps of handshakes for networks that limit SYNs.
var slowGaps = []time.Duration{500 * time.Millisecond, 1250 * time.Millisecond}

// repeat makes the handshake with more of the usual attempts, and then with wide
// gaps. The report covers all of the former.
func (x *run) repeat(ctx context.Context) (done bool, err error) {
	first := x.e.Handshake
	if len(first.Attempts) > 1 {
		return false, nil // it had all of them
	}
	x.clocks.Wait()
	if err := x.scanByClock(ctx); err != nil || x.byClock != nil {
		return true, err
	}
	const more = 4
	r, err := x.again(ctx, x.gaps()[1:1+more])
	if err != nil {
		return false, err
	}
	x.log.Debug("handshake repeated", "address", r.Address, "opened", r.Opened, "ssh", r.SSH.State)
	if !r.Before.State.Connected() {
		r.Before = first.Before
		r.Attempts = slices.Concat(first.Attempts, r.Attempts)
		r.OpenedBy += len(first.Attempts)
		x.learn(func(e *Evidence) { e.Handshake = &r })
		if x.explained() {
			return true, nil
		}
	}
	if x.e.Target.Strict {
		return false, nil
	}
	for _, gap := range slowGaps {
		if !knock.Wait(ctx, gap) { // until a limit forgives what was sent so far
			return false, context.Cause(ctx)
		}
		slow, err := x.again(ctx, []time.Duration{gap})
		if err != nil {
			return false, err
		}
		if slow.Before.State.Connected() || x.e.Slow != nil && !slow.Opened {
			continue
		}
		if x.learn(func(e *Evidence) { e.Slow = &slow }); slow.Opened {
			return true, nil
		}
	}
	return false, nil
}

// again makes a handshake with these gaps, after a window if one is open: the scan
// may have opened it unseen.
func (x *run) again(ctx context.Context, gaps []time.Duration) (knock.Report, error) {
	o := knock.Options{Gaps: gaps, RTT: time.Duration(x.e.Before.RTT), Wait: quickWait}
	r, err := x.Client.Knock(ctx, x.e.Target, o, nil)
	if err == nil && r.Before.State.Connected() {
		if !knock.Wait(ctx, min(x.e.Target.Window+time.Second, longestWait)) {
			return r, context.Cause(ctx)
		}
		r, err = x.Client.Knock(ctx, x.e.Target, o, nil)
	}
	if errors.Is(err, knock.ErrUnreachable) {
		err = nil // the scan says so
	}
	return r, err
}

// compareAfter checks whether what answered at first still does: a server may have
// banned this address for what was sent. Each is asked twice.
func (x *run) compareAfter(ctx context.Context) error {
	var after knock.SSH
	for range 4 {
		r, err := x.Client.Probe(ctx, x.host.Name, x.e.Target.Addr, knock.Options{Timeout: firstProbe})
		if err != nil && !errors.Is(err, knock.ErrUnreachable) {
			return err
		}
		if after = r.SSH; after.State == x.e.shutState() {
			break
		}
	}
	x.learn(func(e *Evidence) { e.After = after })
	var answered []string
	for _, r := range x.e.clock().Sources {
		if r.Of == clock.Server && r.Err == nil && r.Name != clock.SourceICMP {
			answered = append(answered, r.Name)
		}
	}
	if len(answered) == 0 || x.e.loopback() {
		return nil
	}
	c := clock.Clocks{Now: x.Client.Clock, Only: answered, Timeout: 1500 * time.Millisecond}
	r, err := c.Read(ctx, x.host.Lookup(), x.e.Target.Addr.Addr(), nil)
	if err != nil {
		return err
	}
	var silenced []string
	for _, reading := range r.Sources {
		if reading.Of == clock.Server && reading.Err != nil {
			silenced = append(silenced, reading.Name)
		}
	}
	x.learn(func(e *Evidence) { e.Silenced = silenced })
	return nil
}

// tryFamily makes the handshake over the other IP family, where there is one.
func (x *run) tryFamily(ctx context.Context) (opened bool, err error) {
	if !x.e.OtherAddr.IsValid() {
		x.skip(CheckFamily, OneFamily, Args{})
		return false, nil
	}
	r, err := x.knock(ctx, CheckFamily, x.e.otherTarget(), knock.Options{Gaps: x.gaps()[:1], Wait: quickWait})
	if err != nil {
		return false, err
	}
	return r.Opened, nil
}

// mostOthers is how many other addresses of a name are tried.
const mostOthers = 2

// tryElsewhere tries the other addresses of the name, where the first one has no
// route.
func (x *run) tryElsewhere(ctx context.Context) error {
	if x.e.Other == nil {
		if opened, err := x.tryFamily(ctx); err != nil || opened {
			return err
		}
	}
	for _, a := range x.e.Untried[:min(len(x.e.Untried), mostOthers)] {
		t := x.e.Target
		t.Addr = netip.AddrPortFrom(a, t.Addr.Port())
		r, err := x.Client.Knock(ctx, t, knock.Options{Gaps: x.gaps()[:1], Wait: quickWait}, nil)
		if errors.Is(err, knock.ErrUnreachable) {
			continue
		}
		if err != nil {
			return err
		}
		if x.learn(func(e *Evidence) { e.Elsewhere = &r }); r.Opened {
			return nil
		}
	}
	if !x.e.OtherAddr.IsValid() || x.e.OtherScan != nil || x.e.Other.Before.State.Connected() {
		return nil
	}
	s := x.begin(CheckScan, Scanning, Args{})
	job := scan.Scan{Shut: x.e.Other.Before.State, Spent: len(knocksOf(x.e.Other)), Past: x.Past, Future: x.Future, Also: x.Also}
	last, err := x.scanOne(ctx, s, x.e.otherTarget(), job)
	if err != nil {
		return err
	}
	status := OK
	if last.Opened == nil {
		status = Warn
	}
	s.end(status, Scanned, Args{Scan: last}, nil)
	return nil
}

// afterOpening reads the clocks of a server that opens, and checks whether the other
// IP family is guarded too.
func (x *run) afterOpening(ctx, clocks context.Context) error {
	x.guess()
	x.readServer(clocks, openWait, clock.SourceHTTP, clock.SourceNTP, clock.SourceICMP)
	defer x.clocks.Wait()
	if !x.e.OtherAddr.IsValid() {
		return nil
	}
	s := x.begin(CheckFamily, Probing, Args{})
	r, err := x.Client.Probe(ctx, x.host.Name, x.e.otherTarget().Addr, knock.Options{Timeout: openWait})
	if err != nil && !errors.Is(err, knock.ErrUnreachable) {
		return err
	}
	x.learn(func(e *Evidence) { e.OtherSSH = r.SSH })
	switch {
	case r.SSH.State == knock.SSHOpen:
		s.end(Warn, OtherUnguarded, Args{Address: x.e.OtherAddr}, nil)
	case err != nil:
		s.end(Skipped, NoRoute, Args{}, nil)
	default:
		s.end(OK, SSHShut, Args{SSH: r.SSH}, nil)
	}
	return nil
}
