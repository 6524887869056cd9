package tui

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"rapport/diag/check"
	"rapport/diag/clock"
	"rapport/knock/phrase"
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
	d := unexplained(t)
	d.Evidence.Clock = r
	d.Checks[3] = skipped(check.Server, check.ServerUntold, check.Args{Clock: r})
	m = tell(m, append([]tea.Msg{press("2")}, diagnosed(judge(d))...)...)
	for range 2 { // in panes, and in full
		shows(t, m, "disagree")
		if strings.Contains(m.View(), "no source tells") {
			t.Errorf("Diagnose says that no source tells the time:\n%s", m.View())
		}
		m = tell(m, tab)
	}
}

// read ends the reading of the clocks that is under way.
func read(t *testing.T, m *app, readings ...clock.Reading) *app {
	t.Helper()
	job := m.clocks.Job
	if job == nil {
		t.Fatalf("no reading is under way:\n%s", m.View())
	}
	return tell(m, ui.JobEvent{Job: job, Event: *clocksOf(readings...)}, ui.JobDone{Job: job})
}

// later sends the heartbeats of so long.
func later(m *app, now *time.Time, d time.Duration) *app {
	for end := now.Add(d); now.Before(end); {
		*now = now.Add(time.Second)
		m = tell(m, ui.Beat(*now))
	}
	return m
}

// onClocks returns the Clocks screen with a history at path.
func onClocks(t *testing.T, now *time.Time, history string) *app {
	t.Helper()
	m := newScreen(t, now, func(c *Config) { c.HistoryPath = history })
	return tell(m, tea.WindowSizeMsg{Width: 120, Height: 40}, press("4"))
}

// A source that answers is asked again at its pace, one that does not ever later, and what
// others said stays.
func TestClocksAreReadAtTheirOwnPace(t *testing.T) {
	now := noon
	m := read(t, onClocks(t, &now, ""), serverClock(clock.SourceHTTP, time.Second, time.Second), serverClock(clock.SourceICMP, time.Second, time.Second),
		clock.Reading{Name: clock.SourceSMTP, Of: clock.Server, Err: clock.ErrNoAnswer})
	if m = later(m, &now, 9*time.Second); m.clocks.Job != nil {
		t.Fatal("asked after 9 s")
	}
	m = later(m, &now, time.Second)
	m = read(t, m, serverClock(clock.SourceICMP, 2*time.Second, time.Second)) // asked after 10 s
	shows(t, m, "http ┊", "read again in 10 s")
	m = later(m, &now, 10*time.Second)
	m = read(t, m, serverClock(clock.SourceICMP, 2*time.Second, time.Second))
	shows(t, m, "http", "20 s ago")
	m = tell(m, press("p"))
	if m = later(m, &now, 5*time.Minute); m.clocks.Job != nil {
		t.Error("a paused screen asks")
	}
}

// The history of the offset goes over restarts, holds no name, and is that of one host.
func TestClocksKeepTheirHistory(t *testing.T) {
	now, history := noon, filepath.Join(t.TempDir(), "history.jsonl")
	for i := range 4 {
		m := onClocks(t, &now, history)
		m = read(t, m, serverClock(clock.SourceHTTP, time.Duration(i)*time.Minute, 100*time.Millisecond))
		shows(t, m, phrase.Plural(i+1, "reading"))
		now = now.Add(24 * time.Hour)
	}
	m := onClocks(t, &now, history)
	shows(t, m, "4 readings", "it drifts: +0:03:00 in 3 d 0 h 0 min, +0:01:00 a day")
	b, err := os.ReadFile(filepath.Join(filepath.Dir(history), "clocks.jsonl"))
	if err != nil || strings.Contains(string(b), "myserver") || strings.Contains(string(b), "203.0.113") {
		t.Errorf("%v, kept is\n%s", err, b)
	}
	other, _ := onHosts(t, "[hosts.other]\nsecret = \"f00b4r\"\n")
	other.Config.HistoryPath = history
	shows(t, tell(other, press("4")), "nothing read yet")
}

// A clock that was set is not one that drifts.
func TestClockThatWasSet(t *testing.T) {
	now, history := noon, filepath.Join(t.TempDir(), "history.jsonl")
	for _, offset := range []time.Duration{-3 * time.Hour, -3 * time.Hour, 0, 0} {
		m := read(t, onClocks(t, &now, history), serverClock(clock.SourceHTTP, offset, 100*time.Millisecond))
		if now = now.Add(time.Hour); offset == 0 {
			shows(t, m, "it was set by +3:00:00")
		}
	}
}

// A machine that slept, or whose clock was set back, reads all clocks anew.
func TestClocksAfterSleep(t *testing.T) {
	for gap, want := range map[time.Duration]string{2 * time.Hour: "this machine slept for 2 h 0 min", -time.Minute: "this machine's clock was set back by"} {
		now := noon
		m := read(t, onClocks(t, &now, ""), serverClock(clock.SourceHTTP, -time.Hour, time.Second))
		m = tell(m, ui.Beat(now))
		now = now.Add(gap)
		m = tell(m, ui.Beat(now))
		shows(t, m, want)
		if m.clocks.Job == nil || strings.Contains(m.View(), "within 1 s") {
			t.Errorf("after %v the old readings count:\n%s", gap, m.View())
		}
	}
}

// A skew near whole or half hours is a time zone that is kept as UTC.
func TestClocksSeeTimeZones(t *testing.T) {
	for offset, want := range map[time.Duration]string{
		5*time.Hour + 30*time.Minute + 2*time.Second: "+5h30m off, a half-hour zone", -7 * time.Hour: "-7h off, whole hours", 20 * time.Minute: "",
	} {
		now := noon
		m := read(t, onClocks(t, &now, ""), serverClock(clock.SourceHTTP, offset, time.Second))
		if shows(t, m, want); want == "" && strings.Contains(m.View(), "kept as UTC") {
			t.Errorf("%v is no zone:\n%s", offset, m.View())
		}
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
