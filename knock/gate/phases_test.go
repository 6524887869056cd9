package gate_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"rapport/knock"
	"rapport/knock/gate"
)

// chained returns rules of a gate with so many phases.
func chained(phases int) string {
	var b strings.Builder
	b.WriteString("*filter\n:INPUT DROP [0:0]\n-A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT\n")
	fmt.Fprintf(&b, "-A INPUT -p tcp -m recent --rcheck --seconds 5 --name P%d --rsource -m tcp --dport 22 -j ACCEPT\n", phases)
	for i := phases; i > 1; i-- {
		fmt.Fprintf(&b, "-A INPUT -p tcp -m tcp --dport %d -m recent --rcheck --seconds 5 --name P%d --rsource -m recent --set --name P%d --rsource -j DROP\n", 10000+i, i-1, i)
	}
	b.WriteString("-A INPUT -p tcp -m tcp --dport 10001 -m recent --set --name P1 --rsource -j DROP\nCOMMIT\n")
	return b.String()
}

// What keeps a client from the phases is named, with the rule that does.
func TestWhatBlocksThePhases(t *testing.T) {
	save, nft := rules(t, "article.save"), rules(t, "native.nft")
	edit := func(text string, changes ...string) string {
		t.Helper()
		for i := 0; i < len(changes); i += 2 {
			if !strings.Contains(text, changes[i]) {
				t.Fatalf("no %q to change", changes[i])
			}
			text = strings.ReplaceAll(text, changes[i], changes[i+1])
		}
		return text
	}
	before := func(table, rule string) string {
		return "*" + table + "\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp -m tcp --dport " + rule + "\nCOMMIT\n" + save
	}
	const phase1 = "--seconds 5 --name PK_PHASE1"
	const goes, jumps = "-g portknock_into", "-j portknock_into"
	full := edit(nft, "set phase1_4 {", "set phase1_4 {\n\t\telements = { 192.0.2.1, 192.0.2.2 }", "timeout 5s", "", "size 65535", "size 2")
	for _, tt := range []struct {
		name, text, code string
		ports            []uint16
		want             string // a part of the summary
	}{
		{"some knocks are redirected", before("nat", "10000:10300 -j REDIRECT --to-ports 8080"), "knocks-redirected", articlePorts, "knocks to port 10247 are redirected in line 3 "},
		{"the last knock is redirected", before("nat", "10938 -j REDIRECT --to-ports 8080"), "knocks-redirected", articlePorts, "knocks to port 10938 are redirected in line 3 "},
		{"all knocks go elsewhere", before("nat", "10000:10999 -j DNAT --to-destination 10.0.0.7:80"), "knocks-redirected", articlePorts, "knocks to port 10247 are redirected in line 3 "},
		{"knocks are not tracked", before("raw", "10000:10999 -j CT --notrack"), "knocks-untracked", articlePorts, "knocks to port 10247 are not tracked, by the rule in line 3,"},
		{"20 phases", chained(20), "phases-out-of-order", nil, "opens after 20 knocks, and a client sends 5"},
		{"a phase asks for two hits", edit(save, phase1, "--seconds 5 --hitcount 2 --name PK_PHASE1"), "phases-out-of-order", nil, "the rule in line 28 asks for 2 hits of the list PK_PHASE1"},
		{"the accept rule asks for three", edit(save, "--seconds 5 --name PK_PHASE5", "--seconds 5 --hitcount 3 --name PK_PHASE5"), "phases-out-of-order", nil, "the rule in line 14 asks for 3 hits of the list PK_PHASE5"},
		{"a port twice in a row", edit(save, "10363", "10247"), "repeated-ports", []uint16{10247, 10247, 10357, 10858, 10938}, "occurs twice"},
		{"four ports are equal", edit(save, "10357", "10363", "10858", "10363", "10938", "10363"), "repeated-ports", []uint16{10247, 10363, 10363, 10363, 10363}, "opens after 2 SYNs"},
		{"all ports are equal", edit(save, "10363", "10247", "10357", "10247", "10858", "10247", "10938", "10247"), "repeated-ports", []uint16{10247, 10247, 10247, 10247, 10247}, "opens after 1 SYN"},
		{"the SSH port fills the last list", edit(save, "-A INPUT -j portknocking\n", "-A INPUT -p tcp -m tcp --dport 22 -m recent --set --name PK_PHASE5 --rsource\n-A INPUT -j portknocking\n"), "ssh-accepted", articlePorts, "before the accept rule"},
		{"SSH is redirected to another machine", before("nat", "22 -j DNAT --to-destination 172.17.0.2:22"), "ssh-accepted", articlePorts, "on their way to another machine"},
		{"and the first rule takes it", edit(save, "10363", "10247", jumps, goes), "phases-out-of-order", nil, "a port occurs twice, and the rule in line 27 takes all its SYNs: they never come to the rule in line 28"},
		{"the last port is the first", edit(save, "10938", "10247", jumps, goes), "phases-out-of-order", nil, "a port occurs twice, and the rule in line 27 takes all its SYNs: they never come to the rule in line 31"},
		{"a set has no room", full, "set-full", articlePorts, "the set phase1_4 is full"},
		{"a set had no room", edit(nft, "set phase1_4 {", "set phase1_4 {\n\t\telements = { 192.0.2.1 timeout 5s expires 4s, 192.0.2.2 timeout 5s expires 1s }", "size 65535", "size 2"), "set-full", articlePorts, "the set phase1_4 was full when it was listed"},
		{"a replay guard is used up", rules(t, "../guard-used.nft"), "guard-full", []uint16{10449, 10399, 10309, 10405, 10584}, "it opens to 1 address and no other"},
		{"a network shares all phases", edit(save, "--mask 255.255.255.255", "--mask 255.255.255.0"), "shared-phase", articlePorts, "all addresses of a /24 share phase 1"},
		{"a network shares a phase", edit(save, "--name PK_PHASE2 --mask 255.255.255.255", "--name PK_PHASE2 --mask 255.255.0.0"), "shared-phase", articlePorts, "all addresses of a /16 share phase 2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := readRules(t, tt.text)
			g, ok := f.Gate()
			problems := f.Problems(gate.Facts{SSHPort: 22})
			i := slices.Index(codes(problems), tt.code)
			if !ok || i < 0 || !strings.Contains(problems[i].Summary, tt.want) || tt.ports != nil && !slices.Equal(g.Ports, tt.ports) {
				t.Fatalf("ports %v, problems %+v", g.Ports, problems)
			}
			for _, other := range []string{"no-door", "shared-phase", "phases-out-of-order", "gate-after-accept", "gate-after-drop"} {
				if other != tt.code && slices.Contains(codes(problems), other) {
					t.Errorf("%s too: %+v", other, problems)
				}
			}
		})
	}
}

// A phase that asks for two hits is no sweep guard.
func TestHitsOfAPhaseAreNoSweepGuard(t *testing.T) {
	text := strings.ReplaceAll(rules(t, "article.save"), "--seconds 5 --name PK_PHASE5", "--seconds 5 --hitcount 2 --name PK_PHASE5")
	if g, _ := readRules(t, text).Gate(); !g.Opens() || g.SweepGuard != 0 {
		t.Errorf("opens %v, sweep guard %d", g.Opens(), g.SweepGuard)
	}
}

// A port that occurs twice in a row has the windows of its phases all the same.
func TestAPortTwiceInARowHasWindows(t *testing.T) {
	g, _ := readRules(t, strings.ReplaceAll(rules(t, "article.save"), "10363", "10247")).Gate()
	if len(g.Windows) != 5 || slices.ContainsFunc(g.Windows, func(w time.Duration) bool { return w != 5*time.Second }) {
		t.Errorf("%v", g.Windows)
	}
}

// What a text does not say is told, with its line.
func TestFlawsAreProblems(t *testing.T) {
	save, script := rules(t, "article.save"), rules(t, "refresh.sh")
	for _, tt := range []struct {
		name, text, code string
		severity         gate.Severity
		want             string
	}{
		{"a port", strings.Replace(save, "10363", "70000", 1), "impossible-value", gate.SeverityError, "line 28: port 70000 is not within 0-65535"},
		{"seconds", strings.Replace(save, "--seconds 5 --name PK_PHASE1", "--seconds -5 --name PK_PHASE1", 1), "impossible-value", gate.SeverityError, "line 28: --seconds -5 "},
		{"cut off behind the gate", strings.Split(save, "COMMIT")[0], "cut-off", gate.SeverityError, "line 31: the text ends inside table filter"},
		{"cut off before it", strings.Join(strings.Split(save, "\n")[:20], "\n"), "cut-off", gate.SeverityError, "line 20: the text ends inside table filter"},
		{"a loop", script + "for a in 1.2.3.4 5.6.7.8; do\n  iptables -A INPUT -s $a -j ACCEPT\ndone\n", "script-not-followed", gate.SeverityInfo, "line 35: the rule is in a for loop"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			problems := readRules(t, tt.text).Problems(gate.Facts{SSHPort: 22})
			i := slices.Index(codes(problems), tt.code)
			if i < 0 || problems[i].Severity != tt.severity || !strings.HasPrefix(problems[i].Summary, tt.want) {
				t.Errorf("%+v", problems)
			}
			for _, p := range problems {
				if p.Code == "no-gate" && strings.Contains(p.Summary, "another kind") {
					t.Errorf("what is missing is no other kind: %+v", p)
				}
			}
		})
	}
}

// Whichever ports of a sequence are the same, the article's gate opens after the five
// that its rules name. Fewer than three of them in a row that differ are no gate.
func TestPortsThatRepeat(t *testing.T) {
	save, six := rules(t, "article.save"), rules(t, "article6.save")
	for n := range 5 * 5 * 5 * 5 {
		ports, changes := [knock.Knocks]uint16{10400}, 1
		seen := uint16(1) // each pattern once: a new port is the next number
		valid := true
		for i, rest := 1, n; i < len(ports); i, rest = i+1, rest/5 {
			p := uint16(rest % 5)
			if valid = valid && p <= seen; p == seen {
				seen++
			}
			if ports[i] = 10400 + 7*p; ports[i] != ports[i-1] {
				changes++
			}
		}
		if !valid || changes < 3 {
			continue
		}
		f := readRules(t, withPorts(save+six, ports))
		if g, _ := f.Gate(); !slices.Equal(g.Ports, ports[:]) || len(slices.Compact(slices.Clone(g.Lists))) != len(ports) {
			t.Errorf("%v: ports %v, lists %v", ports, g.Ports, g.Lists)
		}
		for _, p := range f.Problems(gate.Facts{SSHPort: 22, ListTotal: 10000}) {
			if p.Severity == gate.SeverityError {
				t.Errorf("%v: %s", ports, p.Summary)
			}
		}
	}
}

// A rule by which fewer knocks open SSH does not hide the knocks of the gate.
func TestAShortcutDoesNotHideTheGate(t *testing.T) {
	save := rules(t, "article.save")
	for rule, want := range map[string]string{
		"--dport 80 -m recent --set --name PK_PHASE5 --rsource":                          "behind 1 knock, the first to port 80, by the rule in line ",
		"--dport 22 -m recent --rcheck --seconds 5 --name PK_PHASE2 --rsource -j ACCEPT": "behind 2 knocks, the first that of phase 1, by the rule in line 13,",
	} {
		f := readRules(t, strings.Replace(save, "-A INPUT -j portknocking\n", "-A INPUT -p tcp -m tcp "+rule+"\n-A INPUT -j portknocking\n", 1))
		problems := f.Problems(gate.Facts{SSHPort: 22})
		if g, _ := f.Gate(); !slices.Equal(g.Ports, articlePorts) || len(problems) == 0 || problems[0].Code != "ssh-accepted" || !strings.Contains(problems[0].Summary, want) {
			t.Errorf("%s: ports %v, problems %+v", rule, g.Ports, problems)
		}
	}
}
