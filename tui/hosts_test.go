package tui

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/lipgloss"

	"rapport/knock"
	"rapport/knock/hosts"
	"rapport/knock/hosts/history"
	"rapport/tui/hostlist"
	"rapport/tui/knocking"
	"rapport/tui/ui"
)

// newList returns the screens on a hosts file with the text given.
func newList(t *testing.T, text string) (*app, string) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "hosts.toml")
	if text != "" {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	now := noon
	c := Config{
		Client:    &knock.Client{Clock: func() time.Time { return now }},
		HostsPath: path, HistoryPath: filepath.Join(dir, "history.jsonl"),
	}
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	m := newApp(ctx, c, ui.NewTheme(lipgloss.NewRenderer(io.Discard), false, ui.Dark))
	return tell(m, tea.WindowSizeMsg{Width: 80, Height: 24}), path
}

// typing makes a message for each key; a key may be a name such as "tab".
func typing(keys ...string) (msgs []tea.Msg) {
	named := map[string]tea.KeyType{
		"tab": tea.KeyTab, "enter": tea.KeyEnter, "esc": tea.KeyEsc, "down": tea.KeyDown,
		"ctrl+g": tea.KeyCtrlG, "ctrl+s": tea.KeyCtrlS, "backspace": tea.KeyBackspace,
	}
	for _, k := range keys {
		if typ, ok := named[k]; ok {
			msgs = append(msgs, tea.KeyMsg{Type: typ})
			continue
		}
		for _, r := range k {
			msgs = append(msgs, press(string(r)))
		}
	}
	return msgs
}

// The first start shows the form, and then the Knock screen.
func TestFirstStart(t *testing.T) {
	m, path := newList(t, "")
	m = tell(m, typing("home", "tab", "192.0.2.7", "tab", "tab", "tab", "f00b4r")...)
	view := m.View()
	if strings.Contains(view, "f00b4r") || !strings.Contains(view, "******") || !strings.Contains(view, "weak") {
		t.Fatalf("the secret is not masked, or not rated:\n%s", view)
	}
	m, cmd := update(m, tea.KeyMsg{Type: tea.KeyCtrlS})
	m = follow(t, m, cmd)
	a := m
	if a.shown != a.knock || a.Target.Secret.Reveal() != "f00b4r" || !strings.Contains(m.View(), "home") {
		t.Fatalf("not on the Knock screen:\n%s", m.View())
	}
	file, err := hosts.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if h, ok := file.Host("home"); !ok || h.Address != "192.0.2.7" {
		t.Errorf("the hosts file has %+v", file.Hosts())
	}
}

// follow runs the commands of an update that return at once, and sends the model their
// messages, except those of the heartbeat and of jobs.
func follow(t *testing.T, m *app, cmd tea.Cmd) *app {
	t.Helper()
	if cmd == nil {
		return m
	}
	said := make(chan tea.Msg, 1)
	go func() { said <- cmd() }()
	select {
	case msg := <-said:
		switch msg := msg.(type) {
		case tea.BatchMsg:
			for _, c := range msg {
				m = follow(t, m, c)
			}
		case hostlist.Unlocked:
			m = tell(m, msg)
		}
	case <-time.After(3 * time.Second):
	}
	return m
}

const threeHosts = `# mine
[hosts.alpha] # the first
address = "192.0.2.1"
[hosts.beta]
ssh_port = 2222
secret = "f00b4r"
[hosts.gamma]
`

func TestFormSaysWhatIsMissing(t *testing.T) {
	m, _ := newList(t, "")
	for _, step := range []struct {
		keys []string
		want string
	}{
		{[]string{"ctrl+s"}, "give the server a name"},
		{[]string{"x", "tab", "tab", "backspace", "backspace", "ctrl+s"}, `port "" is not within 1-65535`},
		{[]string{"22", "tab", "backspace", "backspace", "backspace", "backspace", "backspace", "ctrl+s"}, "is not of the form 10000-10999"},
		{[]string{"10999", "ctrl+s"}, "type the secret, or press ctrl+g to make one"},
		{[]string{"50%", "ctrl+s"}, "it holds a %"},
	} {
		m = tell(m, typing(step.keys...)...)
		if !strings.Contains(m.View(), step.want) {
			t.Fatalf("after %v the form does not say %q:\n%s", step.keys, step.want, m.View())
		}
	}
	if m = tell(m, typing("ctrl+g")...); !strings.Contains(m.View(), "strong") {
		t.Errorf("the secret that ctrl+g makes is not called strong:\n%s", m.View())
	}
}

func TestHostsScreen(t *testing.T) {
	m, path := newList(t, threeHosts)
	for i, r := range []history.Handshake{
		{At: noon.Add(-2 * time.Hour), Opened: true, Took: 17, State: knock.SSHOpen},
		{At: noon.Add(-5 * time.Minute), State: knock.SSHFiltered},
	} {
		r.Host = m.hosts.Hosts()[i].Identity()
		if err := history.Save(m.Config.HistoryPath, r); err != nil {
			t.Fatal(err)
		}
	}
	m.hosts.Reload()
	m.Config.HostsPath = "hosts.toml" // as the golden screen shows it
	golden(t, "hosts-80x24", m.View())
	golden(t, "hosts-help-80x24", tell(m, press("?")).View())
	m = tell(m, press("?"))
	m.Config.HostsPath = path

	m = tell(m, typing("/", "bet", "enter")...)
	if v := m.View(); strings.Contains(v, "alpha") || !strings.Contains(v, "beta") {
		t.Errorf("the filter does not filter:\n%s", v)
	}
	m = tell(m, typing("esc", "down", "x")...)
	if v := m.View(); !strings.Contains(v, "remove beta from the hosts file?") {
		t.Errorf("no confirmation is asked for:\n%s", v)
	}
	m = tell(m, typing("n", "x", "y")...)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(text); strings.Contains(got, "beta") || !strings.Contains(got, "[hosts.alpha] # the first") || strings.Contains(m.View(), "beta:2222") {
		t.Errorf("after the removal the file is\n%s\nand the screen\n%s", got, m.View())
	}
}

// A server that stores no secret asks for it, masked; esc goes back.
func TestSecretIsAskedFor(t *testing.T) {
	m, _ := newList(t, threeHosts)
	m, cmd := update(m, tea.KeyMsg{Type: tea.KeyEnter})
	m = follow(t, m, cmd)
	if v := m.View(); !strings.Contains(v, "the secret of alpha") {
		t.Fatalf("nothing is asked for:\n%s", v)
	}
	m = tell(m, typing("s3cret")...)
	if strings.Contains(m.View(), "s3cret") {
		t.Errorf("the secret shows:\n%s", m.View())
	}
	m, cmd = update(m, tea.KeyMsg{Type: tea.KeyEnter})
	m = follow(t, m, cmd)
	if a := m; a.shown != a.knock || a.Target.Secret.Reveal() != "s3cret" {
		t.Errorf("not on the Knock screen:\n%s", m.View())
	}
}

func TestImportFillsTheForm(t *testing.T) {
	m, path := newList(t, threeHosts)
	script := filepath.Join(filepath.Dir(path), "knock.sh")
	if err := os.WriteFile(script, []byte("calc_knock_ports f00b4r 20000 20999\nnc server.example.org 22\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	m = tell(m, typing("i")...)
	m = tell(m, tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune(script), Paste: true}, tea.KeyMsg{Type: tea.KeyEnter})
	v := m.View()
	for _, want := range []string{"server.example.org", "20000-20999", "******"} {
		if !strings.Contains(v, want) {
			t.Errorf("the form lacks %q:\n%s", want, v)
		}
	}
}

// w waits for the server's next hour, and knocks when it has begun.
func TestWaitForTheHourChange(t *testing.T) {
	now := time.Date(2026, 11, 22, 8, 59, 50, 0, time.UTC)
	m := tell(newScreen(t, &now, nil), tea.WindowSizeMsg{Width: 80, Height: 24}, press("w"))
	if v := m.View(); !strings.Contains(v, "WAITING") || !strings.Contains(v, "knocks when 09h begins, in 00:12") {
		t.Fatalf("not waiting:\n%s", v)
	}
	now = now.Add(11 * time.Second)
	if m = tell(m, ui.Beat(now)); m.Wire.Job != nil {
		t.Error("it knocks before the server has refreshed")
	}
	now = now.Add(2 * time.Second)
	if m = tell(m, ui.Beat(now)); m.knock.Stage != knocking.Knocking {
		t.Errorf("it does not knock when the hour has begun:\n%s", m.View())
	}
}
