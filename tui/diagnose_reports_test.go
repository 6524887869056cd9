package tui

import (
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"rapport/diag"
	"rapport/diag/answers"
	"rapport/diag/check"
	"rapport/diag/clock"
	"rapport/diag/scan"
	"rapport/knock"
	"rapport/knock/solve"
	"rapport/tui/diagnose"
)

// snapshot is the event of a diagnosis with the report r so far.
func snapshot(r diag.Report) tea.Msg {
	var newest atomic.Pointer[diag.Report]
	newest.Store(&r)
	return fromJob{diagnose.Progressed{Newest: &newest, Listed: true}}
}

// diagnosed makes the messages of a diagnosis that has ended.
func diagnosed(r diag.Report) []tea.Msg {
	r.Done = true
	return []tea.Msg{press("d"), snapshot(r), jobOver{}}
}

// scanOf is a scan of the default range with the given state of each candidate.
func scanOf(t testing.TB, future int, state func(solve.Candidate) scan.CellState) *scan.Report {
	t.Helper()
	secret, err := knock.ParseSecret("f00b4r")
	if err != nil {
		t.Fatal(err)
	}
	r := scan.Report{Schema: 1, Confirmed: true,
		Announce: "trying 272 candidates: 27 hours, 31 ranges, from 2026-11-21-06 to 2026-11-22-08; an eavesdropper can use them until the server's hour ends"}
	for _, h := range scan.Candidates(noon, knock.Target{Range: knock.DefaultRange, Secret: secret}, 26, future, nil, nil) {
		c := scan.Cell{Candidate: h, State: state(h)}
		if c.State == scan.Hit {
			r.Opened = &h
		}
		r.Cells = append(r.Cells, c)
	}
	r.Candidates = len(r.Cells)
	return &r
}

// reportOf is a report on a server whose gate drops, with these checks.
func reportOf(checks ...check.Check) diag.Report {
	target := knock.Target{Host: "myserver", Addr: netip.MustParseAddrPort("203.0.113.7:22"), Range: knock.DefaultRange}
	h := knocked(5, shut)
	return diag.Report{Schema: 1, Host: "myserver", Address: "203.0.113.7", At: noon.Add(-8 * time.Second), Elapsed: knock.Millis(8 * time.Second), Checks: checks,
		Evidence: diag.Evidence{Now: noon.Add(-8 * time.Second), Target: target, Past: scan.DefaultPast, Before: knock.SSH{State: knock.SSHFiltered}, Handshake: &h}}
}

// judge gives a report the verdict on its evidence.
func judge(r diag.Report) diag.Report {
	r.Verdict, r.Causes = r.Evidence.Judge()
	return r
}

// passed is a check that went well.
func passed(id string, code check.Code, a check.Args) check.Check {
	return check.Check{ID: id, Status: check.OK, Code: code, Args: a}
}

// skipped is a check that was not made.
func skipped(id string, why check.Code, a check.Args) check.Check {
	return check.Check{ID: id, Status: check.Skipped, Code: why, Args: a}
}

// usual are the checks of a gate that drops, the last four being the handshake, the
// family, egress and the scan.
func usual(server, last check.Check) []check.Check {
	h := reportOf().Evidence.Handshake
	all := []check.Check{
		passed(check.Name, check.NameResolved, check.Args{Address: netip.MustParseAddr("203.0.113.7")}), skipped(check.Rules, check.RulesMissing, check.Args{}),
		passed(check.Before, check.SSHShut, check.Args{SSH: knock.SSH{State: knock.SSHFiltered}}),
		passed(check.Local, check.ClockRight, check.Args{Offset: 3 * time.Millisecond, Within: time.Millisecond}), server,
		{ID: check.Handshake, Status: check.Fail, Code: check.HandshakeMade, Args: check.Args{Handshake: h}},
		skipped(check.Family, check.OneFamily, check.Args{}), skipped(check.Egress, check.NoneRejected, check.Args{}), last,
	}
	for i, ms := range []knock.Millis{12, 0, 1000, 40, 700, 3100, 0, 0, 3148} {
		all[i].Elapsed = ms * millisecond
	}
	return all
}

// untold is the check of a server's clock that no source tells.
func untold() check.Check { return skipped(check.Server, check.ServerUntold, check.Args{}) }

// scanned adds a scan to a report.
func scanned(r diag.Report, s *scan.Report, status check.Status) diag.Report {
	code := check.Scanned
	if status == check.Running {
		code = check.Scanning
	}
	r.Evidence.Scan = s
	c := check.Check{ID: check.Scan, Status: status, Code: code, Args: check.Args{Scan: s}}
	if status != check.Running {
		c.Elapsed = 3148 * millisecond
	}
	r.Checks = append(slices.Clone(r.Checks[:len(r.Checks)-1]), c)
	return r
}

// told is the check of a server's clock that some sources tell.
func told(c *clock.Report) check.Check {
	return check.Check{ID: check.Server, Status: check.Warn, Code: check.ServerTold, Args: check.Args{Clock: c, At: noon}}
}

func clocksOf(readings ...clock.Reading) *clock.Report {
	r := clock.Report{Schema: 1, Local: clock.LocalClock{Time: noon}}
	for _, reading := range readings {
		r.Add(reading)
	}
	return &r
}

func serverClock(name string, offset, uncertainty time.Duration) clock.Reading {
	return clock.Reading{Name: name, Of: clock.Server, Offset: offset, Uncertainty: uncertainty}
}

// rightHere is what NTP says of this machine's clock.
var rightHere = clock.Reading{Name: "ntp time.example.org", Of: clock.Local, Offset: 3 * time.Millisecond, Uncertainty: time.Millisecond}

// running is a diagnosis in the middle of its scan.
func running(t testing.TB) diag.Report {
	r := reportOf(slices.DeleteFunc(usual(untold(), check.Check{}), func(c check.Check) bool { return c.ID == check.Rules })...)
	r.Evidence.Clock = clocksOf(rightHere, clock.Reading{Name: clock.SourceHTTP, Of: clock.Server, Err: clock.ErrNoAnswer}, clock.Reading{Name: clock.SourceNTP, Of: clock.Server, Err: clock.ErrNoAnswer})
	n := 0
	return scanned(r, scanOf(t, 0, func(solve.Candidate) scan.CellState {
		if n++; n <= 24 {
			return scan.Tried
		}
		return scan.Waiting
	}), check.Running)
}

// behind is the verdict on a server whose clock is three hours behind.
func behind(t testing.TB) diag.Report {
	c := clocksOf(rightHere,
		serverClock(clock.SourceHTTP, -3*time.Hour, 13*time.Millisecond), serverClock(clock.SourceSMTP, -3*time.Hour, 505*time.Millisecond),
		serverClock(clock.SourceDaytime, 40*time.Minute, time.Second), clock.Reading{Name: clock.SourceNTP, Of: clock.Server, Err: clock.ErrNoAnswer})
	r := reportOf(usual(told(c), check.Check{})...)
	r.Evidence.Clock = c
	return judge(scanned(r, scanOf(t, 0, func(h solve.Candidate) scan.CellState {
		switch {
		case h.Range != knock.DefaultRange || h.Variant != solve.AsGiven || h.Offset < -3:
			return scan.Waiting
		case h.Offset == -3:
			return scan.Hit
		}
		return scan.Tried
	}), check.OK))
}

// confirming is a diagnosis whose scan has a hit that is to be confirmed.
func confirming(t testing.TB) diag.Report {
	r := behind(t)
	s := *r.Evidence.Scan
	s.Confirming, s.Confirmed = true, false
	return judge(scanned(r, &s, check.Running))
}

// ahead is the verdict on a server whose clock is two hours ahead by one source, and
// off by decades by another. Nothing was compared with this machine's.
func ahead(t testing.TB) diag.Report {
	c := clocksOf(serverClock(clock.SourceHTTP, 2*time.Hour, 13*time.Millisecond), serverClock(clock.SourceHTTPS, 2*time.Hour, 20*time.Millisecond),
		serverClock(clock.SourceTime, -56*365*24*time.Hour, time.Second))
	r := reportOf(usual(told(c), check.Check{})...)
	r.Evidence.Clock = c
	r.Checks[3] = skipped(check.Local, check.ClockUnasked, check.Args{})
	s := scanOf(t, 2, func(h solve.Candidate) scan.CellState {
		if h.Offset == 2 && h.Range == knock.DefaultRange && h.Variant == solve.AsGiven {
			return scan.Hit
		}
		return scan.Waiting
	})
	s.Cells = slices.DeleteFunc(s.Cells, func(c scan.Cell) bool { return c.Offset == 1 })
	return judge(scanned(r, s, check.OK))
}

// opens is the verdict on a server that has nothing wrong.
func opens(t testing.TB) diag.Report {
	c := clocksOf(serverClock(clock.SourceHTTPS, 12*time.Millisecond, 500*time.Millisecond))
	h := knocked(5, opened)
	r := reportOf(usual(check.Check{}, check.Check{})...)
	r.Evidence.Handshake, r.Evidence.Clock = &h, c
	r = judge(r)
	r.Checks[0].Args.Other = netip.MustParseAddr("2001:db8::7")
	r.Checks[3] = skipped(check.Local, check.ClockUnasked, check.Args{})
	r.Checks[4] = passed(check.Server, check.ServerTold, check.Args{Clock: c, At: noon})
	r.Checks[5] = passed(check.Handshake, check.HandshakeMade, check.Args{Handshake: &h})
	for i, id := range []string{check.Family, check.Egress, check.Scan} {
		r.Checks[6+i] = skipped(id, check.NotNeeded, check.Args{Verdict: string(diag.Opens)})
	}
	return r
}

// unexplained is the verdict where nothing opened the gate, not even future hours.
func unexplained(t testing.TB) diag.Report {
	r := scanned(running(t), scanOf(t, 26, func(solve.Candidate) scan.CellState { return scan.Tried }), check.Warn)
	r.Evidence.Future = 26
	return judge(r)
}

// otherRange is the verdict on a server with another range.
func otherRange(t testing.TB) diag.Report {
	there := portRange(t, "10000-10998")
	return judge(scanned(running(t), scanOf(t, 0, func(h solve.Candidate) scan.CellState {
		switch {
		case h.Range == there && h.Offset == 0 && h.Variant == solve.AsGiven:
			return scan.Hit
		case h.Offset > -12 && h.Range == knock.DefaultRange:
			return scan.Tried
		}
		return scan.Waiting
	}), check.OK))
}

// twoFaults is the verdict on a server with another range and a wrong clock, which no
// source reads.
func twoFaults(t testing.TB) diag.Report {
	there := portRange(t, "10000-10998")
	r := scanned(running(t), scanOf(t, 0, func(h solve.Candidate) scan.CellState {
		switch {
		case h.Range == there && h.Offset == -2 && h.Variant == solve.AsGiven:
			return scan.Hit
		case h.Offset < -2:
			return scan.Waiting
		}
		return scan.Tried
	}), check.OK)
	r.Evidence.Clock = clocksOf(unread(clock.ErrNoAnswer, clock.SourceHTTP, clock.SourceHTTPS, clock.SourceNTP, clock.SourceSMTP, clock.SourceDaytime, clock.SourceTime)...)
	return judge(r)
}

// unread are sources without a reading.
func unread(why error, names ...string) (all []clock.Reading) {
	for _, name := range names {
		all = append(all, clock.Reading{Name: name, Of: clock.Server, Err: why})
	}
	return all
}

// blocked is the verdict where a router rejects the knocks.
func blocked(t testing.TB) diag.Report {
	r := running(t)
	h := knocked(5, shut)
	for i := range h.Attempts[0].Knocks {
		h.Attempts[0].Knocks[i].Answer = knock.Unreachable
	}
	router := &answers.Egress{Ports: []uint16{10247, 10363, 10357, 10858, 10938}, Answer: knock.Unreachable, From: netip.MustParseAddr("192.0.2.1"), Control: []knock.Answer{knock.Silent}}
	r.Evidence.Handshake, r.Evidence.Scan, r.Evidence.Egress = &h, nil, router
	r.Checks = append(r.Checks[:len(r.Checks)-1], skipped(check.Scan, check.NotNeeded, check.Args{Verdict: string(diag.KnocksBlocked)}))
	return judge(r)
}
