package diag

import (
	"context"
	"slices"
	"time"

	"rapport/diag/clock"
)

// readLocal starts to compare this machine's clock with the NTP servers that are
// named, beside the other checks.
func (x *run) readLocal(ctx context.Context) {
	addr := x.e.Target.Addr.Addr()
	switch {
	case addr.IsLoopback():
		// A time service here has this machine's clock, not a stand-in's.
		x.skip(CheckLocal, OneClock, Args{})
		x.skip(CheckServer, OneClock, Args{})
		return
	case len(x.host.NTP) == 0:
		x.skip(CheckLocal, ClockUnasked, Args{})
		return
	}
	s := x.begin(CheckLocal, ClockAsking, Args{})
	c := clock.Clocks{Now: x.Client.Clock, NTP: x.host.NTP, Only: []string{}}
	x.clocks.Go(func() {
		r, err := c.Read(ctx, x.host.Lookup(), addr, nil)
		x.addReadings(r)
		switch l, a := r.Local, (Args{Offset: r.Local.Offset, Within: r.Local.Uncertainty}); {
		case err != nil:
			s.end(Skipped, EndedEarly, Args{}, nil)
		case l.Known && l.Offset.Abs() > time.Second+l.Uncertainty:
			s.end(Warn, ClockOff, a, nil)
		case l.Known:
			s.end(OK, ClockRight, a, nil)
		default:
			s.end(Warn, ClockSilent, Args{}, nil)
		}
	})
}

// addReadings adds what sources said to the evidence.
func (x *run) addReadings(r clock.Report) {
	x.learn(func(e *Evidence) {
		all := clock.Report{Schema: 1, Host: r.Host, Address: r.Address, Local: clock.LocalClock{Time: r.Local.Time}}
		if e.Clock != nil {
			all = *e.Clock
			all.Sources = slices.Clone(all.Sources)
		}
		for _, reading := range r.Sources {
			all.Add(reading)
		}
		e.Clock = &all
	})
}

// readServer starts to read the server's clock by these sources, beside the other
// checks. Ports that a detector of scans may watch are asked last, and by nobody who
// is not shut out.
func (x *run) readServer(ctx context.Context, limit time.Duration, only ...string) {
	addr := x.e.Target.Addr.Addr()
	if addr.IsLoopback() {
		return
	}
	s, known := step{x, CheckServer, time.Now()}, false
	x.update(func(r *Report) { _, known = r.Check(CheckServer) })
	if !known {
		s = x.begin(CheckServer, ClockAsking, Args{Address: addr})
	}
	c := clock.Clocks{Now: x.Client.Clock, Only: only, Timeout: limit}
	x.clocks.Go(func() {
		r, err := c.Read(ctx, x.host.Lookup(), addr, func(reading clock.Reading) {
			x.log.Debug("read a clock", "source", reading.Name, "of", reading.Of, "said", reading.Text())
			x.addReadings(clock.Report{Host: x.host.Lookup(), Address: addr.String(), Local: clock.LocalClock{Time: x.e.Now}, Sources: []clock.Reading{reading}})
		})
		_ = r
		var all clock.Report
		x.update(func(rep *Report) { all = rep.Evidence.clock() })
		switch a := (Args{Clock: &all, At: x.report.At}); {
		case err != nil:
			s.end(Skipped, EndedEarly, Args{}, nil)
		case !all.Known:
			s.end(Skipped, ServerUntold, Args{}, nil)
		case (all.Skew - x.e.Target.Skew).Abs() > all.Uncertainty+2*time.Second:
			s.end(Warn, ServerTold, a, nil)
		default:
			s.end(OK, ServerTold, a, nil)
		}
	})
}
