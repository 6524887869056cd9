package tui

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/x/ansi"
	"github.com/muesli/termenv"

	"rapport/diag/clock"
	"rapport/knock"
	"rapport/knock/hosts"
	"rapport/knock/hosts/history"
	"rapport/tui/ui"
)

// sizes are those that each screen is designed for.
var sizes = []ui.Size{{Width: 40, Height: 8}, {Width: 60, Height: 16}, {Width: 80, Height: 24}, {Width: 120, Height: 40}, {Width: 200, Height: 50}}

// pastOf makes a history of n handshakes, of which every twelfth stayed shut.
func pastOf(h hosts.Host, n int) (all []history.Handshake) {
	for i := range n {
		one := history.Handshake{Host: h.Identity(), At: noon.Add(-time.Duration(n-i) * 5 * time.Hour), Opened: i%12 != 7, Attempts: 1, State: knock.SSHOpen}
		if one.Took = float64(13 + i*7%9); i%17 == 3 {
			one.Took *= 3
		}
		if !one.Opened {
			one.Took, one.State = 0, knock.SSHFiltered
		}
		all = append(all, one)
	}
	return all
}

// shownScreens are the screens in states that a user meets.
func shownScreens(t testing.TB) map[string][]tea.Msg {
	right := tea.KeyMsg{Type: tea.KeyShiftLeft}
	return map[string][]tea.Msg{
		"overview":  {press("1")},
		"fleet":     fleet(t),
		"knock":     over(nil, knocked(5, opened)),
		"shut":      over(nil, knocked(5, shut)),
		"sequences": {press("3"), tea.KeyMsg{Type: tea.KeyDown}, tea.KeyMsg{Type: tea.KeyDown}},
		"clocks":    {press("4"), clocksRead(), right, right, right, tea.KeyMsg{Type: tea.KeyRight}},
		"diagnose":  diagnosed(behind(t)),
		"running":   {press("d"), snapshot(running(t))},
		"rules":     {press("6")},
		"form":      {press("1"), press("a")},
		"qr":        {press("3"), press("r")},
		"log":       eventful(t),
		"help":      {press("?")},
		"palette":   {press(":"), press("co")},
	}
}

// eventful is the log of a run with a handshake that stays shut, its diagnosis, and one
// that opens SSH.
func eventful(t testing.TB) []tea.Msg {
	all := append(over(nil, knocked(5, shut)), diagnosed(behind(t))...)
	all = append(all, press("f"), fromJob{knock.Event{Kind: knock.Finished, Report: knocked(5, opened)}}, jobOver{})
	return append(all, press("7"))
}

// fleet is the Overview with a diagnosis, a handshake under way, and two that are marked.
func fleet(t testing.TB) []tea.Msg {
	all := append(append(diagnosed(behind(t)), press("2")), events(knock.KnockSent, knocked(3, nil))...)
	return append(all, press("1"), press(" "), press(" "))
}

// clocksRead is the end of a reading of the clocks.
func clocksRead() tea.Msg {
	r := clocksOf(
		clock.NewReading(clock.SourceHTTP, clock.Server, clock.Interval{Low: -3*time.Hour - 500*time.Millisecond, High: -3*time.Hour + 500*time.Millisecond}),
		clock.NewReading(clock.SourceSMTP, clock.Server, clock.Interval{Low: -3*time.Hour - time.Second, High: -3 * time.Hour}),
		clock.Reading{Name: clock.SourceNTP, Of: clock.Server, Err: clock.ErrNoAnswer},
	)
	return clockReport{*r}
}

// clockReport is the result of a reading of the clocks.
type clockReport struct{ report clock.Report }

// look is how a screen is drawn.
type look struct {
	suffix  string
	profile termenv.Profile
	ascii   bool
}

var looks = []look{{"txt", termenv.Ascii, false}, {"ansi", termenv.TrueColor, false}, {"ascii", termenv.Ascii, true}}

// styled returns the screens on a server, drawn with a look.
func styled(t testing.TB, l look) *app {
	t.Helper()
	now := noon
	dir := t.TempDir()
	path := filepath.Join(dir, "hosts.toml")
	if err := os.WriteFile(path, []byte("[hosts.myserver]\naddress = \"203.0.113.7\"\ntags = [\"web\", \"home\"]\n[hosts.attic]\ntags = [\"home\"]\n[hosts.backup]\naddress = \"backup.example.net\"\nskew = \"-3h\"\n[hosts.lab]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	m := newScreen(t, &now, func(c *Config) {
		c.ASCII, c.NoMotion, c.Zone = l.ascii, true, time.FixedZone("CET", 3600)
		c.HostsPath = path
		c.Host.Address = "203.0.113.7"
	})
	r := lipgloss.NewRenderer(io.Discard)
	r.SetColorProfile(l.profile)
	m.Theme = ui.NewTheme(r, l.ascii, ui.Dark)
	m.History = pastOf(m.Host, 50)
	return m
}

// reach sends messages; a clockReport goes to the job of the Clocks screen.
func reach(m *app, msgs []tea.Msg) *app {
	for _, msg := range msgs {
		if r, ok := msg.(clockReport); ok {
			job := m.clocks.Job
			msg = ui.JobEvent{Job: job, Event: r.report}
			m = tell(m, msg, ui.JobDone{Job: job})
			continue
		}
		m = tell(m, msg)
	}
	return m
}

// Every screen at every size it is designed for: without colours, in colours, and in
// ASCII.
func TestScreensAtEverySize(t *testing.T) {
	for _, l := range looks {
		for name, msgs := range shownScreens(t) {
			t.Run(name+"."+l.suffix, func(t *testing.T) {
				m := reach(styled(t, l), msgs)
				m.Config.HostsPath = "~/.config/rapport/hosts.toml"
				for _, s := range sizes {
					atSize(t, m, s, name, l)
				}
			})
		}
	}
}

// atSize compares a screen at a size with its golden file, and sees that it fits.
func atSize(t *testing.T, m *app, s ui.Size, name string, l look) {
	t.Helper()
	view := tell(m, tea.WindowSizeMsg{Width: s.Width, Height: s.Height}).View()
	lines := strings.Split(view, "\n")
	if len(lines) != s.Height {
		t.Errorf("%d lines at %v", len(lines), s)
	}
	for _, line := range lines {
		if n := ansi.StringWidth(line); n > s.Width {
			t.Errorf("%d cells at %v: %q", n, s, line)
		}
		if l.ascii && strings.ContainsFunc(line, func(c rune) bool { return c > '~' }) {
			t.Errorf("not ASCII: %q", line)
		}
	}
	goldenAt(t, filepath.Join("screens", fmt.Sprintf("%s-%dx%d.%s", name, s.Width, s.Height, l.suffix)), view)
}

// With few handshakes each has a row of its own, and the screens do not look empty.
func TestFewHandshakesAtEverySize(t *testing.T) {
	for name, page := range map[string]string{"overview": "1", "knock": "2", "log": "7"} {
		for _, l := range looks[:2] {
			m := styled(t, l)
			m.History = pastOf(m.Host, 1)
			m = reach(m, append(over(nil, knocked(5, opened)), press(page)))
			m.Config.HostsPath = "~/.config/rapport/hosts.toml"
			for _, s := range sizes {
				atSize(t, m, s, name+"-few", l)
			}
		}
	}
}

// The Watch screen has the same sizes.
func TestWatchAtEverySize(t *testing.T) {
	now := noon
	for _, l := range looks {
		m := newWatch(t, &now, l.ascii)
		r := lipgloss.NewRenderer(io.Discard)
		r.SetColorProfile(l.profile)
		m.Theme = ui.NewTheme(r, l.ascii, ui.Dark)
		m = tell(m, busyGate())
		for _, s := range sizes {
			atSize(t, m, s, "watch", l)
		}
	}
}
