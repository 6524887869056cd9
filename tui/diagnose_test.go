package tui

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"

	"rapport/diag"
	"rapport/knock"
	"rapport/knock/demo"
	"rapport/knock/hosts"
	"rapport/tui/knocking"
	"rapport/tui/session"
	"rapport/tui/ui"
)

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
		{name: "behind-tab", msgs: append(diagnosed(behind(t)), tab), sizes: []string{"40x8", "60x16", "80x24", "120x40"}},
		{name: "confirming", msgs: []tea.Msg{press("d"), snapshot(confirming(t))}, sizes: []string{"40x8", "60x16", "80x24", "120x40"}},
		{name: "unexplained-chosen", msgs: append(diagnosed(unexplained(t)), tea.KeyMsg{Type: tea.KeyDown}, tea.KeyMsg{Type: tea.KeyDown}), sizes: []string{"60x16", "80x24", "120x40", "200x50"}},
		{name: "behind-ascii", msgs: diagnosed(behind(t)), ascii: true, sizes: []string{"80x24"}},
		{name: "open", msgs: diagnosed(opens(t)), sizes: []string{"80x24"}},
		{name: "unexplained", msgs: append([]tea.Msg{press("d"), press("F"), press("y"), jobOver{context.Canceled}}, diagnosed(unexplained(t))[1:]...), sizes: []string{"60x16", "80x24", "120x40"}},
		{name: "ahead", msgs: diagnosed(ahead(t)), sizes: []string{"60x16", "80x24"}},
		{name: "range", msgs: diagnosed(otherRange(t)), sizes: []string{"80x24"}},
		{name: "two", msgs: diagnosed(twoFaults(t)), sizes: []string{"60x16", "80x24", "120x40"}},
		{name: "masked", msgs: append(diagnosed(blocked(t)), press("m")), sizes: []string{"120x40"}},
		{name: "asking", msgs: append(diagnosed(unexplained(t)), press("F")), sizes: []string{"60x16", "80x24"}},
		{name: "cancelled", msgs: []tea.Msg{press("d"), snapshot(running(t)), tea.KeyMsg{Type: tea.KeyEsc}, jobOver{context.Canceled}}, sizes: []string{"80x24"}},
		{name: "failed", msgs: []tea.Msg{press("d"), snapshot(running(t)), jobOver{fmt.Errorf("%w: too many open files", knock.ErrSend)}}, sizes: []string{"80x24"}},
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

// Rows keep their places as the diagnosis goes on.
func TestDiagnoseNothingJumps(t *testing.T) {
	now := noon
	named := regexp.MustCompile(`(?m)│ (hour|local|10000-10999|secrets) |[✓✗!>·-] (name|server clock|handshake|scan) |─ (clocks|causes) ─`)
	places := func(m *app) (all []string) {
		for n, l := range strings.Split(m.View(), "\n") {
			for _, word := range named.FindAllStringSubmatch(l, -1) {
				all = append(all, fmt.Sprint(n, word[1], word[2], word[3]))
			}
		}
		return all
	}
	for _, size := range []tea.WindowSizeMsg{{Width: 80, Height: 24}, {Width: 120, Height: 40}} {
		m := tell(newScreen(t, &now, nil), size, press("d"))
		first := fmt.Sprint(places(m))
		if len(places(m)) < 8 {
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

// No line is cut at the right, except those shortened with "...".
func TestDiagnoseFitsTheWidth(t *testing.T) {
	now := noon
	for _, r := range []diag.Report{running(t), behind(t), opens(t), unexplained(t), otherRange(t), twoFaults(t), blocked(t), ahead(t)} {
		m := tell(newScreen(t, &now, nil), diagnosed(r)...)
		for w := ui.SmallWidth; w < 140; w++ {
			m = tell(m, tea.WindowSizeMsg{Width: w, Height: 16 + w%30})
			for _, l := range m.diagnose.View() {
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
	shows(t, m, "no verdict yet", "scan: 24 of 272 candidates tried", "esc cancel")
	m = tell(m, tea.KeyMsg{Type: tea.KeyEsc}, snapshot(behind(t)))
	shows(t, m, "cancelled, no verdict")
	if m.shown != m.diagnose {
		t.Fatal("esc left the screen before the run was over")
	}
	m = tell(m, jobOver{context.Canceled})
	shows(t, m, "cancelled, no verdict", "- scan ended early", "esc back")
	m = tell(m, tea.KeyMsg{Type: tea.KeyEsc})
	if a := m; a.shown != a.knock || a.Wire.Job != nil || a.knock.Failure != nil {
		t.Errorf("back on the Knock screen:\n%s", m.View())
	}
}

// A diagnosis and a handshake never mix on the wire.
func TestDiagnoseWaitsForTheHandshake(t *testing.T) {
	now := noon
	m := tell(newScreen(t, &now, nil), tea.WindowSizeMsg{Width: 80, Height: 24}, press("k"), press("d"))
	first := m.Wire.Job
	shows(t, m, "no verdict yet starting")
	m = tell(m, jobOver{context.Canceled})
	if a := m; a.Wire.Job == nil || a.Wire.Job == first || !a.Wire.UsedBy(a.diagnose) {
		t.Fatal("the diagnosis did not begin")
	}
	shows(t, m, "no verdict yet")
	// Run again: the first run ends first, and its report is dropped.
	second := m.Wire.Job
	m = tell(m, press("r"), snapshot(behind(t)))
	if strings.Contains(m.View(), "3 h 0 min") {
		t.Errorf("a cancelled run's report shows:\n%s", m.View())
	}
	m = tell(m, jobOver{context.Canceled})
	shows(t, m, "no verdict yet")
	if m.Wire.Job == second {
		t.Error("it does not run again")
	}
}

func TestDiagnoseAsksBeforeFutureHours(t *testing.T) {
	now := noon
	m := tell(newScreen(t, &now, nil), append([]tea.Msg{tea.WindowSizeMsg{Width: 80, Height: 24}}, diagnosed(behind(t))...)...)
	for _, other := range []tea.Msg{press("n"), press("q"), enter, tea.KeyMsg{Type: tea.KeyEsc}, press("?")} {
		m = tell(m, press("F"))
		shows(t, m, "an eavesdropper who records the knocks can open the gate in those hours when they come, 26 of them, until 2026-11-23-10", "y try them")
		var cmd tea.Cmd
		m, cmd = update(m, other)
		if a := m; quits(cmd) || a.Wire.Job != nil || a.help || a.shown != a.diagnose {
			t.Fatalf("%v was taken for more than a no:\n%s", other, m.View())
		}
		shows(t, m, "3 h 0 min behind", "future not tried (F)")
	}
	m = tell(m, press("F"), press("y"))
	if m.Wire.Job == nil {
		t.Fatal("y does not begin")
	}
	shows(t, m, "no verdict yet", "+26h")
	// The consent is for one run.
	m = tell(m, jobOver{nil}, press("r"))
	shows(t, m, "future not tried (F)")
}

func TestDiagnoseFixesOnlyWhatItCan(t *testing.T) {
	now := noon
	m := tell(newScreen(t, &now, nil), append([]tea.Msg{tea.WindowSizeMsg{Width: 80, Height: 24}}, diagnosed(unexplained(t))...)...)
	if m = tell(m, press("f")); m.shown != m.diagnose || m.Wire.Job != nil || strings.Contains(m.View(), "f fix") {
		t.Errorf("f did something:\n%s", m.View())
	}
	m = tell(newScreen(t, &now, nil), append([]tea.Msg{tea.WindowSizeMsg{Width: 80, Height: 24}}, diagnosed(behind(t))...)...)
	shows(t, m, "f apply skew -3h and knock (here and in the hosts file)", "f fix")
	v6 := behind(t)
	v6.Verdict.Change = hosts.Change{Family: knock.Family6}
	m = tell(newScreen(t, &now, nil), append([]tea.Msg{tea.WindowSizeMsg{Width: 80, Height: 24}}, diagnosed(v6)...)...)
	shows(t, m, "f apply IPv6 and knock")
	shows(t, tell(m, press("f"), session.Applied{Name: "myserver"}), "for this run only: the hosts file does not have this server")
	m = tell(m, press("f"))
	if a := m; a.shown != a.knock || a.knock.Stage != knocking.Knocking || a.Host.Family != knock.Family6 || a.Target.Addr.Addr().IsValid() {
		t.Errorf("after f:\n%s", m.View())
	}
}

func TestDiagnoseCopiesTheReport(t *testing.T) {
	now, got := noon, ""
	m := newScreen(t, &now, func(c *Config) { c.Clipboard = func(s string) { got = s } })
	m, cmd := update(tell(m, append([]tea.Msg{tea.WindowSizeMsg{Width: 80, Height: 24}}, diagnosed(blocked(t))...)...), press("y"))
	quits(cmd) // runs it
	if !strings.Contains(got, "knocks-blocked") || strings.Contains(got, "f00b4r") {
		t.Errorf("copied %q", got)
	}
	shows(t, m, "report in the clipboard")
}

// The diagnosis finds a server's other range, f writes it into the hosts file, and the
// handshake after that opens SSH.
func TestDiagnoseFixesAServer(t *testing.T) {
	t.Parallel()
	secret, err := knock.ParseSecret("f00b4r")
	if err != nil {
		t.Fatal(err)
	}
	there := portRange(t, "10000-10998")
	g, err := demo.Start(t.Context(), demo.Config{Secret: secret, Window: time.Second, Faults: demo.Faults{Range: there}})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	path := filepath.Join(t.TempDir(), "hosts.toml")
	file := fmt.Sprintf("# mine\n[hosts.myserver]\naddress = %q\nssh_port = %d\nwindow = \"1s\"\n", g.SSHAddr.Addr(), g.SSHAddr.Port())
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
	m = tell(m, tea.WindowSizeMsg{Width: 80, Height: 40}) // near the hour change the log has a line more
	m = play(t, m, press("d"), func(a *app) bool { return a.diagnose.Report.Done && a.Wire.Job == nil })
	shows(t, m, "range-mismatch", "f apply range 10000-10998 and knock (here and in the hosts file)")
	time.Sleep(1200 * time.Millisecond) // the scan's window
	m = play(t, m, press("f"), func(a *app) bool { return a.Wire.Job == nil && strings.Contains(a.View(), "written to") })
	shows(t, m, "SSH IS OPEN", "range 10000-10998")
	if got, _ := os.ReadFile(path); string(got) != file+"range = \"10000-10998\"\n" {
		t.Errorf("the hosts file is now\n%s", got)
	}
}

// play sends msg to a model and runs its commands until done.
func play(t *testing.T, m *app, msg tea.Msg, done func(*app) bool) *app {
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
		m, cmd = update(m, msg)
		run(cmd)
		if done(m) {
			return m
		}
		select {
		case msg = <-said:
		case <-limit:
			t.Fatalf("it does not come to its end:\n%s", m.View())
		}
	}
}
