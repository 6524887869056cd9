package tui

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/x/ansi"

	"rapport/knock"
	"rapport/knock/gate"
	"rapport/knock/hosts"
	"rapport/knock/solve"
	"rapport/tui/rules"
	"rapport/tui/ui"
)

// drawn fails if a screen does not fit, or has control characters.
func drawn(t *testing.T, m *app) *app {
	t.Helper()
	for _, size := range []tea.WindowSizeMsg{{Width: 40, Height: 8}, {Width: 60, Height: 16}, {Width: 80, Height: 24}, {Width: 120, Height: 40}} {
		m = tell(m, size)
		lines := strings.Split(m.View(), "\n")
		if len(lines) != size.Height {
			t.Errorf("%d lines of %d", len(lines), size.Height)
		}
		for _, l := range lines {
			if ansi.StringWidth(l) > size.Width || strings.ContainsFunc(l, func(c rune) bool { return !unicode.IsPrint(c) }) {
				t.Errorf("at %dx%d the line %q", size.Width, size.Height, l)
			}
		}
	}
	return m
}

// FuzzCapture loads any two files as captures: every screen that follows fits, and has no
// control characters.
func FuzzCapture(f *testing.F) {
	client, server := capturedSides(f)
	f.Add(client, server)
	f.Add(client[:len(client)-9], []byte("no capture"))
	f.Fuzz(func(t *testing.T, one, two []byte) {
		now, dir := noon, t.TempDir()
		m := tell(newScreen(t, &now, nil), press("c"))
		for i, text := range [][]byte{one, two} {
			path := filepath.Join(dir, fmt.Sprintf("%d.pcap", i))
			if err := os.WriteFile(path, text, 0o600); err != nil {
				t.Fatal(err)
			}
			m = drawn(t, loading(t, m, path))
		}
	})
}

// FuzzPaste pastes any text into the Rules screen, at once or key by key: every screen
// that follows fits, and has no control characters.
func FuzzPaste(f *testing.F) {
	f.Add("10247 10363 10357 10858 10938", true)
	f.Add("-A INPUT -p tcp --dport 1 -m recent --name \x1b[31m --set\n-A x -j\n", true)
	f.Add("table ip x {chain x {tcp dport 5 accept\n}}\r\n\r\n", false)
	f.Add("l/etc/\u202e\x1b[2J\x7f", false)
	secret, err := knock.ParseSecret("f00b4r")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string, whole bool) {
		if len(text) > 1<<14 {
			return
		}
		host := hosts.NewHost("myserver")
		c := Config{Client: &knock.Client{}, Host: &host, Secret: secret}
		a := newApp(t.Context(), c, ui.NewTheme(lipgloss.NewRenderer(io.Discard), false, ui.Dark))
		a.Now = noon
		fits := func(m *app) *app { return drawn(t, m) }
		m := fits(tell(a, press("c")))
		if whole {
			m = tell(m, paste(text))
		} else {
			for _, r := range text {
				switch r {
				case '\r', '\n':
					m = tell(m, enter)
				case '\x1b': // it would leave
				case 'l': // it would ask for a file
				default:
					m = tell(m, press(string(r)))
				}
			}
		}
		m = fits(m)
		q := solve.Query{Secret: secret, Range: knock.DefaultRange, Hour: knock.HourOf(noon), Past: 1, Future: 1}
		i, err := rules.Request{Text: []byte(text), Query: q, Facts: gate.Facts{SSHPort: 22}}.Inspect(t.Context())
		job := &ui.Job{Cancel: func() {}}
		m.rules.Step, m.rules.Job, m.rules.Began = rules.Comparing, job, noon
		if err == nil {
			m = tell(m, ui.JobEvent{Job: job, Event: i})
		}
		m = fits(tell(m, ui.JobDone{Job: job, Err: err}))
		m = fits(tell(m, press("m")))
		fits(tell(m, tea.KeyMsg{Type: tea.KeyTab}))
	})
}
