package doctor

import (
	"cmp"
	"context"
	"slices"
	"time"

	"rapport/diag"
	"rapport/diag/answers"
	"rapport/diag/check"
	"rapport/diag/clock"
	"rapport/diag/scan"
	"rapport/knock"
)

// readLocal starts to compare this machine's clock with the NTP servers that are
// named, beside the other checks.
func (x *run) readLocal(ctx context.Context) {
	addr := x.seen().Target.Addr.Addr()
	switch {
	case x.seen().StandIn: // a time service here has this machine's clock, not that one's
		x.skip(check.Local, check.OneClock, check.Args{})
		x.skip(check.Server, check.OneClock, check.Args{})
		return
	case x.seen().OwnAddr:
		x.skip(check.Server, check.OneClock, check.Args{})
	}
	if len(x.host.NTP) == 0 {
		x.skip(check.Local, check.ClockUnasked, check.Args{})
		return
	}
	s := x.begin(check.Local, check.ClockAsking, check.Args{})
	c := clock.Clocks{Clock: x.Client.Clock, NTP: x.host.NTP, Only: []string{}}
	x.clocks.Go(func() {
		r, err := c.Read(ctx, x.host.Lookup(), addr, nil)
		x.addReadings(r)
		switch l, a := r.Local, (check.Args{Offset: r.Local.Offset, Within: r.Local.Uncertainty}); {
		case err != nil:
			s.end(check.Skipped, check.EndedEarly, check.Args{}, nil)
		case l.Known && l.Offset.Abs() > time.Second+l.Uncertainty:
			s.end(check.Warn, check.ClockOff, a, nil)
		case l.Known:
			s.end(check.OK, check.ClockRight, a, nil)
		default:
			s.end(check.Warn, check.ClockSilent, check.Args{}, nil)
		}
	})
}

// addReadings adds what sources said to the evidence.
func (x *run) addReadings(r clock.Report) {
	x.update(func(rep *diag.Report) {
		e := &rep.Evidence
		all := clock.Report{Schema: 1, Host: r.Host, Address: r.Address, Local: clock.LocalClock{Time: r.Local.Time}}
		if e.Clock != nil {
			all = *e.Clock
			all.Sources = slices.Clone(all.Sources)
		}
		for _, reading := range r.Sources {
			all.Add(reading)
		}
		e.Clock = &all
		guessAgain(rep) // a clock may tell apart what looked alike
	})
}

// readServer starts to read the server's clock by these sources, beside the other
// checks. Ports that a detector of scans may watch are asked last, and by nobody who
// is not shut out.
func (x *run) readServer(ctx context.Context, limit time.Duration, only ...string) {
	addr := x.seen().Target.Addr.Addr()
	if x.seen().StandIn || x.seen().OwnAddr {
		return
	}
	s, known := step{x, check.Server, time.Now()}, false
	x.update(func(r *diag.Report) { _, known = r.Check(check.Server) })
	if !known {
		s = x.begin(check.Server, check.ClockAsking, check.Args{Address: addr})
	}
	c := clock.Clocks{Clock: x.Client.Clock, Only: only, Timeout: limit}
	now, skew := x.seen().Now, x.seen().Target.Skew // a scan may change them meanwhile
	learnt := func(reading clock.Reading) {
		x.log.Debug("read a clock", "source", reading.Name, "of", reading.Of, "said", reading.Text())
		x.addReadings(clock.Report{Host: x.host.Lookup(), Address: addr.String(), Local: clock.LocalClock{Time: now}, Sources: []clock.Reading{reading}})
		select {
		case x.told <- struct{}{}:
		default: // one is enough
		}
	}
	c.Rough = learnt
	x.clocks.Go(func() {
		_, err := c.Read(ctx, x.host.Lookup(), addr, learnt)
		var all clock.Report
		x.update(func(rep *diag.Report) { all = rep.Evidence.Clocks() })
		switch a := (check.Args{Clock: &all, At: x.report.At}); {
		case err != nil:
			s.end(check.Skipped, check.EndedEarly, check.Args{}, nil)
		case !all.Known:
			s.end(check.Skipped, check.ServerUntold, a, nil)
		case (all.Skew - skew).Abs() > all.Uncertainty+2*time.Second:
			s.end(check.Warn, check.ServerTold, a, nil)
		default:
			s.end(check.OK, check.ServerTold, a, nil)
		}
	})
}

// askClocks scans the hours that the clocks show, unless something opened the gate,
// and returns the scan that counts.
func (x *run) askClocks(ctx, clocks context.Context, last *scan.Report) (*scan.Report, error) {
	if last.Stopped.Reason == scan.Changed {
		if err := x.compareKnocks(ctx, last.Stopped.SSH.State); err != nil {
			return last, err
		}
	}
	x.clocks.Wait()
	if ctx.Err() != nil {
		return last, context.Cause(ctx)
	}
	if x.found == nil && last.Opened == nil && last.Stopped.IsZero() && !x.seen().Clocks().Known && !x.seen().Handshake.Opened && x.seen().Slow == nil {
		x.readServer(clocks, time.Second, clock.SourceDaytime, clock.SourceTime)
		x.clocks.Wait()
	}
	if last.Opened == nil && last.Stopped.IsZero() && !x.seen().Handshake.Opened {
		if err := x.scanByClock(ctx); err != nil {
			return last, err
		}
	}
	if last.Stopped.Reason == scan.Changed && x.seen().Slow == nil {
		tries := []func(context.Context) (bool, error){x.repeat, x.repeatSlowly} // the usual attempts, then those with wide gaps
		if x.seen().Limited != knock.SSHUnknown {
			tries = []func(context.Context) (bool, error){x.searchLimited}
		}
		for _, try := range tries {
			if done, err := try(ctx); done || err != nil {
				return cmp.Or(x.found, last), err
			}
		}
	}
	return cmp.Or(x.found, last), nil
}

// scanByClock tries the hours that the clocks show, once, where they are none of those
// that were tried. What opens the gate is then in found.
func (x *run) scanByClock(ctx context.Context) error {
	c := x.likelyClock()
	if x.found != nil || !x.newHours(c) || !x.scanned(c) {
		return nil
	}
	job := scan.Scan{Shut: x.seen().ShutState(), Spent: len(answers.Knocks(x.seen().Handshake)), Clock: &c}
	r, err := x.scanOne(ctx, step{x, check.Scan, time.Now()}, x.seen().Target, job)
	if err == nil && r.Opened != nil {
		x.found = r
	}
	return err
}

// firstClock returns what is known of the server's clock, after a little while for the first
// answer: the likeliest hour is worth it.
func (x *run) firstClock(ctx context.Context) (clock.Report, bool) {
	little := 150 * time.Millisecond
	if x.nothingLost() { // it has answered by then, or does so after a pass that takes no longer
		little = 50 * time.Millisecond
	}
	over := time.After(little)
	for {
		c := x.likelyClock()
		if c.Known || x.seen().StandIn {
			return c, c.Known
		}
		select {
		case <-x.told:
		case <-over:
			return c, false
		case <-ctx.Done():
			return c, false
		}
	}
}

// scanned remembers that the hours that a clock shows are scanned, and reports whether any
// was not before.
func (x *run) scanned(c clock.Report) (fresh bool) {
	i := c.Interval()
	for h := knock.HourOf(x.seen().Now.Add(i.Low)); h.Sub(knock.HourOf(x.seen().Now.Add(i.High))) <= 0; h = h.Add(1) {
		if !x.hours[h] {
			x.hours[h], fresh = true, true
		}
	}
	return fresh
}

// scanKnownClock is scanByClock by what the clocks have shown so far.
func (x *run) scanKnownClock(ctx context.Context) (done bool, err error) {
	err = x.scanByClock(ctx)
	return x.found != nil, err
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
