package tui

import (
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"rapport/diag"
	"rapport/diag/clock"
	"rapport/diag/scan"
	"rapport/knock"
	"rapport/knock/hosts"
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
func scanOf(t *testing.T, future int, state func(solve.Candidate) scan.CellState) *scan.Report {
	t.Helper()
	secret, err := knock.ParseSecret("f00b4r")
	if err != nil {
		t.Fatal(err)
	}
	r := scan.Report{Schema: 1, Confirmed: true,
		Announce: "trying 198 candidates: 27 hours, 7 ranges, from 2026-11-21-06 to 2026-11-22-08; past hours tell an eavesdropper nothing that opens the gate later"}
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

// reportOf is a report whose checks say what the map has for them: a status, a
// summary, and shorter wordings of it.
func reportOf(checks map[string]string) diag.Report {
	r := diag.Report{Schema: 1, Host: "myserver", Address: "203.0.113.7", At: noon.Add(-8 * time.Second), Elapsed: knock.Millis(8 * time.Second)}
	for _, id := range diagnose.CheckIDs() {
		if s, ok := checks[id]; ok {
			status, words, _ := strings.Cut(s, " ")
			wordings := strings.Split(words, " | ")
			r.Checks = append(r.Checks, diag.Check{ID: id, Status: diag.Status(status), Summary: wordings[0], Short: wordings[1:]})
		}
	}
	return r
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

// running is a diagnosis in the middle of its scan.
func running(t *testing.T) diag.Report {
	r := reportOf(map[string]string{
		diag.CheckName: "ok 203.0.113.7", diag.CheckBefore: "ok SSH is filtered without a knock | SSH is filtered", diag.CheckLocal: "ok right to 0.004 s, as NTP says | -0.003 s by NTP",
		diag.CheckServer: "skipped no source tells it", diag.CheckHandshake: "fail knocks silent, SSH filtered, after 3 attempts | knocks silent, SSH filtered | silent, SSH filtered",
		diag.CheckFamily: "skipped there is no address of the other family to compare with | no address to compare with",
		diag.CheckEgress: "skipped no knock was rejected", diag.CheckScan: "running 24 of 198 candidates tried",
	})
	r.Clock = clocksOf(clock.Reading{Name: "ntp time.example.org", Of: clock.Local, Offset: 3 * time.Millisecond, Uncertainty: time.Millisecond},
		clock.Reading{Name: clock.SourceHTTP, Of: clock.Server, Err: clock.ErrNoAnswer}, clock.Reading{Name: clock.SourceNTP, Of: clock.Server, Err: clock.ErrNoAnswer})
	n := 0
	r.Scan = scanOf(t, 0, func(solve.Candidate) scan.CellState {
		if n++; n <= 24 {
			return scan.Tried
		}
		return scan.Waiting
	})
	r.Scan.Opened = nil
	return r
}

// behind is the verdict on a server whose clock is three hours behind.
func behind(t *testing.T) diag.Report {
	r := reportOf(map[string]string{
		diag.CheckName: "ok 203.0.113.7", diag.CheckRules: "skipped the server's rules were not given | not given",
		diag.CheckBefore: "ok SSH is filtered without a knock, after 38.1 ms | SSH is filtered", diag.CheckLocal: "ok right to 0.004 s, as NTP says | -0.003 s by NTP",
		diag.CheckServer:    "warn the server is 3 h 0 min behind: it expects the sequence of 05h",
		diag.CheckHandshake: "fail knocks silent, SSH filtered, after 3 attempts | knocks silent, SSH filtered | silent, SSH filtered", diag.CheckFamily: "skipped there is no address of the other family to compare with | no address to compare with",
		diag.CheckEgress: "skipped no knock was rejected", diag.CheckScan: "ok hour 2026-11-22-05, range 10000-10999, the secret as given opens it",
	})
	r.Clock = clocksOf(clock.Reading{Name: "ntp time.example.org", Of: clock.Local, Offset: 3 * time.Millisecond, Uncertainty: time.Millisecond},
		serverClock(clock.SourceHTTP, -3*time.Hour, 13*time.Millisecond), serverClock(clock.SourceSMTP, -3*time.Hour, 505*time.Millisecond),
		serverClock(clock.SourceDaytime, 40*time.Minute, time.Second), clock.Reading{Name: clock.SourceNTP, Of: clock.Server, Err: clock.ErrNoAnswer},
		clock.NewReading(clock.SourceKnock, clock.Server, clock.FromKnock(noon, -3)))
	r.Scan = scanOf(t, 0, func(h solve.Candidate) scan.CellState {
		switch {
		case h.Range != knock.DefaultRange || h.Variant != solve.AsGiven || h.Offset < -3:
			return scan.Waiting
		case h.Offset == -3:
			return scan.Hit
		}
		return scan.Tried
	})
	skew := -3 * time.Hour
	r.Verdict = diag.Verdict{Code: diag.ServerBehind, Summary: "the server's clock is 3 h 0 min behind: it expects the sequence of 05h",
		Fix: "on the server: timedatectl set-ntp true; until then apply skew -3h here", Change: hosts.Change{Skew: &skew}}
	r.Causes = []diag.Cause{
		{Code: diag.ServerBehind, Likelihood: 0.92, Evidence: []string{"the server's clock is off by -3:00:00, as http, smtp say", "this machine's clock is right, as NTP says", "the scan opened it with the hour 05h, and a handshake confirmed it"}},
		{Code: diag.RulesStale, Likelihood: 0.05, Evidence: []string{"the rules were not refreshed for 3 h: the http clock speaks against it", "the smtp clock does too"}},
		{Code: diag.ClientAhead, Likelihood: 0.03, Evidence: []string{"NTP speaks against it"}},
	}
	return r
}

// ahead is the verdict on a server whose clock is two hours ahead by one source, and
// off by decades by another.
func ahead(t *testing.T) diag.Report {
	r := behind(t)
	r.Clock = clocksOf(serverClock(clock.SourceHTTP, 2*time.Hour, 13*time.Millisecond), serverClock(clock.SourceHTTPS, 2*time.Hour, 20*time.Millisecond),
		serverClock(clock.SourceTime, -56*365*24*time.Hour, time.Second))
	r.Scan = scanOf(t, 2, func(h solve.Candidate) scan.CellState {
		if h.Offset == 2 && h.Range == knock.DefaultRange && h.Variant == solve.AsGiven {
			return scan.Hit
		}
		return scan.Waiting
	})
	r.Scan.Cells = slices.DeleteFunc(r.Scan.Cells, func(c scan.Cell) bool { return c.Offset == 1 })
	skew := 2 * time.Hour
	r.Verdict = diag.Verdict{Code: diag.ServerAhead, Summary: "the server's clock is 2 h 0 min ahead: it expects the sequence of 10h",
		Fix: "on the server: timedatectl set-ntp true; until then apply skew 2h here", Change: hosts.Change{Skew: &skew}}
	return r
}

// opens is the verdict on a server that has nothing wrong.
func opens(t *testing.T) diag.Report {
	r := running(t)
	r.Checks = reportOf(map[string]string{
		diag.CheckName: "ok 203.0.113.7 and 2001:db8::7 | 203.0.113.7, v6 too", diag.CheckBefore: "ok SSH is filtered without a knock | SSH is filtered", diag.CheckLocal: "skipped no NTP server is configured; --ntp HOST asks one | no NTP server named",
		diag.CheckServer: "ok the server's clock agrees with this machine's (+0.012 s)", diag.CheckHandshake: "ok knocks silent, SSH open | knocks silent, SSH open | silent, SSH open", diag.CheckRules: "skipped the server's rules were not given | not given",
		diag.CheckFamily: "skipped not needed: open", diag.CheckEgress: "skipped not needed: open", diag.CheckScan: "skipped not needed: open",
	}).Checks
	r.Scan, r.Clock = nil, clocksOf(serverClock(clock.SourceHTTPS, 12*time.Millisecond, 500*time.Millisecond))
	h := knocked(5, opened)
	r.Handshake = &h
	r.Verdict = diag.Verdict{Code: diag.Opens, Summary: "the handshake opens SSH as it should"}
	r.Causes = []diag.Cause{{Code: diag.Opens, Likelihood: 0.98, Evidence: []string{"SSH was filtered before the handshake, and open after it"}}}
	return r
}

// unexplained is the verdict where nothing opened the gate, not even future hours.
func unexplained(t *testing.T) diag.Report {
	r := running(t)
	r.Checks = append(r.Checks[:len(r.Checks)-1], diag.Check{ID: diag.CheckScan, Status: diag.Warn, Summary: "none of 406 candidates opens it"})
	r.Scan = scanOf(t, 26, func(solve.Candidate) scan.CellState { return scan.Tried })
	r.Verdict = diag.Verdict{Code: diag.Unexplained,
		Summary: "none of the hours, ranges and secret variants that were tried opens it: another secret, or the knocks do not arrive",
		Fix:     "compare the secret on both sides; on the server rapport watch, or tcpdump, shows whether the knocks arrive, and rapport inspect what the rules expect; its rules can be given here: --rules FILE"}
	r.Causes = []diag.Cause{{Code: diag.Unexplained, Likelihood: 0.6, Evidence: []string{"all knocks stay silent, as at a gate, and SSH is filtered", "missing: no source tells the server's clock"}},
		{Code: diag.KnocksBlocked, Likelihood: 0.2, Evidence: []string{"5 knocks silent, but so are ports outside the range: this looks like the server's own way"}}}
	return r
}

// otherRange is the verdict on a server with another range.
func otherRange(t *testing.T) diag.Report {
	r := running(t)
	there := portRange(t, "10000-10998")
	r.Checks = append(r.Checks[:len(r.Checks)-1], diag.Check{ID: diag.CheckScan, Status: diag.OK, Summary: "hour 2026-11-22-08, range 10000-10998, the secret as given opens it"})
	r.Scan = scanOf(t, 0, func(h solve.Candidate) scan.CellState {
		switch {
		case h.Range == there && h.Offset == 0 && h.Variant == solve.AsGiven:
			return scan.Hit
		case h.Offset > -12 && h.Range == knock.DefaultRange:
			return scan.Tried
		}
		return scan.Waiting
	})
	r.Verdict = diag.Verdict{Code: diag.RangeMismatch, Summary: "the server's range is 10000-10998, here it is 10000-10999", Fix: "apply range 10000-10998 here",
		Detail: diag.Detail{ServerRange: there}, Change: hosts.Change{Range: there}}
	r.Causes = []diag.Cause{{Code: diag.RangeMismatch, Likelihood: 0.95, Evidence: []string{"the scan opened it with the hour 08h, and a handshake confirmed it"}}}
	return r
}

// twoFaults is the verdict on a server with another range and a wrong clock, which no
// source reads.
func twoFaults(t *testing.T) diag.Report {
	r := otherRange(t)
	skew := -2 * time.Hour
	r.Verdict = diag.Verdict{Code: diag.HourBehind, Summary: "the server is at an earlier hour, -2 h: it expects the sequence of 06h; and " + r.Verdict.Summary,
		Fix:    "on the server: see whether its clock is right (date -u), and whether the rules are refreshed each hour; until then apply skew -2h here; " + r.Verdict.Fix,
		Change: hosts.Change{Skew: &skew, Range: r.Verdict.Change.Range}}
	r.Scan = scanOf(t, 0, func(h solve.Candidate) scan.CellState {
		switch {
		case h.Range == r.Verdict.Change.Range && h.Offset == -2 && h.Variant == solve.AsGiven:
			return scan.Hit
		case h.Offset < -2:
			return scan.Waiting
		}
		return scan.Tried
	})
	r.Checks[len(r.Checks)-1].Summary = "hour 2026-11-22-06, range 10000-10998, the secret as given opens it"
	r.Causes[0].Likelihood = 0.35
	r.Causes = append([]diag.Cause{{Code: diag.HourBehind, Likelihood: 0.6, Evidence: []string{"no source tells the server's clock"}}}, r.Causes...)
	r.Clock = clocksOf(unread(clock.ErrNoAnswer, clock.SourceHTTP, clock.SourceHTTPS, clock.SourceNTP, clock.SourceSMTP, clock.SourceDaytime, clock.SourceTime)...)
	return r
}

// unread are sources without a reading.
func unread(why error, names ...string) (all []clock.Reading) {
	for _, name := range names {
		all = append(all, clock.Reading{Name: name, Of: clock.Server, Err: why})
	}
	return all
}

// blocked is the verdict where a router rejects the knocks.
func blocked(t *testing.T) diag.Report {
	r := running(t)
	h := knocked(5, shut)
	r.Handshake, r.Scan = &h, nil
	r.Checks = append(r.Checks[:len(r.Checks)-1], diag.Check{ID: diag.CheckScan, Status: diag.Skipped, Summary: "not needed: knocks-blocked"})
	r.Verdict = diag.Verdict{Code: diag.KnocksBlocked, Summary: "the knocks are rejected before they reach the server: 192.0.2.1 answers them",
		Fix: "knock from another network, or have the range let through", Detail: diag.Detail{Ports: []uint16{10247, 10363, 10357, 10858, 10938}, Answer: knock.Unreachable}}
	r.Causes = []diag.Cause{{Code: diag.KnocksBlocked, Likelihood: 0.98, Evidence: []string{"5 knocks unreachable", "port 10247 first: 192.0.2.1 says so"}}}
	return r
}
