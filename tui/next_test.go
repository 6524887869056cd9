package tui

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"rapport/knock"
	"rapport/knock/hosts/history"
	"rapport/tui/ui"
)

// inDemo returns the screens on the demo, where knocks are received and SSH is refused.
func inDemo(t *testing.T) *app {
	t.Helper()
	now := noon
	m := newScreen(t, &now, func(c *Config) { c.Demo = true })
	return tell(m, over(nil, knocked(5, func(r *knock.Report) {
		r.Before.State, r.SSH.State = knock.SSHRefused, knock.SSHRefused
		for i := range r.Attempts[0].Knocks {
			r.Attempts[0].Knocks[i].Answer = knock.Open
		}
	}))...)
}

// The demo sees its knocks: with all of them received, it is not the gate that is shut.
func TestReceivedKnocksOpenTheGate(t *testing.T) {
	m := inDemo(t)
	for _, s := range sizes[1:] {
		m = tell(m, tea.WindowSizeMsg{Width: s.Width, Height: s.Height})
		shows(t, m, "SSH REFUSED", "the gate is open", "received")
		if v := m.View(); strings.Contains(v, "stayed shut") || strings.Contains(v, "receivedreceived") || strings.Contains(v, "received…") {
			t.Errorf("at %v:\n%s", s, v)
		}
	}
	some := func(n int) func(*knock.Report) {
		return func(r *knock.Report) {
			for i := range r.Attempts[0].Knocks[:n] {
				r.Attempts[0].Knocks[i].Answer = knock.Open
			}
			r.SSH.State = knock.SSHRefused
		}
	}
	for n, want := range map[int]string{0: "no knock was received", 3: "3 of 5 knocks were received", 5: "the gate is open"} {
		if text := m.Outcome(knocked(5, some(n))); !strings.Contains(text, want) {
			t.Errorf("with %d received it says %q", n, text)
		}
	}
}

// What a diagnosis found is offered where the user comes back to, until it is applied.
func TestTheFixIsTheNextStep(t *testing.T) {
	m, _ := onHosts(t, "[hosts.alpha]\nsecret = \"f00b4r\"\n")
	m = tell(m, over(nil, knocked(5, shut))...)
	shows(t, m, "d find out why SSH does not open")
	m = tell(tell(m, diagnosed(behind(t))...), press("2"))
	shows(t, m, "f apply skew -3h, and knock", "d the verdict: server-clock-behind")
	shows(t, tell(m, tea.WindowSizeMsg{Width: 80, Height: 24}), "f applies skew -3h")
	m = tell(m, press("f"))
	if m.Host.Skew.Hours() != -3 || m.Wire.Job == nil || !m.Fix.IsZero() {
		t.Fatalf("skew %v, job %v, fix %v", m.Host.Skew, m.Wire.Job, m.Fix)
	}
	m = tell(m, jobOver{}, press("u"))
	if m.Host.Skew != 0 || m.Fix.IsZero() {
		t.Errorf("after u the skew is %v, and the fix %v", m.Host.Skew, m.Fix)
	}
}

// With one server there is nothing to choose: it is opened.
func TestOneServerIsOpened(t *testing.T) {
	for text, opens := range map[string]bool{
		"[hosts.alpha]\nsecret = \"f00b4r\"\n":               true,
		"[hosts.alpha]\nsecret = \"f00b4r\"\n[hosts.beta]\n": false,
	} {
		m, _ := newList(t, text)
		if m = follow(t, m, m.begin); (m.shown == m.knock && m.knock != nil) != opens {
			t.Errorf("%q opens %v:\n%s", text, m.shown, m.View())
		}
	}
	m, _ := newList(t, "[hosts.alpha]\n")
	shows(t, follow(t, m, m.begin), "the secret of alpha")
}

// A hosts file that cannot be read says what to do, and is read again.
func TestABrokenHostsFileSaysWhatToDo(t *testing.T) {
	m, path := newList(t, "[hosts.alpha]\naddress = \n[hosts.beta]\n")
	shows(t, m, "hosts.toml:2:", "1 reads it again", "rapport --config PATH")
	if err := os.WriteFile(path, []byte("[hosts.alpha]\n[hosts.beta]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	shows(t, tell(m, press("1")), "alpha", "beta", "2 servers")
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	shows(t, tell(m, press("1")), "run chmod 600")
}

// The palette says which part of it is shown.
func TestPaletteSaysThatItScrolls(t *testing.T) {
	m := styled(t, looks[0])
	m = tell(m, tea.WindowSizeMsg{Width: 80, Height: 24}, press(":"))
	shows(t, m, "1-13 of")
	for range 20 {
		m = tell(m, tea.KeyMsg{Type: tea.KeyDown})
	}
	if strings.Contains(m.View(), " 1-13 of") {
		t.Errorf("it did not scroll:\n%s", m.View())
	}
	for _, r := range "mask" {
		m = tell(m, press(string(r)))
	}
	if strings.Contains(m.View(), " of 1") {
		t.Errorf("all is shown, and it says that not all is:\n%s", m.View())
	}
}

// Before anything is typed, nothing is wrong.
func TestTheFormWarnsOfNothingUntouched(t *testing.T) {
	m, _ := newList(t, "")
	m = tell(m, tea.WindowSizeMsg{Width: 200, Height: 50})
	shows(t, m, "next: give the server a name")
	m = tell(m, typing("x", "tab", "tab", "9999")...)
	shows(t, m, "wrong: ", "ssh_port 229999")
}

// The line that y copies is the chosen one; e shows what rapport rules would make, and
// offers no change.
func TestRulesAreAwaitedWithHelp(t *testing.T) {
	m := styled(t, looks[0])
	var copied string
	m.Config.Clipboard = func(s string) { copied = s }
	m = tell(m, tea.WindowSizeMsg{Width: 80, Height: 24}, press("6"), tea.KeyMsg{Type: tea.KeyDown})
	_, cmd := update(m, press("y"))
	if cmd(); copied != "nft list ruleset" {
		t.Errorf("y copies %q", copied)
	}
	m = unfold(t, m, press("e"))
	shows(t, m, "an example", "hour, range and secret are the same here")
	m = tell(m, tea.KeyMsg{Type: tea.KeyTab})
	shows(t, m, "SSH opens")
	if c := m.rules.Change(); !c.IsZero() {
		t.Errorf("the example offers %v", c)
	}
	// Later letters are text.
	m = tell(m, press("c"), press("p"), press("y"), press("e"))
	if got := string(m.rules.Text.Bytes); got != "pye" {
		t.Errorf("the text is %q", got)
	}
}

// On loopback a clock that is read is this machine's, and says nothing of a demo's.
func TestNoClockIsReadOnLoopback(t *testing.T) {
	now := noon
	m := newScreen(t, &now, nil)
	m.Target.Addr = netip.MustParseAddrPort("127.0.0.1:2222")
	m = tell(m, tea.WindowSizeMsg{Width: 80, Height: 24}, press("4"), press("r"))
	if shows(t, m, "on loopback every clock is this machine's"); m.clocks.Job != nil {
		t.Error("the clocks are read")
	}
	m = tell(m, tea.WindowSizeMsg{Width: 120, Height: 40}) // the hours have the room
	shows(t, m, "and where those lie in", "23h 10")
	if strings.Contains(m.View(), "nothing read yet") {
		t.Error("a history of readings is shown")
	}
}

// Where not all servers fit into the last day, those with handshakes come first.
func TestTheLastDayShowsWhoKnocked(t *testing.T) {
	text := ""
	for i := range 12 {
		text += fmt.Sprintf("[hosts.host%02d]\nsecret = \"%d\"\n", i, i)
	}
	m, _ := newList(t, text)
	r := history.Handshake{Host: m.hosts.Hosts()[11].Identity(), At: noon.Add(-time.Hour), State: knock.SSHFiltered}
	if err := history.Save(m.Config.HistoryPath, r); err != nil {
		t.Fatal(err)
	}
	m = tell(m, tea.WindowSizeMsg{Width: 120, Height: 40}, press("1"))
	shows(t, m, "6 of 12 servers, next hour in")
	_, day, _ := strings.Cut(m.View(), "the last day, UTC")
	if first, last := strings.Index(day, "host11"), strings.Index(day, "host00"); first < 0 || first > last {
		t.Errorf("host11 is not the first of the day:\n%s", day)
	}
}

// The palette has what begins with the letters first, that of the shown screen before others.
func TestPaletteHasTheNearestFirst(t *testing.T) {
	m := styled(t, looks[0])
	m = tell(m, tea.WindowSizeMsg{Width: 80, Height: 24}, press(":"), press("co"))
	v := m.View()
	last := 0
	for _, want := range []string{"copy this hour's ports", "copy the five ports", "copy the lines", "and come back", "show Clocks"} {
		at := strings.Index(v, want)
		if at < last {
			t.Errorf("%q does not come next:\n%s", want, v)
		}
		last = at
	}
}

// Log and Overview list the handshakes of earlier runs, the newest first.
func TestStoredHandshakesAreListed(t *testing.T) {
	m, _ := newList(t, threeHosts)
	for i, r := range []history.Handshake{
		{At: noon.Add(-25 * time.Hour), Opened: true, Took: 17, State: knock.SSHOpen}, {At: noon.Add(-time.Hour), State: knock.SSHFiltered},
		{At: noon.Add(-2 * time.Hour), Opened: true, State: knock.SSHOpen},
	} {
		r.Host = m.hosts.Hosts()[i].Identity()
		if err := history.Save(m.Config.HistoryPath, r); err != nil {
			t.Fatal(err)
		}
	}
	for _, tab := range []string{"1", "7"} {
		m = tell(m, tea.WindowSizeMsg{Width: 120, Height: 40}, press(tab))
		shows(t, m, "handshakes", "the last of 3", "Sunday, 2026-11-22", "07:43:54 ✗ beta filtered", "gamma was open", "Saturday, 2026-11-21", "alpha 17.0 ms")
		if v := m.View(); strings.Index(v, "Sunday") > strings.Index(v, "Saturday") {
			t.Errorf("the oldest stands first:\n%s", v)
		}
	}
}

// A handshake that ends while the list is shown is listed there.
func TestAnEndedHandshakeIsListedAtOnce(t *testing.T) {
	m, _ := onHosts(t, "[hosts.alpha]\nsecret = \"f00b4r\"\n[hosts.beta]\nsecret = \"other\"\n")
	m = tell(m, press("h"))
	shows(t, m, "none is stored yet")
	m = tell(m, over(nil, knocked(5, opened))...)
	m = tell(m, ui.JobDone{}, ui.Beat(noon))
	shows(t, m, "the last of 1", "✓ alpha")
}
