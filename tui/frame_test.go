package tui

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/lipgloss"
	"github.com/muesli/termenv"

	"rapport/diag"
	"rapport/knock"
	"rapport/knock/hosts"
	"rapport/tui/knocking"
	"rapport/tui/session"
	"rapport/tui/ui"
)

const roomy = 120

// onHosts returns the screens on the first server of a hosts file with the text given.
func onHosts(t *testing.T, text string) (m *app, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "hosts.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := hosts.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	now := noon
	m = newScreen(t, &now, func(c *Config) {
		h := file.Hosts()[0]
		c.Host, c.HostsPath = &h, path
	})
	return tell(m, tea.WindowSizeMsg{Width: roomy, Height: 40}), path
}

// Going to the list and back, by key or by enter, leaves a handshake as it is.
func TestTheListForgetsNothing(t *testing.T) {
	m, _ := onHosts(t, "[hosts.alpha]\nsecret = \"f00b4r\"\n[hosts.beta]\nsecret = \"other\"\n")
	m = tell(m, over(nil, knocked(5, opened))...)
	place := m.place
	m = tell(m, press("h"))
	if m.shown != m.hosts {
		t.Fatal("h does not show the list")
	}
	shows(t, m, "open 3.8 s")
	m, cmd := update(m, enter)
	m = follow(t, m, cmd)
	if m.place != place || m.shown != m.knock || m.knock.Report == nil {
		t.Fatal("the handshake is forgotten")
	}
	shows(t, m, "SSH IS OPEN", "shuts in 3.8 s", "sent in 4.0 ms")
	// Another server has screens of its own; the first one's wait.
	m, cmd = update(tell(m, press("h"), tea.KeyMsg{Type: tea.KeyDown}), enter)
	m = follow(t, m, cmd)
	if m.Host.Name != "beta" || m.knock.Report != nil {
		t.Fatalf("on %s with a report %v", m.Host.Name, m.knock.Report)
	}
	m, cmd = update(tell(m, press("h"), tea.KeyMsg{Type: tea.KeyUp}), enter)
	if m = follow(t, m, cmd); m.place != place {
		t.Error("the first server's screens are gone")
	}
}

// A handshake and a diagnosis go on while other screens are shown.
func TestJobsGoOnBehindOtherScreens(t *testing.T) {
	m, _ := onHosts(t, "[hosts.alpha]\nsecret = \"f00b4r\"\n")
	m = tell(m, press("k"))
	job := m.Wire.Job
	for _, key := range []string{"1", "2", "3", "4", "5", "7", "6"} {
		m = tell(m, press(key))
	}
	if m.Wire.Job != job || m.shown != m.rules {
		t.Fatal("a tab ended the handshake")
	}
	m = tell(m, fromJob{knock.Event{Kind: knock.Finished, Report: knocked(5, opened)}}, jobOver{})
	shows(t, tell(m, tea.KeyMsg{Type: tea.KeyEsc}, press("2")), "SSH IS OPEN")
	m = tell(m, press("d"), snapshot(running(t)))
	shows(t, tell(m, press("3"), press("5")), "scan: 24 of 272 candidates tried")
	m = tell(m, diagnosed(behind(t))[1:]...)
	// d shows the diagnosis again, and runs a new one only after another handshake.
	m = tell(m, press("2"), press("d"))
	shows(t, m, "server-clock-behind")
	if m.Wire.Job != nil {
		t.Error("d runs again what is known")
	}
}

// After ssh the screen says so, and not that nothing was sent.
func TestSSHLeavesItsTrace(t *testing.T) {
	m, _ := onHosts(t, "[hosts.alpha]\nsecret = \"f00b4r\"\n")
	m = tell(m, knocking.SSHEnded(m.knock, nil, 37*time.Second))
	shows(t, m, "SSH ENDED", "ssh ended after 37 s", "ssh knocked by itself")
	if strings.Contains(m.View(), "not sent yet") {
		t.Errorf("it says that nothing was sent:\n%s", m.View())
	}
	shows(t, tell(m, tea.WindowSizeMsg{Width: 80, Height: 24}), "SSH ENDED")
}

// The screens say what happened without the words of the Go library.
func TestNoWordsOfGo(t *testing.T) {
	killed := exec.Command("sh", "-c", "kill -9 $$").Run()
	for _, tt := range []struct {
		msgs []tea.Msg
		want string
	}{
		{[]tea.Msg{press("k"), jobOver{fmt.Errorf("cannot resolve alpha: %w", context.DeadlineExceeded)}}, "cannot resolve alpha: no answer in time"},
		{[]tea.Msg{press("k"), jobOver{fmt.Errorf("knocking: %w", context.Canceled)}}, "CANCELLED"},
		{[]tea.Msg{press("d"), jobOver{fmt.Errorf("asking: %w", context.DeadlineExceeded)}}, "asking: no answer in time"},
	} {
		m, _ := onHosts(t, "[hosts.alpha]\nsecret = \"f00b4r\"\nwindow = \"1m\"\n")
		m = tell(m, tt.msgs...)
		shows(t, m, tt.want)
		m = tell(m, tea.WindowSizeMsg{Width: 200, Height: 50}, press("2"), knocking.SSHEnded(m.knock, killed, time.Second))
		shows(t, m, "ssh was ended by a signal", "window 60 s")
		for _, word := range []string{"context ", "exit status -1", "1m0s"} {
			if strings.Contains(m.View(), word) {
				t.Errorf("%q in\n%s", word, m.View())
			}
		}
	}
}

// In the help and in the palette, keys are not those of the screen below.
func TestKeysUnderAnOverlayDoNothing(t *testing.T) {
	m, _ := onHosts(t, "[hosts.alpha]\nsecret = \"f00b4r\"\n")
	m = tell(m, press("?"), press("k"), press("m"), press("2"), press("kd"))
	if m.Wire.Job != nil || m.Masked || !m.help {
		t.Errorf("job %v, masked %v, help %v", m.Wire.Job, m.Masked, m.help)
	}
	shows(t, m, "knock, then probe", "the screens, by their numbers")
	m = tell(m, tea.KeyMsg{Type: tea.KeyEsc}, press(":"), press("k"))
	if m.Wire.Job != nil || m.palette == nil {
		t.Error("k in the palette knocks")
	}
}

// The palette finds what any key does by a few letters, and does it on its screen.
func TestPaletteRunsKeysOfAnyScreen(t *testing.T) {
	m, _ := onHosts(t, "[hosts.alpha]\nsecret = \"f00b4r\"\n")
	for letters, done := range map[string]func(*app) bool{
		"mask ports": func(a *app) bool { return a.Masked },
		"qr":         func(a *app) bool { return a.shown == a.sequences },
		"show clock": func(a *app) bool { return a.shown == a.clocks },
		"sort":       func(a *app) bool { return a.shown == a.hosts },
	} {
		m = tell(m, press("2"), press(":"))
		for _, r := range letters {
			m = tell(m, press(string(r)))
		}
		if m = tell(m, enter); m.palette != nil || !done(m) {
			t.Errorf("%q was not done:\n%s", letters, m.View())
		}
		m = tell(m, tea.KeyMsg{Type: tea.KeyEsc})
	}
	shows(t, tell(m, press(":"), press("zzzz")), "no key does that")
}

// u takes back the last change of the hosts file, here and there, unless it was changed
// since.
func TestUndo(t *testing.T) {
	const text = "# mine\n[hosts.alpha]\nsecret = \"f00b4r\"\n\n[hosts.beta]\n"
	read := func(path string) string {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	run := func(m *app, msg tea.Msg) *app {
		m, cmd := update(m, msg)
		for _, msg := range said(cmd) {
			m = tell(m, msg)
		}
		return m
	}
	m, path := onHosts(t, text)
	m = tell(m, diagnosed(behind(t))...)
	m = run(m, press("f"))
	if m.Host.Skew != -3*time.Hour || !strings.Contains(read(path), "skew = \"-3h\"") {
		t.Fatalf("f did not apply the skew:\n%s", read(path))
	}
	m = run(m, press("u"))
	if m.Host.Skew != 0 || m.Target.Skew != 0 || read(path) != text {
		t.Errorf("after u the skew is %v, and the file\n%s", m.Host.Skew, read(path))
	}
	shows(t, tell(m, press("7")), "undone: skew -3h of alpha")

	m = run(m, press("1"))
	m = tell(m, typing("down", "x", "y")...)
	if strings.Contains(read(path), "beta") {
		t.Fatalf("not removed:\n%s", read(path))
	}
	if m = run(m, press("u")); read(path) != text {
		t.Errorf("after u the file is\n%s", read(path))
	}
	m = tell(m, typing("down", "x", "y")...)
	changed := read(path) + "# by hand\n"
	if err := os.WriteFile(path, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	if m = run(m, press("u")); read(path) != changed {
		t.Errorf("u destroyed a later change:\n%s", read(path))
	}
	shows(t, m, "the hosts file was changed since")
}

// said runs the commands of a tree that return at once, and returns their messages.
func said(cmd tea.Cmd) (all []tea.Msg) {
	if cmd == nil {
		return nil
	}
	found := make(chan tea.Msg, 1)
	go func() { found <- cmd() }()
	select {
	case msg := <-found:
		if batch, ok := msg.(tea.BatchMsg); ok {
			for _, c := range batch {
				all = append(all, said(c)...)
			}
			return all
		}
		switch msg.(type) {
		case session.Applied, session.Undone:
			return []tea.Msg{msg}
		}
	case <-time.After(time.Second):
	}
	return nil
}

// A name, an address or a tag that is too long for its place ends in a sign, on every
// screen and at every size.
func TestNamesAreCutWithASign(t *testing.T) {
	const long = 60
	name, address, tag := strings.Repeat("N", long), strings.Repeat("A", long), strings.Repeat("T", long)
	m, _ := onHosts(t, fmt.Sprintf("[hosts.%s]\naddress = %q\nsecret = \"f00b4r\"\ntags = [%q]\n", name, address, tag))
	cut := regexp.MustCompile(`(N{5,}|A{5,}|T{5,})(.?)`)
	seen := 0
	for _, key := range []string{"1", "2", "3", "4", "5", "6", "7"} {
		m = tell(m, press(key))
		for _, s := range sizes {
			before := 0 // of a name that goes on in the next line
			for _, found := range cut.FindAllStringSubmatch(tell(m, tea.WindowSizeMsg{Width: s.Width, Height: s.Height}).View(), -1) {
				seen++
				switch n := before + len(found[1]); {
				case found[2] == "…" || n == long:
					before = 0
				case before == 0:
					before = n
				default:
					t.Errorf("screen %s at %v cuts %q without a sign: %q", key, s, found[1], found[2])
				}
			}
			if before > 0 {
				t.Errorf("screen %s at %v cuts a name after %d letters", key, s, before)
			}
		}
	}
	if seen < len(sizes) {
		t.Errorf("%d names are shown", seen)
	}
}

// Servers of the same name in two hosts files have histories of their own.
func TestHistoryIsThatOfTheServer(t *testing.T) {
	history := filepath.Join(t.TempDir(), "history.jsonl")
	for i, address := range []string{"192.0.2.1", "192.0.2.2"} {
		m, _ := onHosts(t, fmt.Sprintf("[hosts.alpha]\naddress = %q\nsecret = \"f00b4r\"\n", address))
		m.Config.HistoryPath = history
		m = tell(m, press("1"))
		shows(t, m, "not tried")
		if i == 0 {
			m = tell(m, append([]tea.Msg{press("2")}, over(nil, knocked(5, opened))...)...)
			shows(t, m, "last 1 of 1, 100 % opened")
		}
	}
	b, err := os.ReadFile(history)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"f00b4r", "10247", "10938", "alpha", "192.0.2"} {
		if strings.Contains(string(b), secret) {
			t.Errorf("the history holds %s:\n%s", secret, b)
		}
	}
}

// Marked servers are knocked side by side from the list, which stays.
func TestKnockSideBySide(t *testing.T) {
	m, _ := onHosts(t, "[hosts.alpha]\nsecret = \"f00b4r\"\n[hosts.beta]\nsecret = \"other\"\n[hosts.gamma]\n")
	m = tell(m, press("1"), press(" "), press(" "))
	shows(t, m, "3 servers, 2 marked")
	m, cmd := update(m, press("k"))
	m = follow(t, m, cmd)
	if m.shown != m.hosts || len(m.places) != 2 {
		t.Fatalf("%d servers are open:\n%s", len(m.places), m.View())
	}
	for _, name := range []string{"alpha", "beta"} {
		if p := m.places[name]; p.Wire.Job == nil || p.knock.Stage != knocking.Knocking {
			t.Errorf("%s is not knocked", name)
		}
	}
	shows(t, m, "knocking")
}

// The list filters as one types, by tag and by verdict too, and counts; the last verdict
// and what knocks show in their rows.
func TestTheListKnowsTagsAndVerdicts(t *testing.T) {
	const text = "[hosts.alpha]\nsecret = \"f00b4r\"\ntags = [\"web\"]\n[hosts.beta]\nsecret = \"other\"\n[hosts.gamma]\ntags = [\"web\"]\n"
	history := filepath.Join(t.TempDir(), "history.jsonl")
	m, _ := onHosts(t, text)
	m.Config.HistoryPath = history
	m = tell(m, diagnosed(behind(t))...)
	shows(t, tell(m, press("1")), "3 servers", "alpha", "server-clock-behind")
	for filter, want := range map[string]string{"web": "2 of 3 servers", "clock": "1 of 3 servers", "bet": "1 of 3 servers"} {
		m = tell(m, append([]tea.Msg{press("/")}, typing(filter)...)...)
		shows(t, m, want)
		m = tell(m, enter, tea.KeyMsg{Type: tea.KeyEsc})
	}
	m = tell(m, append([]tea.Msg{press("2")}, events(knock.KnockSent, knocked(3, nil))...)...)
	shows(t, tell(m, press("1")), "attempt 1 of 8", "●●●○○")

	later, _ := onHosts(t, text) // another run
	later.Config.HistoryPath = history
	shows(t, tell(later, press("1")), "server-clock-behind")
	later = tell(later, press("o"), press("o"), press("o"))
	shows(t, later, "sorted by trouble")
	if v := later.View(); strings.Index(v, "server-clock-behind") > strings.Index(v, "beta") {
		t.Errorf("what is wrong does not stand first:\n%s", v)
	}
}

// Every role has a colour in each profile, and the schemes differ; without colours
// nothing is styled.
func TestThemes(t *testing.T) {
	render := func(p termenv.Profile, scheme ui.Scheme) string {
		r := lipgloss.NewRenderer(io.Discard)
		r.SetColorProfile(p)
		th := ui.NewTheme(r, false, scheme)
		return fmt.Sprint(th.Ink.Render("x"), th.Accent.Render("x"), th.Open.Render("x"), th.Warn.Render("x"), th.Bad.Render("x"), th.Past.Render("x"), th.Next.Render("x"), th.Faint.Render("x"), th.Tint("x", 1))
	}
	if got := render(termenv.Ascii, ui.Dark); strings.Contains(got, "\x1b") {
		t.Errorf("without colours: %q", got)
	}
	for p, code := range map[termenv.Profile]string{termenv.TrueColor: "38;2;", termenv.ANSI256: "38;5;", termenv.ANSI: "[3"} {
		dark, light := render(p, ui.Dark), render(p, ui.Light)
		if strings.Count(dark, code) < 7 || p != termenv.ANSI && dark == light || strings.Contains(dark, "[2m") {
			t.Errorf("dark %q, light %q", dark, light)
		}
	}
	for env, want := range map[string]ui.Scheme{"15;0": ui.Dark, "0;15": ui.Light, "0;default;15": ui.Light, "": ui.Auto} {
		t.Setenv("COLORFGBG", env)
		if got := ui.SchemeOf(""); got != want {
			t.Errorf("COLORFGBG=%q is %q", env, got)
		}
	}
	if ui.SchemeOf("light") != ui.Light {
		t.Error("a choice does not count")
	}
}

// Causes never sum to more than all.
func TestCausesSumToAll(t *testing.T) {
	for name, r := range map[string]diag.Report{"behind": behind(t), "unexplained": unexplained(t)} {
		sum := 0.0
		for _, c := range r.Causes {
			sum += c.Likelihood
		}
		if sum > 1.0001 || len(r.Causes) == 0 {
			t.Errorf("%s: causes sum to %v: %+v", name, sum, r.Causes)
		}
	}
}

// An edit of the port counts at once; a fix of this run stays when the list was shown.
func TestEntriesFollowTheFile(t *testing.T) {
	m, path := onHosts(t, "[hosts.alpha]\nsecret = \"f00b4r\"\n")
	open := func() {
		var cmd tea.Cmd
		m, cmd = update(tell(m, press("1")), enter)
		m = follow(t, m, cmd)
	}
	open()
	skew := time.Hour
	m.Config.HostsPath = "" // the fix cannot be stored
	m.Apply(m.knock, hosts.Change{Skew: &skew}, "a test")
	m.Config.HostsPath = path
	if open(); m.Host.Skew != time.Hour {
		t.Errorf("the skew of this run is %v after the list", m.Host.Skew)
	}
	if err := os.WriteFile(path, []byte("[hosts.alpha]\nsecret = \"f00b4r\"\nssh_port = 2222\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if open(); m.Target.Addr.String() != "203.0.113.7:2222" {
		t.Errorf("after the edit the target is %v", m.Target.Addr)
	}
}

// A pinned address is kept for each server.
func TestAddressesStayApart(t *testing.T) {
	m, _ := onHosts(t, "[hosts.alpha]\nsecret = \"f00b4r\"\n[hosts.beta]\nsecret = \"other\"\n")
	m, cmd := update(tell(m, press("1"), tea.KeyMsg{Type: tea.KeyDown}), enter)
	m = follow(t, m, cmd)
	m = tell(m, fromJob{netip.MustParseAddr("203.0.113.9")}, jobOver{errors.New("no")})
	shows(t, m, "beta 203.0.113.9:22 (IPv4)")
	m, cmd = update(tell(m, press("1"), tea.KeyMsg{Type: tea.KeyUp}), enter)
	shows(t, follow(t, m, cmd), "alpha 203.0.113.7:22 (IPv4)")
}
