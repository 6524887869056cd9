package tui

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	tea "github.com/charmbracelet/bubbletea"

	"rapport/diag/clock"
	"rapport/knock"
	"rapport/knock/gate"
	"rapport/knock/solve"
)

// All of a long verdict can be read.
func TestDiagnoseSaysAllOfTheVerdict(t *testing.T) {
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
			m = tell(m, size)
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
		{append(unread(clock.ErrNoAnswer, all[2:6]...), unread(clock.ErrRefused, all[:2]...)...), 60, "no reading no answer: ntp, smtp, daytime, time +2"},
		{unread(errors.New("closed without an answer"), all...), 60, "no reading closed without an answer: http, https, ntp +4"},
	} {
		now := noon
		r := running(t)
		r.Evidence.Clock = clocksOf(tt.readings...)
		m := tell(newScreen(t, &now, nil), tea.WindowSizeMsg{Width: tt.width, Height: 30}, press("d"), snapshot(r))
		shows(t, m, tt.want)
	}
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
