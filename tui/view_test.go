package tui

import (
	"context"
	"errors"
	"flag"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/x/ansi"
	"github.com/google/go-cmp/cmp"

	"rapport/knock"
	"rapport/knock/hosts"
	"rapport/tui/ui"
)

var updateGolden = flag.Bool("update", false, "write the golden screens anew")

// noon is the time of all golden screens.
var noon = time.Date(2026, 11, 22, 8, 43, 54, 0, time.UTC)

// newScreen returns the screens on a server with an address pinned, at the time
// that now points to.
func newScreen(t testing.TB, now *time.Time, change func(*Config)) *app {
	t.Helper()
	secret, err := knock.ParseSecret("f00b4r")
	if err != nil {
		t.Fatal(err)
	}
	host := hosts.NewHost("myserver")
	c := Config{
		Client:    &knock.Client{Clock: func() time.Time { return *now }},
		Host:      &host,
		Secret:    secret,
		HostsPath: "hosts.toml",
		SSH: func(context.Context, hosts.Host, knock.Secret) (*exec.Cmd, error) {
			return nil, errors.New("no ssh here")
		},
	}
	if change != nil {
		change(&c)
	}
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	m := newApp(ctx, c, ui.NewTheme(lipgloss.NewRenderer(io.Discard), c.ASCII, ui.Dark))
	return tell(m, fromJob{netip.MustParseAddr("203.0.113.7")}, jobOver{})
}

// Messages of the tests for the job under way: an event, and its end.
type (
	fromJob struct{ event any }
	jobOver struct{ err error }
)

// update sends a message to a model.
func update(m *app, msg tea.Msg) (*app, tea.Cmd) {
	job := m.Wire.Job
	switch e := msg.(type) {
	case fromJob:
		msg = ui.JobEvent{Job: job, Event: e.event}
	case jobOver:
		msg = ui.JobDone{Job: job, Err: e.err}
	}
	_, cmd := m.Update(msg)
	return m, cmd
}

func tell(m *app, msgs ...tea.Msg) *app {
	for _, msg := range msgs {
		m, _ = update(m, msg)
	}
	return m
}

func press(keys string) tea.Msg { return tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune(keys)} }

const millisecond = knock.Millis(time.Millisecond)

// knocked returns the report of n knocks sent in an attempt of five.
func knocked(n int, change func(*knock.Report)) knock.Report {
	r := knock.Report{Schema: 1, Host: "myserver", Address: "203.0.113.7", Hour: knock.HourOf(noon)}
	a := knock.Attempt{Gap: millisecond}
	for k, port := range []uint16{10247, 10363, 10357, 10858, 10938}[:n] {
		a.Knocks = append(a.Knocks, knock.SentKnock{Port: port, Sent: knock.Millis(k)*millisecond + 200*knock.Millis(time.Microsecond), Answer: knock.Silent})
	}
	r.Attempts = []knock.Attempt{a}
	r.Before.State = knock.SSHFiltered
	if change != nil {
		change(&r)
	}
	return r
}

func opened(r *knock.Report) {
	r.Opened, r.At = true, noon.Add(-1200*time.Millisecond)
	r.SSH = knock.SSH{
		State: knock.SSHOpen, Banner: "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u10",
		RTT: knock.Measure(3 * time.Millisecond), Connect: knock.Measure(8300 * time.Microsecond), Read: knock.Measure(13900 * time.Microsecond),
	}
}

func shut(r *knock.Report) {
	a := r.Attempts[0]
	r.Attempts = []knock.Attempt{a, a, a}
	r.SSH.State = knock.SSHFiltered
}

// events makes the messages of a handshake under way.
func events(kind knock.EventKind, r knock.Report) []tea.Msg {
	return []tea.Msg{press("k"), fromJob{knock.Event{Kind: knock.AttemptStarted, Report: r}},
		fromJob{knock.Event{Kind: kind, Attempt: len(r.Attempts) - 1, Report: r}}}
}

func over(err error, r knock.Report) []tea.Msg {
	return append(events(knock.Finished, r), jobOver{err})
}

// again is a further handshake that found SSH open.
func again(at time.Time) []tea.Msg {
	r := knocked(5, func(r *knock.Report) { opened(r); r.At, r.Before.State = at, knock.SSHOpen })
	return []tea.Msg{press("k"), fromJob{knock.Event{Kind: knock.Finished, Report: r}}, jobOver{}}
}

// strictly makes r the second attempt at a strict gate, with the other hour's knocks.
func strictly(r *knock.Report) {
	next := knock.HourOf(noon).Add(1)
	second := knock.Attempt{Gap: 10 * millisecond, Resets: knock.Knocks}
	for i, port := range []uint16{10100, 10200, 10300, 10400, 10500} {
		second.Knocks = append(second.Knocks, knock.SentKnock{Port: port, Sent: knock.Millis(300+10*i) * millisecond, Answer: knock.Silent, Hour: &next})
	}
	r.Attempts = append(r.Attempts, second)
}

func TestGoldenScreens(t *testing.T) {
	change := time.Date(2026, 11, 22, 8, 59, 45, 0, time.UTC)
	narrow, err := knock.NewRange(7000, 7002)
	if err != nil {
		t.Fatal(err)
	}
	both := func(r *knock.Report) {
		next := knock.HourOf(noon).Add(1)
		a := &r.Attempts[0]
		for _, k := range a.Knocks {
			k.Hour = &next
			a.Knocks = append(a.Knocks, k)
		}
	}
	for _, tt := range []struct {
		name   string
		w, h   int
		at     time.Time
		change func(*Config)
		msgs   []tea.Msg
	}{
		{name: "ready-60x16", w: 60, h: 16},
		{name: "ready-80x24", w: 80, h: 24},
		{name: "ready-120x40", w: 120, h: 40},
		{name: "open-60x16", w: 60, h: 16, msgs: over(nil, knocked(5, opened))},
		{name: "open-80x24", w: 80, h: 24, msgs: over(nil, knocked(5, opened))},
		{name: "open-120x40", w: 120, h: 40, msgs: over(nil, knocked(5, opened))},
		{name: "knocking-80x24", w: 80, h: 24, msgs: events(knock.KnockSent, knocked(3, func(r *knock.Report) { r.Attempts[0].Knocks[2].Answer = knock.Pending }))},
		{name: "probing-ssh-80x24", w: 80, h: 24, msgs: events(knock.ProbeStarted, knocked(5, nil))},
		{name: "copies-80x24", w: 80, h: 24, msgs: events(knock.ProbeStarted, knocked(5, func(r *knock.Report) {
			second := knock.Attempt{Gap: 10 * millisecond}
			for i, k := range r.Attempts[0].Knocks {
				k.Sent = knock.Millis(255+10*i) * millisecond
				second.Knocks = append(second.Knocks, k)
				k.Sent, k.Copy = k.Sent+5*millisecond, true
				second.Knocks = append(second.Knocks, k)
			}
			r.Attempts = append(r.Attempts, second)
		}))},
		{name: "still-open-80x24", w: 80, h: 24, msgs: append(over(nil, knocked(5, opened)), again(noon)...)},
		{name: "strict-80x24", w: 80, h: 24, at: change, msgs: events(knock.ProbeStarted, knocked(5, strictly))},
		{name: "window-over-80x24", w: 80, h: 24, msgs: over(nil, knocked(5, func(r *knock.Report) { opened(r); r.At = noon.Add(-time.Minute) }))},
		{name: "shut-80x24", w: 80, h: 24, msgs: over(nil, knocked(5, shut))},
		{name: "shut-60x16", w: 60, h: 16, msgs: over(nil, knocked(5, shut))},
		{name: "masked-80x24", w: 80, h: 24, msgs: append(over(nil, knocked(5, opened)), press("m"))},
		{name: "hour-change-80x24", w: 80, h: 24, at: change, msgs: events(knock.ProbeStarted, knocked(5, both))},
		{name: "ascii-80x24", w: 80, h: 24, change: func(c *Config) { c.ASCII = true }, msgs: over(nil, knocked(5, opened))},
		{name: "skew-narrow-80x24", w: 80, h: 24, change: func(c *Config) { c.Host.Skew, c.Host.Range = -3*time.Hour, narrow }},
		{name: "no-name-80x24", w: 80, h: 24, msgs: []tea.Msg{press("k"), jobOver{errors.New(`name not resolved: no such host "myserver"; check the spelling`)}}},
		{name: "help-80x24", w: 80, h: 24, msgs: []tea.Msg{press("?")}},
		{name: "help-60x16", w: 60, h: 16, msgs: []tea.Msg{press("?")}},
		{name: "small-40x10", w: 40, h: 10},
	} {
		t.Run(tt.name, func(t *testing.T) {
			now := tt.at
			if now.IsZero() {
				now = noon
			}
			m := newScreen(t, &now, tt.change)
			m = tell(m, append([]tea.Msg{tea.WindowSizeMsg{Width: tt.w, Height: tt.h}}, tt.msgs...)...)
			golden(t, tt.name, m.View())
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	goldenAt(t, name+".txt", got)
}

// goldenAt compares a screen with a file in testdata.
func goldenAt(t *testing.T, file, got string) {
	t.Helper()
	lines := strings.Split(got, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	got = strings.Join(lines, "\n") + "\n"
	path := filepath.Join("testdata", file)
	if *updateGolden {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("the screen is not %s (go test ./tui -update writes it anew):\n%s", path, diff)
	}
}

// No screen is taller or wider than the terminal: Bubble Tea would cut its top.
func TestScreensFitEverySize(t *testing.T) {
	t.Parallel()
	now := noon
	for _, msgs := range [][]tea.Msg{nil, over(nil, knocked(5, opened)), over(nil, knocked(5, shut)), {press("?")}} {
		m := tell(newScreen(t, &now, func(c *Config) { c.Host.Name = strings.Repeat("long.", 40) }), msgs...)
		for w := 1; w < 140; w += 3 {
			for h := 1; h < 50; h++ {
				m = tell(m, tea.WindowSizeMsg{Width: w, Height: h})
				lines := strings.Split(m.View(), "\n")
				if len(lines) > h {
					t.Fatalf("%d lines at %dx%d", len(lines), w, h)
				}
				for _, l := range lines {
					if ansi.StringWidth(l) > w {
						t.Fatalf("a line of %d cells at %dx%d: %q", ansi.StringWidth(l), w, h, l)
					}
				}
			}
		}
	}
}
