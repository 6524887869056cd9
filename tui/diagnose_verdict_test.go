package tui

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"rapport/diag"
	"rapport/diag/clock"
	"rapport/knock"
	"rapport/knock/gate"
	"rapport/knock/solve"
	"rapport/tui/ui"
)

// All of a long verdict can be read.
func TestDiagnoseSaysAllOfTheVerdict(t *testing.T) {
	t.Parallel()
	now := noon
	for _, n := range []int{10, 40, 160} {
		var words []string
		for i := range n {
			words = append(words, fmt.Sprintf("word%03d", i))
		}
		r, change := unexplained(t), twoFaults(t).Verdict.Change
		own := solve.Candidate{Hour: knock.HourOf(noon), Range: knock.DefaultRange, Variant: solve.AsGiven}
		r.Evidence.Rules = &gate.Inspection{Gate: &gate.Gate{}, Solution: solve.Solution{Candidates: []solve.Candidate{own}}, Problems: []gate.Problem{{
			Severity: gate.SeverityError, Summary: strings.Join(words[:n/2], " "), Fix: strings.Join(words[n/2:], " "),
		}}}
		r = judge(r)
		r.Verdict.Change = change
		for _, size := range []tea.WindowSizeMsg{{Width: 60, Height: 16}, {Width: 80, Height: 24}, {Width: 120, Height: 40}} {
			m := tell(newScreen(t, &now, nil), append([]tea.Msg{size}, diagnosed(r)...)...)
			shows(t, m, "gate-differs, 78 %", "f apply skew -2h, range 10000-10998 and knock")
			fits(t, m)
			m = tell(m, size, tab)
			read := ""
			for range 100 {
				read += m.View()
				m = tell(m, tea.KeyMsg{Type: tea.KeyDown})
			}
			for _, w := range words {
				if !strings.Contains(read, w) {
					t.Fatalf("%s of %d cannot be read at %v:\n%s", w, n, size, m.View())
				}
			}
		}
	}
}

func TestDiagnoseNamesClocksWithoutAReading(t *testing.T) {
	all := []string{clock.SourceHTTP, clock.SourceHTTPS, clock.SourceNTP, clock.SourceSMTP, clock.SourceDaytime, clock.SourceTime, clock.SourceICMP}
	for _, tt := range []struct {
		readings []clock.Reading
		width    int
		want     string
	}{
		{unread(clock.ErrNoAnswer, all...), 80, "no answer http, https, ntp, smtp, daytime, time, icmp"},
		{unread(clock.ErrRefused, all[:2]...), 80, "refused http, https"},
		{append(unread(clock.ErrNoAnswer, all[2:6]...), unread(clock.ErrRefused, all[:2]...)...), 80, "no reading no answer: ntp, smtp, daytime, time; refused: http, https"},
		{append(unread(clock.ErrNoAnswer, all[2:6]...), unread(clock.ErrRefused, all[:2]...)...), 60, "no reading no answer: ntp, smtp, daytime, time; refused: http, https"},
		{unread(errors.New("closed without an answer"), all...), 60, "no reading closed without an answer: http, https, ntp, smtp, daytime, time, icmp"},
	} {
		now := noon
		r := running(t)
		r.Evidence.Clock = clocksOf(tt.readings...)
		m := tell(newScreen(t, &now, nil), tea.WindowSizeMsg{Width: tt.width, Height: 40}, press("d"), snapshot(r), tab)
		shows(t, m, tt.want)
		if picture := tell(m, tab).View(); len(tt.readings) > 6 && tt.width < 80 && !strings.Contains(picture, " +") {
			t.Errorf("the picture does not say how many more there are:\n%s", picture)
		}
	}
}

// A hit is said at once, with the seconds until it is confirmed.
func TestDiagnoseIsProvisionalAtOnce(t *testing.T) {
	now := noon
	m := tell(newScreen(t, &now, nil), tea.WindowSizeMsg{Width: 80, Height: 24}, press("d"), snapshot(running(t)), snapshot(confirming(t)))
	shows(t, m, "probably: the server's clock is 3 h 0 min behind", "05h opened it; confirming, 5 s")
	now = now.Add(2 * time.Second)
	shows(t, tell(m, ui.Beat(now)), "05h opened it; confirming, 3 s")
	// A hit that did not repeat leaves no guess.
	r := judge(running(t))
	if m = tell(m, snapshot(r)); r.Verdict.Code == "" || strings.Contains(m.View(), "probably") {
		t.Errorf("a guess of %s while the scan goes on:\n%s", r.Verdict.Code, m.View())
	}
	shows(t, m, "no verdict yet")
}

// Up and down choose a cause: its evidence shows, and the key that would settle it.
func TestDiagnoseShowsTheChosenCause(t *testing.T) {
	now := noon
	for _, size := range []tea.WindowSizeMsg{{Width: 80, Height: 24}, {Width: 120, Height: 40}} {
		m := tell(newScreen(t, &now, nil), append([]tea.Msg{size}, diagnosed(unexplained(t))...)...)
		shown := map[string]bool{}
		for range m.diagnose.Report.Causes {
			why := m.diagnose.Report.Why(m.diagnose.Report.Causes[len(shown)])[0]
			shows(t, m, "· "+strings.Join(strings.Fields(why)[:3], " "), "6 takes the server's rules")
			shown[m.View()] = true
			m = tell(m, down)
		}
		if len(shown) != len(m.diagnose.Report.Causes) {
			t.Errorf("%d views of %d causes", len(shown), len(m.diagnose.Report.Causes))
		}
	}
}

// The key that would tell the causes apart asks for the evidence that is missing.
func TestDiagnoseNamesTheKeyThatDecides(t *testing.T) {
	now := noon
	for name, tt := range map[string]struct {
		r    diag.Report
		want string
	}{
		"no rules":      {unexplained(t), "6 takes the server's rules"},
		"no NTP server": {ahead(t), "r decides it once ntp names a time server"},
		"certain":       {opens(t), ""},
	} {
		m := tell(newScreen(t, &now, nil), append([]tea.Msg{tea.WindowSizeMsg{Width: 200, Height: 50}}, diagnosed(tt.r)...)...)
		if shows(t, m, tt.want); tt.want == "" && strings.Contains(m.View(), "decide") {
			t.Errorf("%s: what is certain needs a decision:\n%s", name, m.View())
		}
	}
}

// The screen says how long the checks took, and until when an eavesdropper can use what
// was sent.
func TestDiagnoseTellsItsCosts(t *testing.T) {
	now := noon
	shown := func(r diag.Report, w, h int) *app {
		return tell(newScreen(t, &now, nil), append([]tea.Msg{tea.WindowSizeMsg{Width: w, Height: h}}, diagnosed(r)...)...)
	}
	shows(t, shown(behind(t), 80, 24), "8.0 s", "most: scan, 3.15 s", "an eavesdropper can use it until 09h")
	shows(t, shown(behind(t), 120, 40), "time spent", "handshake")
	shows(t, shown(unexplained(t), 80, 24), "an eavesdropper can use it until 11h") // 26 future hours were tried
}

// Other causes are ruled out only if the verdict is nearly certain.
func TestDiagnoseRulesOtherCausesOut(t *testing.T) {
	now := noon
	for likelihood, want := range map[float64]bool{0.98: true, 0.6: false} {
		r := opens(t)
		r.Causes[0].Likelihood = likelihood
		m := tell(newScreen(t, &now, nil), append([]tea.Msg{tea.WindowSizeMsg{Width: 120, Height: 40}}, diagnosed(r)...)...)
		if got := strings.Contains(m.View(), "none that the evidence allows"); got != want {
			t.Errorf("at %v other causes are ruled out: %v", likelihood, got)
		}
	}
}
