package tui

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	tea "github.com/charmbracelet/bubbletea"

	"rapport/knock"
)

// strictRulesOf writes what iptables-save prints of a gate that removes a client from
// its phase after any wrong packet.
func strictRulesOf(ports [knock.Knocks]uint16) string {
	const in = "-A IN -p tcp -m state --state NEW -m tcp"
	recent := func(do string, k int) string {
		return fmt.Sprintf(" -m recent --%s --name P%d --mask 255.255.255.255 --rsource", do, k)
	}
	var s strings.Builder
	s.WriteString("*filter\n:INPUT ACCEPT [0:0]\n:IN - [0:0]\n")
	for k := range knock.Knocks {
		fmt.Fprintf(&s, ":INTO%d - [0:0]\n-A INTO%d%s -j DROP\n", k, k, recent("set", k))
	}
	s.WriteString("-A INPUT -j IN\n-A IN -m state --state RELATED,ESTABLISHED -j ACCEPT\n")
	fmt.Fprintf(&s, "%s --dport 22%s -j ACCEPT\n", in, recent("rcheck --seconds 30", knock.Knocks-1))
	for k := knock.Knocks - 1; k > 0; k-- {
		fmt.Fprintf(&s, "%s%s -j DROP\n", in, recent("remove", k))
		fmt.Fprintf(&s, "%s --dport %d%s -j INTO%d\n", in, ports[k], recent("rcheck", k-1), k)
	}
	fmt.Fprintf(&s, "%s%s -j DROP\n%s --dport %d -j INTO0\n-A IN -j DROP\nCOMMIT\n", in, recent("remove", 0), in, ports[0])
	return s.String()
}

// f applies the gate's strictness and sweep guard, for this run and in the hosts file.
func TestRulesAppliesStrictAndSweepGuard(t *testing.T) {
	t.Parallel()
	now := noon
	path := filepath.Join(t.TempDir(), "hosts.toml")
	if err := os.WriteFile(path, []byte("[hosts.myserver]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	m := tell(newScreen(t, &now, func(c *Config) { c.HostsPath = path }), tea.WindowSizeMsg{Width: 120, Height: 40}, press("c"))
	m = unfold(t, tell(m, paste(rulesOf(t, knock.HourOf(noon), knock.DefaultRange))), enter)
	if c := m.rules.Change(); !c.IsZero() {
		t.Fatalf("the article's gate offers %v", c)
	}
	m = unfold(t, tell(m, press("c"), paste(strictRulesOf(m.Sequence(m.Hour()).Ports()))), enter)
	m.rules.Result.Gate.SweepGuard = 30 // such rules have none
	shows(t, m, "apply strict, sweep guard 30")
	m = unfold(t, m, press("f"))
	if got := m.Target; !got.Strict || got.SweepGuard != 30 {
		t.Errorf("the next handshake goes to %+v", got)
	}
	shows(t, m, "applied strict, sweep guard 30, written to ")
	text, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(text), "strict = true\nsweep_guard = 30\n") {
		t.Errorf("%v, hosts file:\n%s", err, text)
	}
}
