package tui

import (
	"strings"
	"testing"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"
	"github.com/muesli/termenv"

	"rapport/tui/ui"
)

// click presses the left button on the first cell of a text on the screen.
func click(t *testing.T, m *app, text string) *app {
	t.Helper()
	for y, line := range strings.Split(m.View(), "\n") {
		line = ansi.Strip(line)
		if i := strings.Index(line, text); i >= 0 {
			m, cmd := update(m, tea.MouseMsg{X: ansi.StringWidth(line[:i]), Y: y, Button: tea.MouseButtonLeft, Action: tea.MouseActionPress})
			return follow(t, m, cmd)
		}
	}
	t.Fatalf("there is no %q to click on:\n%s", text, m.View())
	return m
}

func wheel(m *app, b tea.MouseButton) *app {
	return tell(m, tea.MouseMsg{X: 1, Y: 5, Button: b, Action: tea.MouseActionPress})
}

// The mouse is off until M, and M says what it takes.
func TestMouseIsOffAtFirst(t *testing.T) {
	m, _ := onHosts(t, "[hosts.alpha]\nsecret = \"f00b4r\"\n[hosts.beta]\n")
	if m = click(t, m, "3 Sequences"); m.shown != m.knock {
		t.Fatal("a click counts without M")
	}
	m, cmd := update(m, press("M"))
	if cmd == nil || cmd() != tea.EnableMouseCellMotion() {
		t.Error("M does not ask the terminal for the mouse")
	}
	shows(t, m, "the mouse is on: it takes the terminal's own selection")
	m = click(t, m, "3 Sequences")
	if m.shown != m.sequences {
		t.Fatal("a click on a tab does nothing")
	}
	// The terminal forgets the mouse while ssh has it; its size comes with its return.
	if _, cmd := update(m, tea.WindowSizeMsg{Width: 120, Height: 40}); cmd == nil || cmd() != tea.EnableMouseCellMotion() {
		t.Error("the mouse is gone after ssh")
	}
	m, cmd = update(m, press("M"))
	if m = click(t, m, "2 Knock"); cmd() != tea.DisableMouse() || m.shown != m.sequences {
		t.Error("a second M does not turn the mouse off")
	}
}

func TestMouseOnTabsRowsAndKeys(t *testing.T) {
	m, _ := onHosts(t, "[hosts.alpha]\nsecret = \"f00b4r\"\n[hosts.beta]\nsecret = \"other\"\n")
	m.Config.Mouse = true
	m.Init()
	m = click(t, m, "1 Overview")
	m = click(t, m, "beta")
	shows(t, m, "> · beta")
	if m.shown != m.hosts {
		t.Fatal("a click on a row opens it at once")
	}
	m = wheel(m, tea.MouseButtonWheelUp)
	shows(t, m, "> · alpha")
	m = wheel(m, tea.MouseButtonWheelDown)
	m = click(t, m, "> · beta")
	if m.shown != m.knock || m.Host.Name != "beta" {
		t.Fatalf("a click on the chosen row does not open it:\n%s", m.View())
	}
	m = click(t, m, "10h") // an hour of the list of hours
	if m.shown != m.sequences || m.Offset != 2 {
		t.Fatalf("a click on an hour shows hour %d:\n%s", m.Offset, m.View())
	}
	m = click(t, m, "13h")
	if m.Offset != 5 {
		t.Errorf("a click on a row chooses hour %d", m.Offset)
	}
	if m = wheel(wheel(m, tea.MouseButtonWheelUp), tea.MouseButtonWheelUp); m.Offset != 3 {
		t.Errorf("the wheel chooses hour %d", m.Offset)
	}
	if m = click(t, m, "n now"); m.Offset != 0 {
		t.Error("a click in the key bar does nothing")
	}
}

// What lies over the screen takes the clicks.
func TestMouseUnderAnOverlay(t *testing.T) {
	m, _ := onHosts(t, "[hosts.alpha]\nsecret = \"f00b4r\"\n")
	m.useMouse(true)
	m = tell(m, press("?"), tea.WindowSizeMsg{Width: 60, Height: 16})
	if m = click(t, m, "34567"); m.shown != m.knock || !m.help {
		t.Error("a click goes through the help")
	}
	first := m.helpAt
	if m = wheel(m, tea.MouseButtonWheelDown); m.helpAt == first {
		t.Error("the wheel does not scroll the help")
	}
	if m = click(t, m, "esc back"); m.help {
		t.Error("a click in the key bar does not close the help")
	}
	m = tell(m, press("1"), press("a"), tea.WindowSizeMsg{Width: 80, Height: 24})
	if m = click(t, m, "2 Knock"); m.shown != m.hosts {
		t.Error("a click leaves a form that is not saved")
	}
}

// The marks of the mouse change no cell of any screen at any size.
func TestMouseLeavesTheScreens(t *testing.T) {
	for name, msgs := range shownScreens(t) {
		m := reach(styled(t, look{"", termenv.TrueColor, false}), msgs)
		for _, s := range sizes {
			m = tell(m, tea.WindowSizeMsg{Width: s.Width, Height: s.Height})
			m.Theme.Zones = nil
			plain := m.View()
			m.Theme.Zones = &ui.Zones{}
			if with := m.View(); with != plain {
				t.Errorf("%s at %v is drawn otherwise with the mouse:\n%q\n%q", name, s, plain, with)
			}
		}
	}
}
