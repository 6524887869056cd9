package tui

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	tea "github.com/charmbracelet/bubbletea"

	"rapport/knock"
)

// f takes over what the gate does with wrong ports, for this run and in the
// hosts file.
func TestCompareTakesStrictAndSweepGuardOver(t *testing.T) {
	now := noon
	path := filepath.Join(t.TempDir(), "hosts.toml")
	if err := os.WriteFile(path, []byte("[hosts.myserver]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	m := tell(newScreen(t, &now, func(c *Config) { c.HostsPath = path }), tea.WindowSizeMsg{Width: 120, Height: 40}, press("c"))
	m = tell(m, paste(rulesOf(t, knock.HourOf(noon), knock.DefaultRange)))
	m = unfold(t, m, enter)
	a := m.(app)
	if o := a.compare.offer(a.screen.host); o.any() {
		t.Fatalf("the article's gate offers %v", o)
	}
	g := a.compare.result.Gate
	g.Strict, g.SweepGuard = true, 30
	shows(t, m, "strict and sweep guard 30")
	m = unfold(t, m, press("f"))
	if got := m.(app).screen.target; !got.Strict || got.SweepGuard != 30 {
		t.Errorf("the next handshake goes to %+v", got)
	}
	shows(t, m, "took strict and sweep guard 30 over, written to ")
	text, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(text), "strict = true\nsweep_guard = 30\n") {
		t.Errorf("%v, hosts file:\n%s", err, text)
	}
}
