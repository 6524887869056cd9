package doctor

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"rapport/diag"
	"rapport/diag/answers"
	"rapport/diag/check"
	"rapport/diag/scan"
	"rapport/knock"
)

// slowGaps are the gaps of handshakes for networks that limit SYNs.
var slowGaps = []time.Duration{500 * time.Millisecond, 1250 * time.Millisecond}

const (
	// From wideGap on, a scan has no time for more than the likeliest hours: each takes
	// wideGapsEach gaps, and all together slowScan at most.
	wideGap, wideGapsEach, slowScan = 100 * time.Millisecond, 6, 15 * time.Second
	// slowHours is how many other hours are tried with the first of slowGaps, as long as
	// there is time for the second.
	slowHours = 3
	// strictHours is how many are tried as at a strict gate.
	strictHours = 4
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
	if time.Since(x.start) > restBy+x.allowed(ctx) {
		return true, nil
	}
	if len(x.seen().Handshake.Attempts) == x.quickAttempts() {
		for _, try := range []func(context.Context) (bool, error){x.scanKnownClock, x.scanStrictlyAtOnce, x.repeatUsual, x.scanKnownClock, x.scanOther} {
			if done, err := try(ctx); done || err != nil || x.spent() {
				return done, err
			}
		}
		if now := x.seen().Handshake.SSH.State; now == x.seen().ShutState() || now != knock.SSHFiltered {
			return false, nil
		}
		return x.bannedMeanwhile(ctx) // it was rejected at first
	}
	return x.repeatSlowly(ctx)
}

// repeatSlowly makes the handshake with wide gaps, as long as there is time.
func (x *run) repeatSlowly(ctx context.Context) (done bool, err error) {
	x.clocks.Wait()
	if done, err := x.scanKnownClock(ctx); done || err != nil {
		return done, err
	}
	if x.seen().StandIn {
		return false, nil
	}
	if banned, err := x.bannedMeanwhile(ctx); err != nil || banned || x.seen().Target.Strict {
		return banned, err
	}
	const slowTakes = 4500 * time.Millisecond // a handshake with the first gap
	each := wideGapsEach * slowGaps[0]
	began := time.Now()
	if done, err := x.scanStrictly(ctx, (slowBy-time.Since(x.start)-slowTakes)%each); done || err != nil {
		return done, err
	}
	spare := time.Since(began)
	for n, gap := range slowGaps {
		if time.Since(x.start) > slowBy {
			break
		}
		tried, reached := x.seen().Slow != nil && time.Duration(x.seen().Slow.Attempts[0].Gap) == gap, false
		if !tried {
			if tried, reached, err = x.slowly(ctx, gap); err != nil || reached {
				return reached, err
			}
		}
		if !tried || n > 0 {
			continue
		}
		hours := int((slowBy + spare - time.Since(x.start)) / each)
		if done, err := x.scanSlowly(ctx, gap, min(hours, slowHours)); done || err != nil {
			return done, err
		}
		if done, err := x.scanStrictly(ctx, slowBy-time.Since(x.start)); done || err != nil {
			return done, err
		}
	}
	return time.Since(x.start) > restBy, nil
}

// searchLimited is what is tried where connections to SSH are limited: the likeliest hours, with
// the time for one probe after the other, and this hour once more.
func (x *run) searchLimited(ctx context.Context) (done bool, err error) {
	gap := slowGaps[0]
	if done, err := x.scanSlowly(ctx, gap, int((slowBy-time.Since(x.start))/(wideGapsEach*gap))); done || err != nil || time.Since(x.start) > slowBy {
		return done, err
	}
	_, reached, err := x.slowly(ctx, gap)
	return reached, err
}

// searchBehindLimit is the whole search where a limit on SSH is all that the handshake showed.
func (x *run) searchBehindLimit(ctx context.Context) error {
	s := x.begin(check.Scan, check.Scanning, check.Args{})
	_, err := x.searchLimited(ctx)
	if err == nil {
		s.end(scanStatus(x.found), check.Scanned, check.Args{Scan: cmp.Or(x.seen().Scan, &scan.Report{})}, nil)
	}
	return err
}

// slowly makes the handshake with a wide gap. tried says that this told something that was not
// known.
func (x *run) slowly(ctx context.Context, gap time.Duration) (tried, reached bool, err error) {
	if !knock.Wait(ctx, max(2*gap, time.Second)) { // until a limit forgives the probe and the first knock
		return false, false, context.Cause(ctx)
	}
	slow, err := x.again(ctx, []time.Duration{gap})
	if err != nil {
		return false, false, err
	}
	if err := x.makeSureSlowly(ctx, &slow, gap); err != nil {
		return false, false, err
	}
	reached = slow.Opened || slow.SSH.State.Connected() || x.seen().BeforeAgain.State.Connected()
	if slow.Before.State.Connected() || x.seen().Slow != nil && !reached {
		return false, false, nil
	}
	x.learn(func(e *diag.Evidence) { e.Slow = &slow })
	return true, reached, nil
}

// scanSlowly tries so many of the likeliest hours with a wide gap.
func (x *run) scanSlowly(ctx context.Context, gap time.Duration, hours int) (bool, error) {
	if hours <= 0 {
		return false, nil
	}
	t := x.seen().Target
	t.Gap, t.Strict = max(t.Gap, gap), true // one candidate after the other, as it is slow
	r, err := x.scanLikeliest(ctx, t, hours)
	if err != nil {
		return false, err
	}
	x.learn(func(e *diag.Evidence) { e.SlowHours = r.Tried() })
	return x.found != nil, nil
}

// scanStrictly tries the likeliest hours one after the other, once, where that is spare time: a
// strict gate starts over at a wrong knock, and many candidates in one pass open none.
func (x *run) scanStrictly(ctx context.Context, spare time.Duration) (bool, error) {
	t := x.seen().Target
	if t.Strict = true; x.strictly || scan.StrictPass(t, strictHours) > spare {
		return false, nil
	}
	x.strictly = true
	_, err := x.scanLikeliest(ctx, t, strictHours)
	return x.found != nil, err
}

// scanStrictlyAtOnce is scanStrictly before the handshake is repeated, where nothing gets lost: it
// takes less time, and finds more.
func (x *run) scanStrictlyAtOnce(ctx context.Context) (bool, error) {
	if x.seen().Target.Strict || !x.nothingLost() {
		return false, nil
	}
	return x.scanStrictly(ctx, time.Second)
}

// scanLikeliest tries so many of the likeliest hours. What opens the gate is then in found.
func (x *run) scanLikeliest(ctx context.Context, t knock.Target, hours int) (*scan.Report, error) {
	c := x.likelyClock()
	job := scan.Scan{Shut: x.seen().ShutState(), Spent: len(answers.Knocks(x.seen().Handshake)), Past: min(x.Past, scan.DefaultPast), Future: x.Future, Clock: &c, Limited: x.seen().Limited, Likeliest: hours}
	job.AsStrict = t.Strict && !x.seen().Target.Strict && t.Gap == x.seen().Target.Gap
	r, err := x.scanOne(ctx, step{x, check.Scan, time.Now()}, t, job)
	if err == nil && r.Opened != nil {
		x.found = r
	}
	return r, err
}

// repeatUsual makes more of the usual attempts. done says that they explain the
// failure.
func (x *run) repeatUsual(ctx context.Context) (done bool, err error) {
	const more = 3
	first, gaps := x.seen().Handshake, x.gaps()[x.quickAttempts():x.quickAttempts()+more]
	if _, need := x.planned(gaps); time.Since(x.start)+need > endBy+x.allowed(ctx) { // a strict gate's have windows between them
		return false, nil
	}
	r, err := x.again(ctx, gaps)
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

// planned are the options of a handshake with these gaps, and how long it takes.
func (x *run) planned(gaps []time.Duration) (o knock.Options, need time.Duration) {
	o = knock.Options{Gaps: gaps, RTT: x.roundTrip(), Wait: x.within(quickWait(x.seen().Target.Addr.Addr()))}
	return o, x.Client.Plan(x.seen().Target, o).Length() + o.Wait
}

// again makes a handshake with these gaps, after a window if one is open: the scan
// may have opened it unseen.
func (x *run) again(ctx context.Context, gaps []time.Duration) (knock.Report, error) {
	o, need := x.planned(gaps)
	knocks := func() (knock.Report, error) {
		o.Timeout = max(min(need+bannerWait, endBy-time.Since(x.start)), need)
		r, err := x.Client.Knock(ctx, x.seen().Target, o, nil)
		x.count(r)
		return r, err
	}
	r, err := knocks()
	window := min(x.over(), longestWait)
	if err == nil && r.Before.State.Connected() && time.Since(x.start)+window+need < endBy {
		x.learn(func(e *diag.Evidence) { e.OpenBefore = true })
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
