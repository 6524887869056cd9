package tui

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"

	"rapport/diag"
	"rapport/knock"
	"rapport/knock/gate"
	"rapport/knock/hosts"
)

// snapshot is the event of a diagnosis that has come so far.
func snapshot(r diag.Report) tea.Msg {
	var s snapshots
	s.put(r)
	return jobEvent{number: 2, event: examined{&s}}
}

// diagnosed makes the messages of a diagnosis that is over.
func diagnosed(r diag.Report) []tea.Msg {
	r.Done = true
	return []tea.Msg{press("d"), jobEvent{number: 2, event: listed(true)}, snapshot(r), jobDone{number: 2}}
}

// scanOf is a scan of the default range; state says how far each hypothesis
// came.
func scanOf(t *testing.T, future int, state func(diag.Hypothesis) diag.CellState) *diag.ScanReport {
	t.Helper()
	secret, err := knock.ParseSecret("f00b4r")
	if err != nil {
		t.Fatal(err)
	}
	r := diag.ScanReport{Schema: 1, Confirmed: true,
		Announce: "trying 198 hypotheses: 27 hours, 7 ranges, from 2026-11-21-06 to 2026-11-22-08; past hours tell an onlooker nothing that opens the gate later"}
	for _, h := range diag.Hypotheses(noon, knock.Target{Range: knock.DefaultRange, Secret: secret}, 26, future, nil, nil) {
		c := diag.Cell{Hypothesis: h, State: state(h)}
		if c.State == diag.Hit {
			r.Opened = &h
		}
		r.Cells = append(r.Cells, c)
	}
	r.Hypotheses = len(r.Cells)
	return &r
}

// examination is a report whose checks say what the map has for them.
func examination(checks map[string]string) diag.Report {
	r := diag.Report{Schema: 1, Host: "myserver", Address: "203.0.113.7", At: noon.Add(-8 * time.Second), Elapsed: knock.Millis(8 * time.Second)}
	for _, id := range checkIDs() {
		if s, ok := checks[id]; ok {
			status, summary, _ := strings.Cut(s, " ")
			r.Checks = append(r.Checks, diag.Check{ID: id, Status: diag.Status(status), Summary: summary})
		}
	}
	return r
}

func clocksOf(readings ...diag.Reading) *diag.ClockReport {
	r := diag.ClockReport{Schema: 1, Local: diag.LocalClock{Time: noon}}
	for _, reading := range readings {
		r.Add(reading)
	}
	return &r
}

func serverClock(name string, offset, uncertainty time.Duration) diag.Reading {
	return diag.Reading{Name: name, Of: diag.Server, Offset: offset, Uncertainty: uncertainty}
}

// running is a diagnosis in the middle of its scan.
func running(t *testing.T) diag.Report {
	r := examination(map[string]string{
		diag.CheckName: "ok 203.0.113.7", diag.CheckBefore: "ok SSH is filtered without a knock", diag.CheckLocal: "ok right to 0.004 s, as NTP says",
		diag.CheckServer: "skipped no source tells it", diag.CheckHandshake: "fail knocks silent, SSH filtered, after 3 attempts",
		diag.CheckFamily: "skipped there is no address of the other family to compare with",
		diag.CheckEgress: "skipped no knock was rejected", diag.CheckScan: "running 24 of 198 hypotheses tried",
	})
	r.Clock = clocksOf(diag.Reading{Name: "ntp time.example.org", Of: diag.Local, Offset: 3 * time.Millisecond, Uncertainty: time.Millisecond},
		diag.Reading{Name: diag.SourceHTTP, Of: diag.Server, Err: diag.ErrNoAnswer}, diag.Reading{Name: diag.SourceNTP, Of: diag.Server, Err: diag.ErrNoAnswer})
	n := 0
	r.Scan = scanOf(t, 0, func(diag.Hypothesis) diag.CellState {
		if n++; n <= 24 {
			return diag.Tried
		}
		return diag.Waiting
	})
	r.Scan.Opened = nil
	return r
}

// behind is the verdict on a server whose clock is three hours behind.
func behind(t *testing.T) diag.Report {
	r := examination(map[string]string{
		diag.CheckName: "ok 203.0.113.7", diag.CheckRules: "skipped the server's rules were not given",
		diag.CheckBefore: "ok SSH is filtered without a knock, after 38.1 ms", diag.CheckLocal: "ok right to 0.004 s, as NTP says",
		diag.CheckServer:    "warn the server is 3 h 0 min behind: it expects the sequence of 05h",
		diag.CheckHandshake: "fail knocks silent, SSH filtered, after 3 attempts", diag.CheckFamily: "skipped there is no address of the other family to compare with",
		diag.CheckEgress: "skipped no knock was rejected", diag.CheckScan: "ok hour 2026-11-22-05, range 10000-10999, the secret as given opens it",
	})
	r.Clock = clocksOf(diag.Reading{Name: "ntp time.example.org", Of: diag.Local, Offset: 3 * time.Millisecond, Uncertainty: time.Millisecond},
		serverClock(diag.SourceHTTP, -3*time.Hour, 13*time.Millisecond), serverClock(diag.SourceSMTP, -3*time.Hour, 505*time.Millisecond),
		serverClock(diag.SourceDaytime, 40*time.Minute, time.Second), diag.Reading{Name: diag.SourceNTP, Of: diag.Server, Err: diag.ErrNoAnswer},
		diag.NewReading(diag.SourceKnock, diag.Server, diag.FromKnock(noon, -3)))
	r.Scan = scanOf(t, 0, func(h diag.Hypothesis) diag.CellState {
		switch {
		case h.Range != knock.DefaultRange || h.Variant != gate.AsGiven || h.Offset < -3:
			return diag.Waiting
		case h.Offset == -3:
			return diag.Hit
		}
		return diag.Tried
	})
	skew := -3 * time.Hour
	r.Verdict = diag.Verdict{Code: diag.ServerBehind, Summary: "the server's clock is 3 h 0 min behind: it expects the sequence of 05h",
		Fix: "on the server: timedatectl set-ntp true; until then take skew -3h over", Change: diag.Change{Skew: &skew}}
	r.Causes = []diag.Cause{
		{Code: diag.ServerBehind, Likelihood: 0.92, Evidence: []string{"the server's clock is off by -3:00:00, as http, smtp say", "this machine's clock is right, as NTP says", "the scan opened it with the hour 05h, and a handshake confirmed it"}},
		{Code: diag.RulesStale, Likelihood: 0.05, Evidence: []string{"the rules were not refreshed for 3 h: the http clock speaks against it", "the smtp clock does too"}},
		{Code: diag.ClientAhead, Likelihood: 0.03, Evidence: []string{"NTP speaks against it"}},
	}
	return r
}

// ahead is the verdict on a server whose clock told that it is two hours ahead,
// with one more that is off by decades.
func ahead(t *testing.T) diag.Report {
	r := behind(t)
	r.Clock = clocksOf(serverClock(diag.SourceHTTP, 2*time.Hour, 13*time.Millisecond), serverClock(diag.SourceHTTPS, 2*time.Hour, 20*time.Millisecond),
		serverClock(diag.SourceTime, -56*365*24*time.Hour, time.Second))
	r.Scan = scanOf(t, 2, func(h diag.Hypothesis) diag.CellState {
		if h.Offset == 2 && h.Range == knock.DefaultRange && h.Variant == gate.AsGiven {
			return diag.Hit
		}
		return diag.Waiting
	})
	r.Scan.Cells = slices.DeleteFunc(r.Scan.Cells, func(c diag.Cell) bool { return c.Offset == 1 })
	skew := 2 * time.Hour
	r.Verdict = diag.Verdict{Code: diag.ServerAhead, Summary: "the server's clock is 2 h 0 min ahead: it expects the sequence of 10h",
		Fix: "on the server: timedatectl set-ntp true; until then take skew 2h over", Change: diag.Change{Skew: &skew}}
	return r
}

// opens is the verdict on a server that has nothing wrong.
func opens(t *testing.T) diag.Report {
	r := running(t)
	r.Checks = examination(map[string]string{
		diag.CheckName: "ok 203.0.113.7 and 2001:db8::7", diag.CheckBefore: "ok SSH is filtered without a knock", diag.CheckLocal: "skipped no NTP server is configured; --ntp HOST asks one",
		diag.CheckServer: "ok the server's clock agrees with this machine's (+0.012 s)", diag.CheckHandshake: "ok knocks silent, SSH open", diag.CheckRules: "skipped the server's rules were not given",
		diag.CheckFamily: "skipped not needed: open", diag.CheckEgress: "skipped not needed: open", diag.CheckScan: "skipped not needed: open",
	}).Checks
	r.Scan, r.Clock = nil, clocksOf(serverClock(diag.SourceHTTPS, 12*time.Millisecond, 500*time.Millisecond))
	h := knocked(5, opened)
	r.Handshake = &h
	r.Verdict = diag.Verdict{Code: diag.Opens, Summary: "the handshake opens SSH as it should"}
	r.Causes = []diag.Cause{{Code: diag.Opens, Likelihood: 0.98, Evidence: []string{"SSH was filtered before the handshake, and open after it"}}}
	return r
}

// unexplained is the verdict where nothing opened the gate, not even with hours
// to come.
func unexplained(t *testing.T) diag.Report {
	r := running(t)
	r.Checks = append(r.Checks[:len(r.Checks)-1], diag.Check{ID: diag.CheckScan, Status: diag.Warn, Summary: "none of 406 hypotheses opens it"})
	r.Scan = scanOf(t, 26, func(diag.Hypothesis) diag.CellState { return diag.Tried })
	r.Verdict = diag.Verdict{Code: diag.Unexplained,
		Summary: "none of the hours, ranges and forms of the secret that were tried opens it: another secret, or the knocks do not arrive",
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
	r.Scan = scanOf(t, 0, func(h diag.Hypothesis) diag.CellState {
		switch {
		case h.Range == there && h.Offset == 0 && h.Variant == gate.AsGiven:
			return diag.Hit
		case h.Offset > -12 && h.Range == knock.DefaultRange:
			return diag.Tried
		}
		return diag.Waiting
	})
	r.Verdict = diag.Verdict{Code: diag.RangeMismatch, Summary: "the server's range is 10000-10998, here it is 10000-10999", Fix: "take range 10000-10998 over",
		Detail: diag.Detail{ServerRange: there}, Change: diag.Change{Range: there}}
	r.Causes = []diag.Cause{{Code: diag.RangeMismatch, Likelihood: 0.95, Evidence: []string{"the scan opened it with the hour 08h, and a handshake confirmed it"}}}
	return r
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

func TestDiagnoseGoldenScreens(t *testing.T) {
	tab := tea.KeyMsg{Type: tea.KeyTab}
	for _, tt := range []struct {
		name  string
		msgs  []tea.Msg
		ascii bool
		sizes []string
	}{
		{name: "begun", msgs: []tea.Msg{press("d")}, sizes: []string{"80x24"}},
		{name: "running", msgs: []tea.Msg{press("d"), snapshot(running(t))}, sizes: []string{"60x16", "80x24", "120x40"}},
		{name: "behind", msgs: diagnosed(behind(t)), sizes: []string{"60x16", "80x24", "120x40"}},
		{name: "behind-tab", msgs: append(diagnosed(behind(t)), tea.WindowSizeMsg{Width: 60, Height: 16}, tab), sizes: []string{"60x16"}},
		{name: "behind-tabs", msgs: append(diagnosed(behind(t)), tea.WindowSizeMsg{Width: 60, Height: 16}, tab, tab, tab), sizes: []string{"60x16"}},
		{name: "behind-ascii", msgs: diagnosed(behind(t)), ascii: true, sizes: []string{"80x24"}},
		{name: "open", msgs: diagnosed(opens(t)), sizes: []string{"80x24"}},
		{name: "unexplained", msgs: append([]tea.Msg{press("d"), press("F"), press("y"), jobDone{2, context.Canceled}}, renumbered(3, diagnosed(unexplained(t))[1:])...), sizes: []string{"60x16", "80x24", "120x40"}},
		{name: "ahead", msgs: diagnosed(ahead(t)), sizes: []string{"60x16", "80x24"}},
		{name: "range", msgs: diagnosed(otherRange(t)), sizes: []string{"80x24"}},
		{name: "masked", msgs: append(diagnosed(blocked(t)), press("m")), sizes: []string{"120x40"}},
		{name: "asking", msgs: append(diagnosed(unexplained(t)), press("F")), sizes: []string{"60x16", "80x24"}},
		{name: "cancelled", msgs: []tea.Msg{press("d"), snapshot(running(t)), tea.KeyMsg{Type: tea.KeyEsc}, jobDone{2, context.Canceled}}, sizes: []string{"80x24"}},
		{name: "failed", msgs: []tea.Msg{press("d"), snapshot(running(t)), jobDone{2, fmt.Errorf("%w: too many open files", knock.ErrSend)}}, sizes: []string{"80x24"}},
		{name: "help", msgs: []tea.Msg{press("d"), press("?")}, sizes: []string{"60x16"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			now := noon
			m := newScreen(t, &now, func(c *Config) { c.ASCII = tt.ascii })
			m = tell(m, tt.msgs...)
			now = now.Add(7 * time.Second)
			for _, size := range tt.sizes {
				var msg tea.WindowSizeMsg
				if _, err := fmt.Sscanf(size, "%dx%d", &msg.Width, &msg.Height); err != nil {
					t.Fatal(err)
				}
				golden(t, "diagnose-"+tt.name+"-"+size, tell(m, msg).View())
			}
			fits(t, m)
		})
	}
}

// renumbered makes the messages of a job those of another.
func renumbered(number int, msgs []tea.Msg) (out []tea.Msg) {
	for _, msg := range msgs {
		switch msg := msg.(type) {
		case jobEvent:
			msg.number = number
			out = append(out, msg)
		case jobDone:
			msg.number = number
			out = append(out, msg)
		}
	}
	return out
}

// Rows have their places from the start.
func TestDiagnoseNothingJumps(t *testing.T) {
	now := noon
	named := regexp.MustCompile(`(?m)^ (clocks|hour|local|hours|ranges) |[✓✗!>·-] (name|server clock|handshake|scan) `)
	places := func(m tea.Model) (all []string) {
		for n, l := range strings.Split(m.View(), "\n") {
			for _, word := range named.FindAllStringSubmatch(l, -1) {
				all = append(all, fmt.Sprint(n, word[1], word[2]))
			}
		}
		return all
	}
	for _, size := range []tea.WindowSizeMsg{{Width: 80, Height: 24}, {Width: 120, Height: 40}} {
		m := tell(newScreen(t, &now, nil), size, press("d"))
		first := fmt.Sprint(places(m))
		if len(places(m)) != 9 {
			t.Fatalf("rows are missing:\n%s", m.View())
		}
		m = tell(m, snapshot(running(t)))
		second := fmt.Sprint(places(m))
		m = tell(m, diagnosed(behind(t))[1:]...)
		if third := fmt.Sprint(places(m)); strings.Join([]string{first, first}, "\n") != strings.Join([]string{second, third}, "\n") {
			t.Errorf("at %v the rows were at\n%s\n%s\n%s", size, first, second, third)
		}
	}
}

// Nothing is cut off at the right but what is cut on purpose.
func TestDiagnoseFitsTheWidth(t *testing.T) {
	now := noon
	for _, r := range []diag.Report{running(t), behind(t), opens(t), unexplained(t), otherRange(t), blocked(t), ahead(t)} {
		m := tell(newScreen(t, &now, nil), diagnosed(r)...)
		for w := minWidth; w < 140; w++ {
			m = tell(m, tea.WindowSizeMsg{Width: w, Height: 16 + w%30})
			panes, _ := m.(app).diagnosePanes()
			for _, l := range panes {
				if ansi.StringWidth(l) > w {
					t.Fatalf("%d cells of %d: %q", ansi.StringWidth(l), w, l)
				}
			}
		}
	}
}

func TestDiagnoseCancels(t *testing.T) {
	now := noon
	m := tell(newScreen(t, &now, nil), tea.WindowSizeMsg{Width: 80, Height: 24}, press("d"), snapshot(running(t)))
	shows(t, m, "no verdict yet", "scan: 24 of 198 hypotheses tried", "esc cancel")
	m = tell(m, tea.KeyMsg{Type: tea.KeyEsc}, snapshot(behind(t)))
	shows(t, m, "cancelled, no verdict")
	if m.(app).mode != onDiagnose {
		t.Fatal("esc left the screen before the run was over")
	}
	m = tell(m, jobDone{2, context.Canceled})
	shows(t, m, "cancelled, no verdict", "- scan ended early", "esc back")
	m = tell(m, tea.KeyMsg{Type: tea.KeyEsc})
	if a := m.(app); a.mode != onKnock || a.job != nil || a.screen.failure != "" {
		t.Errorf("back on the Knock screen:\n%s", m.View())
	}
}

// A diagnosis and a handshake never mix on the wire.
func TestDiagnoseWaitsForTheHandshake(t *testing.T) {
	now := noon
	m := tell(newScreen(t, &now, nil), tea.WindowSizeMsg{Width: 80, Height: 24}, press("k"), press("d"))
	first := m.(app).job.number
	shows(t, m, "no verdict yet beginning")
	m = tell(m, jobDone{first, context.Canceled})
	if a := m.(app); a.job == nil || a.job.number == first || a.screen.stage != diagnosing {
		t.Fatal("the diagnosis did not begin")
	}
	shows(t, m, "no verdict yet")
	// Run again: the first run ends first, and nothing of it counts.
	second := m.(app).job.number
	m = tell(m, press("r"), renumbered(second, []tea.Msg{snapshot(behind(t))})[0])
	if strings.Contains(m.View(), "3 h 0 min") {
		t.Errorf("a cancelled run's report shows:\n%s", m.View())
	}
	m = tell(m, jobDone{second, context.Canceled})
	shows(t, m, "no verdict yet")
	if m.(app).job.number == second {
		t.Error("it does not run again")
	}
}

func TestDiagnoseAsksBeforeHoursToCome(t *testing.T) {
	now := noon
	m := tell(newScreen(t, &now, nil), append([]tea.Msg{tea.WindowSizeMsg{Width: 80, Height: 24}}, diagnosed(behind(t))...)...)
	for _, other := range []tea.Msg{press("n"), press("q"), enter, tea.KeyMsg{Type: tea.KeyEsc}, press("?")} {
		m = tell(m, press("F"))
		shows(t, m, "an onlooker who keeps the knocks can open the gate in those hours when they come, 26 of them, until 2026-11-23-10", "y try them")
		var cmd tea.Cmd
		m, cmd = m.Update(other)
		if a := m.(app); quits(cmd) || a.job != nil || a.help || a.mode != onDiagnose {
			t.Fatalf("%v was taken for more than a no:\n%s", other, m.View())
		}
		shows(t, m, "3 h 0 min behind", "future not tried")
	}
	m = tell(m, press("F"), press("y"))
	if m.(app).job == nil {
		t.Fatal("y does not begin")
	}
	shows(t, m, "no verdict yet", "+26h")
	// Consent is for one run.
	m = tell(m, jobDone{m.(app).job.number, nil}, press("r"))
	shows(t, m, "future not tried (F to try)")
}

func TestDiagnoseFixesOnlyWhatItCan(t *testing.T) {
	now := noon
	m := tell(newScreen(t, &now, nil), append([]tea.Msg{tea.WindowSizeMsg{Width: 80, Height: 24}}, diagnosed(unexplained(t))...)...)
	if m = tell(m, press("f")); m.(app).mode != onDiagnose || m.(app).job != nil || strings.Contains(m.View(), "f fix") {
		t.Errorf("f did something:\n%s", m.View())
	}
	m = tell(newScreen(t, &now, nil), append([]tea.Msg{tea.WindowSizeMsg{Width: 80, Height: 24}}, diagnosed(behind(t))...)...)
	shows(t, m, "f take skew -3h over and knock (here and in the hosts file)", "f fix")
	v6 := behind(t)
	v6.Verdict.Change = diag.Change{Family: knock.Family6}
	m = tell(newScreen(t, &now, nil), append([]tea.Msg{tea.WindowSizeMsg{Width: 80, Height: 24}}, diagnosed(v6)...)...)
	shows(t, m, "f take IPv6 over and knock")
	m = tell(m, press("f"))
	if a := m.(app); a.mode != onKnock || a.screen.stage != knocking || a.screen.host.Family != knock.Family6 || a.screen.target.Addr.Addr().IsValid() {
		t.Errorf("after f:\n%s", m.View())
	}
}

func TestDiagnoseCopiesTheReport(t *testing.T) {
	now, got := noon, ""
	m := newScreen(t, &now, func(c *Config) { c.clipboard = func(s string) { got = s } })
	m, cmd := tell(m, append([]tea.Msg{tea.WindowSizeMsg{Width: 80, Height: 24}}, diagnosed(blocked(t))...)...).Update(press("y"))
	quits(cmd) // runs it
	if !strings.Contains(got, "knocks-blocked") || strings.Contains(got, "f00b4r") {
		t.Errorf("copied %q", got)
	}
	shows(t, m, "report in the clipboard")
}

// A server whose range is another: the diagnosis finds it, f writes it into the
// hosts file, and the handshake after it opens SSH.
func TestDiagnoseFixesAServer(t *testing.T) {
	secret, err := knock.ParseSecret("f00b4r")
	if err != nil {
		t.Fatal(err)
	}
	there := portRange(t, "10000-10998")
	g, err := gate.Start(t.Context(), gate.Config{Secret: secret, Window: time.Second, Faults: gate.Faults{Range: there}})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	path := filepath.Join(t.TempDir(), "hosts.toml")
	file := fmt.Sprintf("# mine\n[hosts.myserver]\naddress = %q\nssh_port = %d\nwindow = \"1s\"\n", g.SSHAddr().Addr(), g.SSHAddr().Port())
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	now := noon
	m := newScreen(t, &now, func(c *Config) {
		c.Client, c.HostsPath, c.Options.Gaps = &knock.Client{}, path, []time.Duration{10 * time.Millisecond}
		f, err := hosts.Load(path)
		if err != nil {
			t.Fatal(err)
		}
		h, ok := f.Host("myserver")
		if !ok {
			t.Fatal(errors.New("no such host"))
		}
		c.Host = &h
	})
	m = tell(m, tea.WindowSizeMsg{Width: 80, Height: 24})
	m = play(t, m, press("d"), func(a app) bool { return a.diagnose.report.Done && a.job == nil })
	shows(t, m, "range-mismatch", "f take range 10000-10998 over and knock (here and in the hosts file)")
	time.Sleep(1200 * time.Millisecond) // the scan's window
	m = play(t, m, press("f"), func(a app) bool { return a.job == nil && strings.Contains(a.View(), "written to") })
	shows(t, m, "SSH IS OPEN", "range 10000-10998")
	if got, _ := os.ReadFile(path); string(got) != file+"range = \"10000-10998\"\n" {
		t.Errorf("the hosts file is now\n%s", got)
	}
}

// play tells a model a message and everything that comes of it until done.
func play(t *testing.T, m tea.Model, msg tea.Msg, done func(app) bool) tea.Model {
	t.Helper()
	said, stop := make(chan tea.Msg), make(chan struct{})
	defer close(stop)
	var run func(tea.Cmd)
	run = func(cmd tea.Cmd) {
		if cmd == nil {
			return
		}
		go func() {
			msg := cmd()
			if batch, ok := msg.(tea.BatchMsg); ok {
				for _, c := range batch {
					run(c)
				}
				return
			}
			select {
			case said <- msg:
			case <-stop:
			}
		}()
	}
	for limit := time.After(time.Minute); ; {
		var cmd tea.Cmd
		m, cmd = m.Update(msg)
		run(cmd)
		if done(m.(app)) {
			return m
		}
		select {
		case msg = <-said:
		case <-limit:
			t.Fatalf("it does not come to its end:\n%s", m.View())
		}
	}
}
