package tui

import (
	"context"
	"reflect"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"rapport/knock"
	"rapport/tui/knocking"
	"rapport/tui/session"
	"rapport/tui/ui"
)

func TestKeysReadTogetherCountOneByOne(t *testing.T) {
	now := noon
	m := newScreen(t, &now, nil)
	m, cmd := update(m, press("xm?q"))
	a := m
	if !a.Masked || !a.help {
		t.Errorf("masked %v, help %v, want both", a.Masked, a.help)
	}
	if !quits(cmd) {
		t.Error("q at the end does not quit")
	}
}

// quits runs the commands of a tree that return at once, and reports whether one of
// them quits.
func quits(cmd tea.Cmd) bool {
	if cmd == nil {
		return false
	}
	found := make(chan bool, 1)
	go func() {
		switch msg := cmd().(type) {
		case tea.QuitMsg:
			found <- true
			return
		case nil:
		default:
			// tea.Batch's message is a slice of commands, of a type that is
			// not exported.
			if v := reflect.ValueOf(msg); v.Kind() == reflect.Slice {
				for i := range v.Len() {
					if c, ok := v.Index(i).Interface().(tea.Cmd); ok && quits(c) {
						found <- true
						return
					}
				}
			}
		}
		found <- false
	}()
	select {
	case f := <-found:
		return f
	case <-time.After(2 * time.Second):
		return false
	}
}

func TestPastedTextIsNoKeys(t *testing.T) {
	now := noon
	m := tell(newScreen(t, &now, nil), tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("mkq"), Paste: true})
	if a := m; a.Masked || a.Wire.Job != nil {
		t.Error("pasted text was taken for keys")
	}
}

// A second handshake cancels the first and waits until that has returned. Late events
// of the first change nothing.
func TestKnockingAgainNeverMixes(t *testing.T) {
	now := noon
	m := tell(newScreen(t, &now, nil), press("k"))
	first := m.Wire.Job
	if m = tell(m, press("k")); m.Wire.Job != first {
		t.Fatal("a second handshake started beside the first")
	}
	m = tell(m, jobOver{context.Canceled})
	if m.Wire.Job == nil || m.Wire.Job == first || m.knock.Stage != knocking.Knocking {
		t.Fatal("the second handshake did not start")
	}
	m = tell(m, ui.JobEvent{Job: first, Event: knock.Event{Kind: knock.Finished, Report: knocked(5, opened)}})
	if m.knock.Report != nil {
		t.Error("the first handshake's event reached the second")
	}
}

// A handshake that finds SSH open says so, unless an earlier handshake of this program
// opened it.
func TestKnockingIntoTheOwnWindow(t *testing.T) {
	now := noon
	size := tea.WindowSizeMsg{Width: 80, Height: 24}
	m := tell(newScreen(t, &now, nil), append([]tea.Msg{size}, over(nil, knocked(5, opened))...)...)
	now = noon.Add(1800 * time.Millisecond) // three seconds after the fifth knock
	m = tell(m, append([]tea.Msg{ui.Beat(now)}, again(now)...)...)
	shows(t, m, "SSH IS OPEN", "still open from the handshake 3 s ago", "shuts in 2.0 s")
	m = tell(m, press("k"), tea.KeyMsg{Type: tea.KeyEsc}, jobOver{context.Canceled})
	m = tell(m, again(now)...)
	shows(t, m, "still open from the handshake 3 s ago", "shuts in 2.0 s")
	if strings.Contains(m.View(), "nothing guards it") {
		t.Errorf("it cries out over its own window:\n%s", m.View())
	}
	now = noon.Add(4 * time.Second)
	m = tell(m, ui.Beat(now))
	shows(t, m, "WINDOW OVER")
	m = tell(m, again(now)...)
	shows(t, m, "still open from the handshake 2 s ago", "shuts in 2.8 s") // by the knocks into the window
	now = noon.Add(time.Minute)
	m = tell(tell(m, ui.Beat(now)), again(now)...)
	shows(t, m, "nothing guards it")
}

func TestEscCancelsAndDestroysNothing(t *testing.T) {
	now := noon
	m := tell(newScreen(t, &now, nil), over(nil, knocked(5, opened))...)
	m = tell(m, tea.WindowSizeMsg{Width: 80, Height: 24})
	before := m.View()
	if m = tell(m, tea.KeyMsg{Type: tea.KeyEsc}); m.View() != before {
		t.Errorf("esc changed the screen to:\n%s", m.View())
	}
	m = tell(m, press("k"), tea.KeyMsg{Type: tea.KeyEsc}, jobOver{context.Canceled})
	if a := m; a.Wire.Job != nil || !strings.Contains(m.View(), "cancelled") {
		t.Errorf("not cancelled:\n%s", m.View())
	}
}

// After sleep, the first message shows the right hour.
func TestTheHourFollowsTheClock(t *testing.T) {
	now := noon
	m := tell(newScreen(t, &now, nil), tea.WindowSizeMsg{Width: 80, Height: 24})
	now = now.Add(9 * time.Hour)
	m = tell(m, ui.Beat(now))
	if !strings.Contains(m.View(), "▶ 17h") {
		t.Errorf("nine hours later:\n%s", m.View())
	}
}

func TestMaskHidesEveryPort(t *testing.T) {
	now := noon
	m := tell(newScreen(t, &now, nil), tea.WindowSizeMsg{Width: 80, Height: 40}, press("m"))
	open := func(r *knock.Report) {
		opened(r)
		for i := range r.Attempts[0].Knocks {
			r.Attempts[0].Knocks[i].Answer = knock.Open
		}
	}
	m = tell(m, over(nil, knocked(5, open))...)
	for h := -1; h <= 1; h++ {
		for _, port := range m.Sequence(knock.HourOf(noon).Add(h)).Ports() {
			if p := fmtPort(port); strings.Contains(m.View(), p) {
				t.Errorf("port %s shows in:\n%s", p, m.View())
			}
		}
	}
}

func TestCopyGoesToTheClipboard(t *testing.T) {
	now, got := noon, ""
	m := newScreen(t, &now, func(c *Config) { c.Clipboard = func(s string) { got = s } })
	_, copies := update(m, press("y"))
	copies()
	if got != "10247 10363 10357 10858 10938" {
		t.Errorf("copied %q", got)
	}
}

func fmtPort(p uint16) string {
	s := session.Shared{}
	return s.Port(p)
}

// The scan of a diagnosis opens the gate: a fix that is applied at once finds it open, and
// nobody is told that nothing guards it.
func TestKnockingIntoTheWindowOfTheDiagnosis(t *testing.T) {
	now := noon
	m := tell(newScreen(t, &now, nil), tea.WindowSizeMsg{Width: 80, Height: 24})
	m = tell(m, diagnosed(behind(t))...)
	now = now.Add(2 * time.Second)
	m = tell(m, append([]tea.Msg{press("2")}, again(now)...)...)
	shows(t, m, "still open from the diagnosis 2 s ago", "shuts in 3.0 s")
	wide := tell(m, tea.WindowSizeMsg{Width: 120, Height: 40})
	shows(t, wide, "open from the diagnosis 2 s ago: it needed no knock")
	if strings.Contains(wide.View(), "without a knock") || m.History[0].Took != 0 {
		t.Errorf("the banner took %v ms:\n%s", m.History[0].Took, wide.View())
	}
	m = tell(m, tea.WindowSizeMsg{Width: 80, Height: 24})
	now = now.Add(time.Minute)
	m = tell(tell(m, ui.Beat(now)), again(now)...)
	shows(t, m, "nothing guards it")
}
