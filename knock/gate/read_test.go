package gate_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"rapport/knock"
	"rapport/knock/gate"
	"rapport/knock/knocktest"
	"rapport/knock/netfilter"
)

// The ports of f00b4r, 10000-10999, 2026-11-22-08.
var articlePorts = []uint16{10247, 10363, 10357, 10858, 10938}

// rules returns texts of testdata/rules, one after the other.
func rules(t testing.TB, names ...string) string {
	t.Helper()
	var all strings.Builder
	for _, n := range names {
		text, err := os.ReadFile(filepath.Join("testdata", "rules", n))
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}

func readRules(t testing.TB, text string) gate.Findings {
	t.Helper()
	f, err := gate.ReadRules(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// listed turns iptables-save into what iptables -S prints.
func listed(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		switch f := strings.Fields(line); {
		case strings.HasPrefix(line, ":") && f[1] == "-":
			b.WriteString("-N " + f[0][1:] + "\n")
		case strings.HasPrefix(line, ":"):
			b.WriteString("-P " + f[0][1:] + " " + f[1] + "\n")
		case strings.HasPrefix(line, "-A"):
			b.WriteString(line)
		}
	}
	return b.String()
}

func TestReadRulesFindsTheGate(t *testing.T) {
	s := time.Second
	fives := []time.Duration{5 * s, 5 * s, 5 * s, 5 * s, 5 * s}
	both := []knock.Family{knock.Family4, knock.Family6}
	numeric := numbers.Replace(rules(t, "native.nft"))
	for _, tt := range []struct {
		name     string
		text     string
		kind     gate.Kind
		families []knock.Family
		ports    []uint16
		windows  []time.Duration
		accept   gate.AcceptKind
		sshPort  int
		chain    string
	}{
		{"iptables-save", rules(t, "article.save"), gate.FromIPTables, both[:1], articlePorts, fives, gate.Fixed, 22, "portknocking"},
		{"ip6tables-save", rules(t, "article6.save"), gate.FromIPTables, both[1:], articlePorts, fives, gate.Fixed, 22, "portknocking"},
		{"both", rules(t, "article.save", "article6.save"), gate.FromIPTables, both, articlePorts, fives, gate.Fixed, 22, "portknocking"},
		{"iptables -S", listed(rules(t, "article.save")), gate.FromIPTables, both[:1], articlePorts, fives, gate.Fixed, 22, "portknocking"},
		{"ip6tables -S", listed(rules(t, "article6.save")), gate.FromIPTables, both[1:], articlePorts, fives, gate.Fixed, 22, "portknocking"},
		{"both with -S", listed(rules(t, "article.save", "article6.save")), gate.FromIPTables, both, articlePorts, fives, gate.Fixed, 22, "portknocking"},
		{"other names", rules(t, "other_names.save"), gate.FromIPTables, both[:1], []uint16{1, 2, 3, 4, 5},
			[]time.Duration{7 * s, 7 * s, 7 * s, 7 * s, 8 * s}, gate.OneShot, 2222, "tor"},
		{"nft", rules(t, "native.nft"), gate.FromNFT, both, articlePorts, fives, gate.Fixed, 22, "knocks"},
		{"nft -n", numeric, gate.FromNFT, both, articlePorts, fives, gate.Fixed, 22, "knocks"},
		{"a script", rules(t, "refresh.sh"), gate.FromScript, both[:1], make([]uint16, 5), fives, gate.Fixed, 22, "portknocking"},
		{"windows's line ends", strings.ReplaceAll(rules(t, "article.save"), "\n", "\r\n"), gate.FromIPTables, both[:1], articlePorts, fives, gate.Fixed, 22, "portknocking"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := readRules(t, tt.text)
			if f.Kind != tt.kind || len(f.Gates) != len(tt.families) {
				t.Fatalf("%s with %d gates: %+v", f.Kind, len(f.Gates), f.Gates)
			}
			for i, g := range f.Gates {
				if g.Family != tt.families[i] || !slices.Equal(g.Ports, tt.ports) || !slices.Equal(g.Windows, tt.windows) ||
					g.Accept != tt.accept || g.SSHPort != tt.sshPort || g.Chain != tt.chain || len(g.Lists) != 5 || len(g.Also) != 0 {
					t.Errorf("%+v", g)
				}
			}
		})
	}
}

// numbers writes native.nft as nft -n does.
var numbers = strings.NewReplacer("ct state new", "ct state 0x8", "invalid :", "0x1 :", "established :", "0x2 :", "related :", "0x4 :",
	"priority filter", "priority 0", "{ icmp, ipv6-icmp }", "{ 1, 58 }")

func TestReadRulesTellsDoorsApart(t *testing.T) {
	save, nft := rules(t, "article.save"), rules(t, "native.nft")
	const accept = "--rcheck --seconds 5 --name PK_PHASE5"
	const open = "ip saddr @phase5_4 counter packets 3 bytes 180 accept"
	for _, tt := range []struct {
		name, text string
		want       gate.AcceptKind
	}{
		{"rcheck", save, gate.Fixed},
		{"update", strings.Replace(save, accept, "--update --seconds 5 --name PK_PHASE5", 1), gate.Sliding},
		{"remove", strings.NewReplacer(" -m tcp --dport 22 -j portknock_accept", " -j portknock_accept", "-m recent "+accept, "-m tcp --dport 22 -m recent --remove --name PK_PHASE5").Replace(save), gate.OneShot},
		{"remove in the chain", strings.Replace(save, "-A portknock_accept -j ACCEPT",
			"-A portknock_accept -m recent --remove --name PK_PHASE5 --mask 255.255.255.255 --rsource\n-A portknock_accept -j ACCEPT", 1), gate.OneShot},
		{"all others dropped", strings.Replace(save, accept, "! --rcheck --seconds 5 --name PK_PHASE5", 1) + "", gate.Fixed},
		{"nft", nft, gate.Fixed},
		{"nft update", strings.Replace(nft, open, "ip saddr @phase5_4 update @phase5_4 { ip saddr } accept", 1), gate.Sliding},
		{"nft delete", strings.Replace(nft, open, "ip saddr @phase5_4 delete @phase5_4 { ip saddr } accept", 1), gate.OneShot},
		{"nft, all others dropped", strings.Replace(nft, open, "ip saddr != @phase5_4 drop", 1), gate.Fixed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.name == "all others dropped" {
				tt.text = strings.Replace(tt.text, "-j portknock_accept", "-j DROP", 1)
			}
			g, ok := readRules(t, tt.text).Gate()
			if !ok || g.Accept != tt.want || g.SSHPort != 22 || !slices.Equal(g.Ports, articlePorts) {
				t.Errorf("%v %+v", ok, g)
			}
		})
	}
}

// While the previous hour's sequence is still taken, there are two.
func TestReadRulesFindsAllSequences(t *testing.T) {
	var text strings.Builder
	for line := range strings.Lines(rules(t, "article.save")) {
		text.WriteString(line)
		if strings.HasPrefix(line, "-A portknocking") {
			text.WriteString(strings.Replace(line, "--dport 10", "--dport 20", 1))
		}
	}
	g, _ := readRules(t, text.String()).Gate()
	if want := []uint16{20247, 20363, 20357, 20858, 20938}; !slices.Equal(g.Ports, articlePorts) || len(g.Also) != 1 || !slices.Equal(g.Also[0], want) {
		t.Errorf("%v, also %v", g.Ports, g.Also)
	}
}

func TestReadRulesWithoutAGate(t *testing.T) {
	for _, name := range []string{"nogate.save"} {
		if f := readRules(t, rules(t, name)); len(f.Gates) != 0 {
			t.Errorf("%s: %+v", name, f.Gates)
		}
	}
	for text, want := range map[string]error{
		"":                             netfilter.ErrNoRules,
		"root:x:0:0::/root:/bin/sh\n":  netfilter.ErrNoRules,
		strings.Repeat("# x\n", 2<<20): netfilter.ErrLongRules,
		"table ip filter {\n\tchain x {\n\t\ttcp dport 10363 ct state new xt match recent counter jump y\n\t}\n}\n": netfilter.ErrOpaqueRules,
	} {
		if _, err := gate.ReadRules(strings.NewReader(text)); !errors.Is(err, want) {
			t.Errorf("%.40q: %v, want %v", text, err, want)
		}
	}
}

// Chains that call each other, or each the next one many times over, end.
func TestReadRulesEnds(t *testing.T) {
	var b strings.Builder
	b.WriteString("*filter\n:INPUT DROP [0:0]\n-A INPUT -j a\n-A a -j b\n-A b -j a\n-A INPUT -j c0\n")
	for i := range 40 {
		for range 8 {
			b.WriteString("-A c" + string(rune('0'+i)) + " -j c" + string(rune('0'+i+1)) + "\n")
		}
		b.WriteString("-A c" + string(rune('0'+i)) + " -p udp -j ACCEPT\n")
	}
	readRules(t, b.String()+"COMMIT\n")
}

// What the tools of this machine print for the article's server.
func TestReadRulesOfARealServer(t *testing.T) {
	s := knocktest.NewServer(t, knocktest.Options{At: solveHour.Start().Add(30 * time.Minute), Window: 4 * time.Second, SSHPort: 2022, NoSSHD: true})
	knocktest.Need(t, "iptables-save", "ip6tables-save", "nft")
	save4, save6 := s.Run(t, "iptables-save"), s.Run(t, "ip6tables-save")
	for name, text := range map[string]string{
		"saved":    save4 + save6,
		"counters": s.Run(t, "iptables-save", "-c") + s.Run(t, "ip6tables-save", "-c"),
		"listed":   s.Run(t, "iptables", "-S") + s.Run(t, "ip6tables", "-S"),
	} {
		f := readRules(t, text)
		if len(f.Gates) != 2 {
			t.Fatalf("%s: %+v\n%s", name, f.Gates, text)
		}
		for _, g := range f.Gates {
			if !slices.Equal(g.Ports, articlePorts) || g.SSHPort != 2022 || g.Window() != 4*time.Second || g.Accept != gate.Fixed {
				t.Errorf("%s: %+v", name, g)
			}
		}
		if got := codes(f.Problems(gate.Facts{SSHPort: 2022})); !slices.Equal(got, []string{"no-sweep-guard", "knocks-not-syn", "list-size"}) {
			t.Errorf("%s: problems %q", name, got)
		}
	}
	if got := codes(readRules(t, save6).Problems(gate.Facts{})); !slices.Equal(got, []string{"no-sweep-guard", "knocks-not-syn", "list-size"}) {
		t.Errorf("IPv6 alone: %q", got)
	}
	if _, err := gate.ReadRules(strings.NewReader(s.Run(t, "nft", "list", "ruleset"))); !errors.Is(err, netfilter.ErrOpaqueRules) {
		t.Errorf("nft list ruleset: %v", err)
	}

	// nft's own, as it prints them back.
	s.Run(t, "iptables", "-F")
	s.Run(t, "ip6tables", "-F")
	s.Run(t, "nft", "flush", "ruleset")
	path, err := filepath.Abs(filepath.Join("testdata", "rules", "native.nft"))
	if err != nil {
		t.Fatal(err)
	}
	s.Run(t, "nft", "-f", path)
	for _, option := range []string{"-s", "-n", "-nn", "-nnn"} {
		f := readRules(t, s.Run(t, "nft", option, "list", "ruleset"))
		if len(f.Gates) != 2 || !slices.Equal(f.Gates[0].Ports, articlePorts) || !slices.Equal(f.Gates[1].Ports, articlePorts) {
			t.Errorf("nft %s: %+v", option, f.Gates)
		}
		if got := codes(f.Problems(gate.Facts{SSHPort: 22})); !slices.Equal(got, []string{"no-sweep-guard", "knocks-not-syn"}) {
			t.Errorf("nft %s: problems %q", option, got)
		}
	}
}

// Whose rule makes a list decides on its mask: given as IPv4's it cuts IPv6
// addresses, and left out it cuts none, though iptables-save prints both alike.
func TestListsOfIPv4CutIPv6(t *testing.T) {
	s := knocktest.NewServer(t, knocktest.Options{NoSSHD: true})
	knocktest.Need(t, "bash")
	for name, mask := range map[string][]string{"LEFT_OUT": nil, "GIVEN": {"--mask", "255.255.255.255"}} {
		set := []string{"-I", "INPUT", "-p", "tcp", "--dport", "9", "-m", "recent", "--set", "--name", name}
		s.Run(t, "iptables", append(set, mask...)...)
		s.Run(t, "ip6tables", set...)
	}
	s.Run(t, "bash", "-c", "(exec 3<>/dev/tcp/::1/9) 2>/dev/null; true")
	for name, want := range map[string]string{"LEFT_OUT": "0000:0001 ", "GIVEN": "0000:0000 "} {
		if got := s.Run(t, "cat", "/proc/net/xt_recent/"+name); !strings.Contains(got, want) {
			t.Errorf("%s: %s", name, got)
		}
	}
	if saved := s.Run(t, "iptables-save"); strings.Count(saved, "--mask 255.255.255.255 --rsource\n") < 2 {
		t.Errorf("saved:\n%s", saved)
	}
}

// FuzzReadRules: whatever the text, it is read or refused, and what is told of
// it can be shown in one line.
func FuzzReadRules(f *testing.F) {
	for _, name := range []string{"article.save", "article6.save", "other_names.save", "nogate.save", "native.nft", "refresh.sh"} {
		f.Add([]byte(rules(f, name)))
	}
	f.Add([]byte("-A x -j"))
	f.Add([]byte("table ip x {chain x {iif {} accept\nip saddr {} drop\n}}"))
	f.Add([]byte("table{chain x{tcp dport vmap{1:jump y}}}table ip x\n{set a{timeout 1d"))
	f.Add([]byte("-A INPUT -m recent --name \x1b[31m --set\n\\\n*f\nCOMMIT\n-P INPUT"))
	f.Fuzz(func(t *testing.T, text []byte) {
		found, err := gate.ReadRules(strings.NewReader(string(text)))
		if err != nil {
			return
		}
		shown := []string{}
		for _, g := range found.Gates {
			shown = append(append(shown, g.Chain, string(g.Accept)), g.Lists...)
			if len(g.Ports) < 3 || len(g.Ports) != len(g.Lists) {
				t.Errorf("%+v", g)
			}
		}
		for _, p := range found.Problems(gate.Facts{SSHPort: 22}) {
			shown = append(shown, p.Code, p.Summary, p.Fix)
		}
		for _, s := range shown {
			if s != knock.Clean(s, 1<<20) {
				t.Errorf("%q does not print", s)
			}
		}
	})
}
