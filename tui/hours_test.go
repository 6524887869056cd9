package tui

import (
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"rapport/diag/clock"
	"rapport/tui/ui"
)

// The clocks that disagree are named, and nobody says that there are none.
func TestClocksThatDisagreeAreNamed(t *testing.T) {
	m, _ := onHosts(t, "[hosts.alpha]\nsecret = \"f00b4r\"\n")
	m = tell(m, press("4"))
	job := m.clocks.Job
	r := clocksOf(serverClock(clock.SourceHTTP, -3*time.Hour, time.Second), serverClock(clock.SourceSMTP, time.Hour, time.Second))
	m = tell(m, ui.JobEvent{Job: job, Event: *r}, ui.JobDone{Job: job})
	shows(t, m, "http (-3:00:00) and smtp (+1:00:00) disagree")
	if strings.Contains(m.View(), "no source tells") {
		t.Errorf("it says that no source tells the time:\n%s", m.View())
	}
}

// Left and right move the supposed skew; what follows is said, and enter applies it.
func TestWhatIf(t *testing.T) {
	m, _ := onHosts(t, "[hosts.alpha]\nsecret = \"f00b4r\"\n")
	m = tell(m, press("4"))
	shows(t, m, "skew 0", "open at every minute")
	for range 20 {
		m = tell(m, tea.KeyMsg{Type: tea.KeyRight})
	}
	// From minute 40 the server is in the next hour; around the change both are knocked.
	shows(t, m, "skew +20m", "expects the sequence of 09h", "fail from minute 40:00 to 59:30 of each hour")
	m = tell(m, tea.KeyMsg{Type: tea.KeyShiftLeft})
	shows(t, m, "skew -40m", "expects the sequence of 08h", "fail from minute")
	m = tell(m, tea.KeyMsg{Type: tea.KeyShiftLeft}, enter)
	if m.Host.Skew != -100*time.Minute || m.Target.Skew != -100*time.Minute {
		t.Errorf("enter applies %v", m.Host.Skew)
	}
	shows(t, m, "skew -1h40m", "open at every minute")
}

// Any hour can be reached, and is copied in each form.
func TestSequencesOfAnyHour(t *testing.T) {
	var got string
	m, _ := onHosts(t, "[hosts.alpha]\naddress = \"192.0.2.1\"\nsecret = \"f00b4r\"\n")
	m.Config.Clipboard = func(s string) { got = s }
	m = tell(m, press("3"))
	for to, hour := range map[string]string{
		"2026-12-24 20": "2026-12-24-20", "+3h": "2026-11-22-11", "in 2 days": "2026-11-24-08", "-90 min": "2026-11-22-07", "23:59": "2026-11-22-23", "in 1 week": "2026-11-29-08",
	} {
		m = tell(m, press("g"), tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune(to)}, enter)
		shows(t, m, hour)
	}
	shows(t, tell(m, press("g"), tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("tomorrow")}, enter), "neither a date like 2026-12-24 20")
	m = tell(m, tea.KeyMsg{Type: tea.KeyEsc}, press("n"))
	for key, want := range map[string]string{
		"y": "10247 10363 10357 10858 10938",
		"Y": "for p in 10247 10363 10357 10858 10938; do nc -w1 -z 192.0.2.1 $p & sleep 0.1; done; wait",
	} {
		var cmd tea.Cmd
		m, cmd = update(m, press(key))
		if cmd(); !strings.HasPrefix(got, want) {
			t.Errorf("%s copies %q", key, got)
		}
	}
	shows(t, tell(m, press("r")), "for a phone", "█")
	m = tell(m, tea.KeyMsg{Type: tea.KeyEsc}, press("m"))
	if v := m.View(); strings.Contains(v, "10247") || strings.Contains(tell(m, press("r")).View(), "▀") {
		t.Errorf("masked ports show:\n%s", v)
	}
}
