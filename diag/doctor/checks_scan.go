package doctor

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"time"

	"rapport/diag"
	"rapport/diag/clock"
	"rapport/diag/scan"
	"rapport/knock"
	"rapport/knock/gate/trace"
)

// search tries other hours, ranges and secret variants: first without the server's
// clock, which may take seconds to be known, then the hours that it shows. Where
// that finds nothing, it makes sure that the server still answers as before.
func (x *run) search(ctx, clocks context.Context) error {
	x.playRules()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	if !x.seen().AnsweredAtAll() {
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
		_, err := x.Client.Probe(ctx, x.host.Name, x.seen().Target.Addr, knock.Options{})
		if errors.Is(err, knock.ErrUnreachable) {
			x.learn(func(e *diag.Evidence) { e.NoRoute = err })
			stop(errNoRoute)
		}
	})
	return &running
}

// searchAll is search, once it is known to make sense.
func (x *run) searchAll(ctx, clocks context.Context) error {
	if x.seen().OtherSecret() || x.seen().WrongGate() {
		x.skip(diag.CheckScan, diag.ScanPointless, diag.Args{})
		return nil
	}
	s := x.begin(diag.CheckScan, diag.Scanning, diag.Args{})
	shut := x.seen().ShutState()
	if shut.Connected() || shut == knock.SSHUnknown {
		shut = knock.SSHFiltered
	}
	job := scan.Scan{Shut: shut, Spent: len(diag.Knocks(x.seen().Handshake)), Between: x.repeat, Past: x.Past, Future: x.Future, Also: x.Also}
	if gap := x.seen().Target.Gap; gap >= wideGap {
		job.Likeliest = max(int(slowScan/(wideGapsEach*gap)), 1)
	}
	last, err := x.scanOne(ctx, s, x.seen().Target, job)
	if err != nil {
		return err
	}
	if last, err = x.askClocks(ctx, clocks, last); err != nil {
		return err
	}
	if x.ownOpens() { // the control: packets that get lost look like an SSH that does not work
		if _, err := x.repeatUsual(ctx); err != nil {
			return err
		}
	}
	if x.seen().Handshake.Opened {
		s.end(diag.Warn, diag.RepeatOpened, diag.Args{}, nil)
		return nil
	}
	if x.seen().SlowReached() {
		s.end(diag.Warn, diag.SlowOpened, diag.Args{}, nil)
		return nil
	}
	if o := x.seen().OtherScan; o != nil && o.Opened != nil {
		last = o
	}
	if last.Opened == nil && x.otherShut() {
		job = scan.Scan{Shut: x.seen().Other.Before.State, Spent: len(diag.Knocks(x.seen().Other)), Past: x.Past, Future: x.Future, Also: x.Also}
		if last, err = x.scanOne(ctx, s, x.seen().OtherTarget(), job); err != nil {
			return err
		}
	}
	status := diag.OK
	if last.Opened == nil || !last.Confirmed {
		status = diag.Warn
	}
	s.end(status, diag.Scanned, diag.Args{Scan: last}, nil)
	if last.Opened == nil {
		return x.compareAfter(ctx)
	}
	return nil
}

// playRules plays the handshake of the server's gate through its rules: they may shut
// this address out, or everybody.
func (x *run) playRules() {
	from := diag.Sources(x.seen().Handshake)
	if x.Rules == nil || x.seen().Rules.Gate == nil || len(from) == 0 {
		return
	}
	played := func(a netip.Addr) *trace.Trace {
		t, err := trace.Run(*x.Rules, trace.Request{Family: x.seen().Family(), From: a})
		if err != nil || len(t.Unmodelled) > 0 || t.Unanswered() {
			return nil // it proves nothing
		}
		return &t
	}
	here, all := played(from[0]), played(netip.Addr{})
	x.learn(func(e *diag.Evidence) { e.PlayedHere, e.Played = here, all })
}

// askClocks scans the hours that the clocks show, unless something opened the gate,
// and returns the scan that counts.
func (x *run) askClocks(ctx, clocks context.Context, last *scan.Report) (*scan.Report, error) {
	x.clocks.Wait()
	if ctx.Err() != nil {
		return last, context.Cause(ctx)
	}
	if last.Opened == nil && last.Stopped.IsZero() && !x.seen().Clocks().Known && !x.seen().Handshake.Opened && x.seen().Slow == nil {
		x.readServer(clocks, time.Second, clock.SourceDaytime, clock.SourceTime)
		x.clocks.Wait()
	}
	if last.Opened == nil && last.Stopped.IsZero() && !x.seen().Handshake.Opened {
		if err := x.scanByClock(ctx); err != nil {
			return last, err
		}
	}
	if last.Stopped.Reason == scan.Changed && x.seen().Slow == nil {
		for range 2 { // the usual attempts, then those with wide gaps
			if done, err := x.repeat(ctx); done || err != nil {
				return last, err
			}
		}
	}
	if x.found != nil {
		last = x.found
		x.learn(func(e *diag.Evidence) { e.Scan = last })
	}
	return last, nil
}

// scanByClock tries the hours that the clocks show, once, where they are none of those
// that were tried. What opens the gate is then in found.
func (x *run) scanByClock(ctx context.Context) error {
	c := x.likelyClock()
	if x.found != nil || !x.newHours(c) {
		return nil
	}
	job := scan.Scan{Shut: x.seen().ShutState(), Spent: len(diag.Knocks(x.seen().Handshake)), Clock: &c}
	r, err := x.scanOne(ctx, step{x, diag.CheckScan, time.Now()}, x.seen().Target, job)
	if err == nil && r.Opened != nil {
		x.found = r
	}
	return err
}

// scanKnownClock is scanByClock by what the clocks have shown so far.
func (x *run) scanKnownClock(ctx context.Context) (done bool, err error) {
	err = x.scanByClock(ctx)
	return x.found != nil, err
}

// scanOther tries the likeliest hours over the other IP family.
func (x *run) scanOther(ctx context.Context) (done bool, err error) {
	if !x.otherShut() {
		return false, nil
	}
	job := scan.Scan{Shut: x.seen().Other.Before.State, Spent: len(diag.Knocks(x.seen().Other)), Past: min(x.Past, scan.DefaultPast), Likeliest: otherHours}
	r, err := x.scanOne(ctx, step{x, diag.CheckScan, time.Now()}, x.seen().OtherTarget(), job)
	return err == nil && r.Opened != nil, err
}

// otherHours is how many other hours are tried over the other IP family before what is
// unlikely over the first.
const otherHours = 4

// otherShut reports whether there is a gate over the other IP family that stays shut.
func (x *run) otherShut() bool {
	return x.seen().OtherAddr.IsValid() && x.seen().Other != nil && !x.seen().Other.Before.State.Connected()
}

// likelyClock is what is known of the server's clock, or else the right time, where
// NTP tells it.
func (x *run) likelyClock() clock.Report {
	c := x.seen().Clocks()
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
	i, own := c.Interval(), knock.HourOf(x.seen().Now.Add(x.seen().Target.Skew))
	low, high := knock.HourOf(x.seen().Now.Add(i.Low)).Sub(own), knock.HourOf(x.seen().Now.Add(i.High)).Sub(own)
	return low < -x.Past || high > x.Future
}

// ownOpens reports whether the very sequence of the handshake opened the gate in the
// scan, and SSH did not work behind it.
func (x *run) ownOpens() bool {
	s := x.seen().Scan
	return s != nil && s.Opened != nil && s.SSH.State != knock.SSHOpen && s.Opened.Offset == 0 && s.Opened.IsClients(x.seen().Target.Range) && !x.seen().Loopback() && len(x.seen().Handshake.Attempts) == x.quickAttempts()
}

// scanOne scans one address. No route to the host is a result, not an error.
func (x *run) scanOne(ctx context.Context, s step, t knock.Target, job scan.Scan) (*scan.Report, error) {
	job.Client, job.RTT, job.Began = x.Client, time.Duration(x.seen().Before.RTT), x.start
	if t.SweepGuard == 0 {
		job.ConfirmBy = x.start.Add(confirmBy)
	}
	if job.Likeliest > 0 { // a slow one: its confirmation takes ten seconds
		job.ConfirmBy = x.start.Add(restBy)
	}
	if i := x.seen().Rules; i != nil {
		job.Proven = i.Candidate()
		job.Unguarded = i.Gate != nil && t.SweepGuard == 0
	}
	record := func(r *scan.Report) func(*diag.Evidence) {
		return func(e *diag.Evidence) {
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
		x.update(func(rep *diag.Report) {
			find(rep, s.id).Args.Scan = &r
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
	x.learn(func(e *diag.Evidence) {
		if record(&r)(e); r.Opened != nil { // the hour may have changed meanwhile
			e.Now = x.Client.Clock.Now()
		}
	})
	return &r, err
}

// slowGaps are the gaps of handshakes for networks that limit SYNs.
var slowGaps = []time.Duration{500 * time.Millisecond, 1250 * time.Millisecond}

const (
	// From wideGap on, a scan has no time for more than the likeliest hours: each takes
	// wideGapsEach gaps, and all together slowScan at most.
	wideGap, wideGapsEach, slowScan = 100 * time.Millisecond, 6, 15 * time.Second
	// slowHours is how many other hours are tried with the first of slowGaps, as long as
	// there is time for the second.
	slowHours = 3
	// slowBy is until when the wait for a handshake with wide gaps is begun: both take up to
	// 10 s, of the 30 s that a diagnosis may take. After restBy nothing unlikely is tried, and nothing
	// that a slow scan found confirmed.
	slowBy, restBy = 19 * time.Second, 25 * time.Second
	// endBy is until when the banner of a repeated handshake is awaited, and one is
	// confirmed. confirmBy is until when what a scan found begins to be: it takes 1.5 s.
	endBy, confirmBy = 28500 * time.Millisecond, 27 * time.Second
)

// repeat makes the handshake with more of the usual attempts, and when it is called
// again, with wide gaps, as long as there is time. The report covers all of the former.
func (x *run) repeat(ctx context.Context) (done bool, err error) {
	if len(x.seen().Handshake.Attempts) == x.quickAttempts() {
		for _, try := range []func(context.Context) (bool, error){x.scanKnownClock, x.repeatUsual, x.scanOther} {
			if done, err := try(ctx); done || err != nil {
				return done, err
			}
		}
		return false, nil
	}
	x.clocks.Wait()
	if done, err := x.scanKnownClock(ctx); done || err != nil {
		return done, err
	}
	if x.seen().Loopback() {
		return false, nil
	}
	if banned, err := x.bannedMeanwhile(ctx); err != nil || banned || x.seen().Target.Strict {
		return banned, err
	}
	for n, gap := range slowGaps {
		if time.Since(x.start) > slowBy {
			break
		}
		if !knock.Wait(ctx, max(2*gap, time.Second)) { // until a limit forgives the probe and the first knock
			return false, context.Cause(ctx)
		}
		slow, err := x.again(ctx, []time.Duration{gap})
		if err != nil {
			return false, err
		}
		if err := x.makeSureSlowly(ctx, &slow, gap); err != nil {
			return false, err
		}
		reached := slow.Opened || slow.SSH.State.Connected()
		if slow.Before.State.Connected() || x.seen().Slow != nil && !reached {
			continue
		}
		if x.learn(func(e *diag.Evidence) { e.Slow = &slow }); reached {
			return true, nil
		}
		if n > 0 {
			continue
		}
		hours := int((slowBy - time.Since(x.start)) / (wideGapsEach * gap))
		if done, err := x.scanSlowly(ctx, gap, min(hours, slowHours)); done || err != nil {
			return done, err
		}
	}
	return time.Since(x.start) > restBy, nil
}

// scanSlowly tries so many of the likeliest hours with a wide gap. What opens the gate is
// then in found.
func (x *run) scanSlowly(ctx context.Context, gap time.Duration, hours int) (bool, error) {
	if hours <= 0 {
		return false, nil
	}
	c := x.likelyClock()
	t := x.seen().Target
	t.Gap = max(t.Gap, gap)
	job := scan.Scan{Shut: x.seen().ShutState(), Spent: len(diag.Knocks(x.seen().Handshake)), Past: min(x.Past, scan.DefaultPast), Future: x.Future, Clock: &c, Likeliest: hours}
	r, err := x.scanOne(ctx, step{x, diag.CheckScan, time.Now()}, t, job)
	if err != nil {
		return false, err
	}
	x.learn(func(e *diag.Evidence) { e.SlowHours = r.Tried() })
	if r.Opened != nil {
		x.found = r
	}
	return x.found != nil, nil
}

// repeatUsual makes more of the usual attempts. done says that they explain the
// failure.
func (x *run) repeatUsual(ctx context.Context) (done bool, err error) {
	const more = 3
	first := x.seen().Handshake
	r, err := x.again(ctx, x.gaps()[x.quickAttempts():x.quickAttempts()+more])
	if err != nil {
		return false, err
	}
	x.log.Debug("handshake repeated", "address", r.Address, "opened", r.Opened, "ssh", r.SSH.State)
	if r.Before.State.Connected() {
		return false, nil
	}
	r.Before = first.Before
	r.Attempts = slices.Concat(first.Attempts, r.Attempts)
	r.OpenedBy += len(first.Attempts)
	x.learn(func(e *diag.Evidence) { e.Handshake = &r })
	err = x.makeSure(ctx)
	return x.explained(), err
}

// again makes a handshake with these gaps, after a window if one is open: the scan
// may have opened it unseen.
func (x *run) again(ctx context.Context, gaps []time.Duration) (knock.Report, error) {
	o := knock.Options{Gaps: gaps, RTT: time.Duration(x.seen().Before.RTT), Wait: quickWait}
	need := x.Client.Plan(x.seen().Target, o).Length() + quickWait
	knocks := func() (knock.Report, error) {
		o.Timeout = max(min(need+bannerWait, endBy-time.Since(x.start)), need)
		return x.Client.Knock(ctx, x.seen().Target, o, nil)
	}
	r, err := knocks()
	window := min(x.seen().Target.Window+time.Second, longestWait)
	if err == nil && r.Before.State.Connected() && time.Since(x.start)+window+need < endBy {
		if !knock.Wait(ctx, window) {
			return r, context.Cause(ctx)
		}
		r, err = knocks()
	}
	if errors.Is(err, knock.ErrUnreachable) {
		x.learn(func(e *diag.Evidence) { e.NoRoute = err })
		err = errNoRoute
	}
	return r, err
}
