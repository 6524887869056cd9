package doctor

import (
	"context"
	"slices"
	"time"

	"rapport/diag"
	"rapport/diag/clock"
)

// readLocal starts to compare this machine's clock with the NTP servers that are
// named, beside the other checks.
func (x *run) readLocal(ctx context.Context) {
	addr := x.seen().Target.Addr.Addr()
	switch {
	case addr.IsLoopback():
		// A time service here has this machine's clock, not a stand-in's.
		x.skip(diag.CheckLocal, diag.OneClock, diag.Args{})
		x.skip(diag.CheckServer, diag.OneClock, diag.Args{})
		return
	case len(x.host.NTP) == 0:
		x.skip(diag.CheckLocal, diag.ClockUnasked, diag.Args{})
		return
	}
	s := x.begin(diag.CheckLocal, diag.ClockAsking, diag.Args{})
	c := clock.Clocks{Clock: x.Client.Clock, NTP: x.host.NTP, Only: []string{}}
	x.clocks.Go(func() {
		r, err := c.Read(ctx, x.host.Lookup(), addr, nil)
		x.addReadings(r)
		switch l, a := r.Local, (diag.Args{Offset: r.Local.Offset, Within: r.Local.Uncertainty}); {
		case err != nil:
			s.end(diag.Skipped, diag.EndedEarly, diag.Args{}, nil)
		case l.Known && l.Offset.Abs() > time.Second+l.Uncertainty:
			s.end(diag.Warn, diag.ClockOff, a, nil)
		case l.Known:
			s.end(diag.OK, diag.ClockRight, a, nil)
		default:
			s.end(diag.Warn, diag.ClockSilent, diag.Args{}, nil)
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
	if addr.IsLoopback() {
		return
	}
	s, known := step{x, diag.CheckServer, time.Now()}, false
	x.update(func(r *diag.Report) { _, known = r.Check(diag.CheckServer) })
	if !known {
		s = x.begin(diag.CheckServer, diag.ClockAsking, diag.Args{Address: addr})
	}
	c := clock.Clocks{Clock: x.Client.Clock, Only: only, Timeout: limit}
	now, skew := x.seen().Now, x.seen().Target.Skew // a scan may change them meanwhile
	x.clocks.Go(func() {
		_, err := c.Read(ctx, x.host.Lookup(), addr, func(reading clock.Reading) {
			x.log.Debug("read a clock", "source", reading.Name, "of", reading.Of, "said", reading.Text())
			x.addReadings(clock.Report{Host: x.host.Lookup(), Address: addr.String(), Local: clock.LocalClock{Time: now}, Sources: []clock.Reading{reading}})
		})
		var all clock.Report
		x.update(func(rep *diag.Report) { all = rep.Evidence.Clocks() })
		switch a := (diag.Args{Clock: &all, At: x.report.At}); {
		case err != nil:
			s.end(diag.Skipped, diag.EndedEarly, diag.Args{}, nil)
		case !all.Known:
			s.end(diag.Skipped, diag.ServerUntold, a, nil)
		case (all.Skew - skew).Abs() > all.Uncertainty+2*time.Second:
			s.end(diag.Warn, diag.ServerTold, a, nil)
		default:
			s.end(diag.OK, diag.ServerTold, a, nil)
		}
	})
}
