package trace_test

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rapport/knock"
	"rapport/knock/gate"
	"rapport/knock/gate/trace"
	"rapport/knock/knocktest"
	"rapport/knock/netfilter/machine"
)

func TestMain(m *testing.M) { knocktest.Main(m) }

// articlePorts are the ports of the article's rules.
var articlePorts = []uint16{10247, 10363, 10357, 10858, 10938}

// rules returns a text of rules.
func rules(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "testdata", "rules", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func readRules(t *testing.T, text string) gate.Findings {
	t.Helper()
	f, err := gate.ReadRules(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// at is the time by the clocks of these tests.
var at = time.Date(2026, 11, 22, 8, 30, 0, 0, time.UTC)

// handshakeOf is the article's handshake, with a gap.
func handshakeOf(gap time.Duration) trace.Request {
	return trace.Request{Gap: gap, Packets: trace.Handshake([knock.Knocks]uint16(articlePorts), 22, gap)}
}

// lineOf returns the number of the line that starts with a text.
func lineOf(t *testing.T, text, start string) int {
	t.Helper()
	for i, line := range strings.Split(text, "\n") {
		if strings.HasPrefix(strings.TrimSpace(line), start) {
			return i + 1
		}
	}
	t.Fatalf("no line starts with %q", start)
	return 0
}

// broken is a firewall around the gate that eats the third knock.
type broken struct {
	name string
	text string
	gap  time.Duration
	rule string          // the line of the rule that does starts so
	want machine.Verdict // empty: it only leaves the knock to the next rule
}

func brokenFirewalls(t *testing.T) []broken {
	t.Helper()
	save, nft := rules(t, "article.save"), rules(t, "native.nft")
	const call = "-A INPUT -j portknocking\n"
	const phase3 = "-A portknocking -p tcp -m tcp --dport 10357 "
	before := func(rule string) string { return strings.Replace(save, call, rule+"\n"+call, 1) }
	calls := func(rule, chain string) string {
		return strings.NewReplacer("COMMIT", chain+"\nCOMMIT", ":portknocking -", ":other - [0:0]\n:portknocking -").Replace(before(rule))
	}
	table := func(name, chain, rule string) string {
		return "*" + name + "\n:" + chain + " ACCEPT [0:0]\n" + rule + "\nCOMMIT\n" + save
	}
	return []broken{
		{"the port is dropped", before("-A INPUT -p tcp -m tcp --dport 10357 -j DROP"), 0, "-A INPUT -p tcp -m tcp --dport 10357", machine.Drop},
		{"a range of ports is rejected", before("-A INPUT -p tcp -m tcp --dport 10350:10360 -j REJECT --reject-with tcp-reset"), 0, "-A INPUT -p tcp -m tcp --dport 10350:10360", machine.Reject},
		{"another service accepts the port", before("-A INPUT -p tcp -m multiport --dports 80,10357 -j ACCEPT"), 0, "-A INPUT -p tcp -m multiport", machine.Accept},
		{"a list counts SYNs", before("-A INPUT -p tcp -m tcp --syn -m recent --set --name SYNS\n-A INPUT -m recent --rcheck --seconds 10 --hitcount 3 --name SYNS -j DROP"), 0, "-A INPUT -m recent --rcheck --seconds 10", machine.Drop},
		{"a limit on SYNs of an address", before("-A INPUT -p tcp -m tcp --syn -m hashlimit --hashlimit-above 1/sec --hashlimit-burst 2 --hashlimit-mode srcip --hashlimit-name syns -j DROP"), 0, "-A INPUT -p tcp -m tcp --syn -m hashlimit", machine.Drop},
		{"a limit on new connections of all", before("-A INPUT -m state --state NEW -m limit --limit 1/sec --limit-burst 2 -j RETURN\n-A INPUT -m state --state NEW -p tcp ! --dport 22 -j DROP"), 0, "-A INPUT -m state --state NEW -m limit --limit 1/sec", ""},
		{"a chain that drops", calls("-A INPUT -p tcp -m tcp --dport 10350:10360 -j other", "-A other -m limit --limit 3/min -j LOG\n-A other -j DROP"), 0, "-A other -j DROP", machine.Drop},
		{"raw drops it", table("raw", "PREROUTING", "-A PREROUTING -p tcp -m tcp --dport 10357 -j DROP"), 0, "-A PREROUTING -p tcp", machine.Drop},
		{"mangle drops it", table("mangle", "INPUT", "-A INPUT -p tcp -m tcp --dport 10357 -j DROP"), 0, "-A INPUT -p tcp -m tcp --dport 10357 -j DROP", machine.Drop},
		{"a chain that bans scanners", calls("-A INPUT -p tcp -m tcp --syn -j other", "-A other -m recent --name SCAN --update --seconds 60 --hitcount 2 -j DROP\n-A other -m recent --name SCAN --set"), 0, "-A other -m recent --name SCAN --update", machine.Drop},
		{"nft: another table drops it", nft + "table inet other {\n\tchain input {\n\t\ttype filter hook input priority -200; policy accept;\n\t\ttcp dport { 10357, 4444 } drop\n\t}\n}\n", 0, "tcp dport { 10357, 4444 } drop", machine.Drop},
		{"the client is too slow", strings.Replace(save, "--seconds 5 --name PK_PHASE2", "--seconds 2 --name PK_PHASE2", 1), 3 * time.Second, phase3, machine.Drop},
	}
}

// The trace of the third knock names the rule.
func TestTraceNamesTheRuleThatAteAKnock(t *testing.T) {
	for _, tt := range brokenFirewalls(t) {
		t.Run(tt.name, func(t *testing.T) {
			got, err := trace.Run(readRules(t, tt.text), handshakeOf(max(tt.gap, time.Millisecond)))
			if err != nil || got.Opened || len(got.Packets) != 6 {
				t.Fatalf("opened %v, %v", got.Opened, err)
			}
			third, line := got.Packets[2], lineOf(t, tt.text, tt.rule)
			named := third.Decided != nil && third.Decided.Line == line
			for _, m := range third.Missed {
				named = named || m.Line == line && m.Reason != ""
			}
			for _, h := range third.Hits { // a limit that lets two through leaves it to the next rule
				named = named || tt.want == "" && h.Line == line && h.Outcome == "no" && strings.HasPrefix(h.Reason, "over ")
			}
			if third.PhaseBefore != 2 && tt.want != "" && tt.gap == 0 || third.PhaseAfter == 3 || !named || tt.want != "" && third.Verdict != tt.want {
				t.Errorf("%+v, want line %d", third, line)
			}
		})
	}
}

// A kernel counts as many packets at each rule as the trace has matches.
func TestTraceIsWhatAKernelDoes(t *testing.T) {
	knocktest.Need(t, "iptables-restore", "iptables-save")
	s := knocktest.NewServer(t, knocktest.Options{At: at, NoSSHD: true, NoGate: true})
	for _, tt := range append(brokenFirewalls(t), broken{name: "the article's", text: rules(t, "article.save")}) {
		if tt.gap > 0 || strings.Contains(tt.text, "table inet") {
			continue // nft's rules do not count
		}
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "rules")
			knocktest.WriteFile(t, path, tt.text, 0o600)
			s.Run(t, "nft", "flush", "ruleset") // and with the rules their lists
			s.Run(t, "iptables-restore", path)
			for _, p := range append(articlePorts, 22) {
				d := net.Dialer{Timeout: 20 * time.Millisecond}
				if c, err := d.Dial("tcp", netip.AddrPortFrom(s.Addr4, p).String()); err == nil {
					c.Close()
				}
			}
			text := s.Run(t, "iptables-save", "-c")
			r := handshakeOf(20 * time.Millisecond)
			r.From = s.Client4
			got, err := trace.Run(readRules(t, text), r)
			if err != nil {
				t.Fatal(err)
			}
			matched := map[int]int{}
			for _, p := range got.Packets {
				for _, h := range p.Hits {
					if h.Outcome == "yes" && h.Rule > 0 {
						matched[h.Line]++
					}
				}
			}
			for i, line := range strings.Split(text, "\n") {
				var n, bytes int
				if _, err := fmt.Sscanf(line, "[%d:%d] -A", &n, &bytes); err == nil && n != matched[i+1] {
					t.Errorf("the kernel counts %d, the trace %d: %s", n, matched[i+1], line)
				}
			}
		})
	}
}

func TestTrace(t *testing.T) {
	save := rules(t, "article.save")
	request := func(from string, packets ...string) trace.Request {
		t.Helper()
		r, err := trace.ParseRequest(packets, from, time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	for _, tt := range []struct {
		name   string
		text   string
		r      trace.Request
		phases string // before and after each packet
		opened bool
		unsure int
	}{
		{"the gate's own knocks", save, trace.Request{}, "01 12 23 34 45 55", true, 0},
		{"a handshake", save, handshakeOf(time.Second), "01 12 23 34 45 55", true, 0},
		{"IPv6", rules(t, "article6.save"), trace.Request{Family: knock.Family6}, "01 12 23 34 45 55", true, 0},
		{"nft", rules(t, "native.nft"), trace.Request{}, "01 12 23 34 45 55", true, 0},
		{"two addresses", save, request("192.0.2.1", "tcp/10247", "tcp/10363@192.0.2.2", "tcp/10363"), "01 00 12", false, 0},
		{"UDP is no knock", save, request("", "tcp/10247", "udp/10363"), "01 11", false, 0},
		{"a pause", save, request("", "tcp/10247", "tcp/10363@+7s"), "01 00", false, 0},
		{"an address and a time", save, request("", "tcp/10247@192.0.2.1", "tcp/10363@+7s@192.0.2.2"), "01 00", false, 0},
		{"an ipset that is not shown", strings.Replace(save, "-A INPUT -j portknocking", "-A INPUT -m set --match-set banned src -j DROP\n-A INPUT -j portknocking", 1), trace.Request{}, "01 12 23 34 45 55", false, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			played, err := trace.Run(readRules(t, tt.text), tt.r)
			var phases []string
			for _, p := range played.Packets {
				phases = append(phases, fmt.Sprint(p.PhaseBefore, p.PhaseAfter)[:1]+fmt.Sprint(p.PhaseAfter))
			}
			if got := strings.Join(phases, " "); err != nil || tt.phases != "" && got != tt.phases || played.Opened != tt.opened || len(played.Unmodelled) != tt.unsure {
				t.Errorf("phases %q, want %q; opened %v, %+v, %v", got, tt.phases, played.Opened, played.Unmodelled, err)
			}
		})
	}
	for _, s := range []string{"", "tcp", "tcp/0", "tcp/65536", "icmp/1", "tcp/22@", "tcp/22@x", "tcp/22@+x", "tcp/22@+-1s", "tcp/22@fe80::1%eth0", "tcp/22@@+1s", "tcp/22@+1s@+3s", "tcp/22@192.0.2.1@192.0.2.2"} {
		if _, err := trace.ParseRequest([]string{s}, "", 0); err == nil {
			t.Errorf("packet %q: no error", s)
		}
	}
	f := readRules(t, save)
	if _, err := trace.Run(f, trace.Request{From: netip.MustParseAddr("2001:db8::1"), Family: knock.Family4}); err == nil {
		t.Error("an IPv6 source in IPv4: no error")
	}
	if _, err := trace.Run(readRules(t, rules(t, "nogate.save")), trace.Request{}); err == nil {
		t.Error("no gate and no packets: no error")
	}
}

// A client that a set lets in needs no knocks, and one that it does not has made them.
func TestTraceOfASetThatIsNotShown(t *testing.T) {
	const call = "-A INPUT -j portknocking\n"
	for rule, want := range map[string]machine.Truth{
		"-A INPUT -p tcp -m set --match-set allow src -j ACCEPT\n": machine.Yes,
		"-A INPUT -p tcp -m set --match-set ban src -j DROP\n":     machine.Unknown,
	} {
		got, err := trace.Run(readRules(t, strings.Replace(rules(t, "article.save"), call, rule+call, 1)), handshakeOf(time.Millisecond))
		if err != nil || got.Opens() != want {
			t.Errorf("%s%v, %v", rule, got.Opens(), err)
		}
	}
}

// Where a rule that is not modelled may have eaten a knock, the trace names that rule,
// and not only the one that asks for the knock later.
func TestNamesTheRuleInDoubt(t *testing.T) {
	text := rules(t, "article.save")
	call := "-A INPUT -j portknocking"
	const eats = "-A INPUT -p tcp -m tcp --dport 10357 -m ttl --ttl-lt 65 -j DROP"
	text = strings.Replace(text, call, eats+"\n"+call, 1)
	got, err := trace.Run(readRules(t, text), handshakeOf(time.Millisecond))
	if err != nil || got.Opens() != machine.Unknown || len(got.Unmodelled) == 0 || got.Unmodelled[0].Text != eats || got.Unmodelled[0].Line != lineOf(t, text, eats) {
		t.Errorf("%+v, %v", got.Unmodelled, err)
	}
}

func TestIn(t *testing.T) {
	const call = "-A INPUT -j portknocking\n"
	for rule, want := range map[string]string{
		call:                                 "",
		"-A INPUT -i eth1 -j portknocking\n": "eth1",
		"-A INPUT ! -i lo -j portknocking\n": "",
		"-A INPUT -i eth0 -j LOG\n" + call:   "",
		"-A INPUT -i eth0 -m recent --set --name SYNS --rsource\n" + call: "",
	} {
		played, err := trace.Run(readRules(t, strings.Replace(rules(t, "article.save"), call, rule, 1)), handshakeOf(0))
		if err != nil {
			t.Fatal(err)
		}
		if got := played.In(); got != want {
			t.Errorf("%s: comes in by %q, want %q", rule, got, want)
		}
	}
}
