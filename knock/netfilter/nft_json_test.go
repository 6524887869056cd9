package netfilter_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"rapport/knock/knocktest"
	"rapport/knock/netfilter"
	"rapport/knock/netfilter/machine"
)

func TestMain(m *testing.M) { knocktest.Main(m) }

// nft runs nft in the network of the tests.
func nft(t *testing.T, args ...string) []byte {
	t.Helper()
	out, err := exec.Command("nft", args...).Output()
	if err != nil {
		t.Fatalf("nft %v: %v", args, err)
	}
	return out
}

// Both forms that nft prints are the same rules.
func TestJSONIsReadAsTextIs(t *testing.T) {
	files, err := filepath.Glob("testdata/nft/*.nft")
	if err != nil {
		t.Fatal(err)
	}
	gates, err := filepath.Glob("../gate/testdata/*/*.nft")
	if err != nil {
		t.Fatal(err)
	}
	gates = append(gates, "../gate/testdata/guard-used.nft")
	for _, file := range append(files, gates...) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			knocktest.Need(t, "nft")
			nft(t, "flush", "ruleset")
			nft(t, "-f", file)
			sameRules(t, nft(t, "list", "ruleset"), nft(t, "-j", "list", "ruleset"))
		})
	}
}

// The same for dumps in files, which need no nft.
func TestJSONDumpsAreReadAsTextIs(t *testing.T) {
	for _, name := range []string{"native", "strict", "concatenations", "meters", "states"} {
		t.Run(name, func(t *testing.T) {
			sameRules(t, readFile(t, name+".txt"), readFile(t, name+".json"))
		})
	}
}

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "dumps", name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func parse(t testing.TB, text string) *machine.Ruleset {
	t.Helper()
	r, err := netfilter.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// sameRules compares the rules of a text with those of its JSON, and plays packets
// through both.
func sameRules(t *testing.T, text, json []byte) {
	t.Helper()
	a, b := parse(t, string(text)), parse(t, string(json))
	if x, y := describe(a), describe(b); x != y {
		t.Errorf("the text has\n%s\nthe JSON has\n%s", x, y)
	}
	m, n := a.NewMachine(), b.NewMachine()
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 600 {
		p, at := randomPacket(random), time.Duration(i)*300*time.Millisecond
		v, w := m.Deliver(p, at), n.Deliver(p, at)
		if x, y := outcome(v), outcome(w); x != y {
			t.Fatalf("packet %d, %+v: the text says %s, the JSON %s", i, p, x, y)
		}
	}
}

// hexadecimal is what only the text has: marks.
var hexadecimal = regexp.MustCompile(`\b0x[0-9a-f]+\b`)

// describe returns all of the rules but their lines.
func describe(r *machine.Ruleset) string {
	var b strings.Builder
	for _, t := range r.Tables {
		fmt.Fprintln(&b, "table", t.Name, t.V4, t.V6, t.Whole, len(t.Chains), len(t.Sets))
		for _, c := range t.Chains {
			fmt.Fprintln(&b, "chain", c.Name, c.Hook, c.NAT, c.Priority, c.Policy)
			for _, rule := range c.Rules {
				fmt.Fprintln(&b, rule.Count, rule.Text)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(t.Sets)) {
			s := t.Sets[name]
			fmt.Fprintln(&b, "set", name, s.Timeout, s.Size)
			for _, e := range s.Elements {
				fmt.Fprintln(&b, e.Addr, e.Timeout, e.Expires.Round(10*time.Second))
			}
		}
	}
	return hexadecimal.ReplaceAllStringFunc(b.String(), func(s string) string {
		n, _ := strconv.ParseUint(s, 0, 64)
		return fmt.Sprint(n)
	})
}

func outcome(r machine.Result) string {
	text := fmt.Sprint(r.Verdict, r.Packet, r.Forwarded, r.Met)
	for _, c := range r.Changes {
		text += fmt.Sprint(" ", c.Verb, c.List)
	}
	return text
}

// packet returns one that rules of the tests are likely to ask for.
func randomPacket(r *rand.Rand) machine.Packet {
	pick := func(all ...string) string { return all[r.IntN(len(all))] }
	ports := []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 22, 23, 24, 25, 53, 80, 99, 123, 150, 222, 443, 8080, 10247, 10363, 10357, 10858, 10938, 65000}
	p := machine.Packet{Proto: machine.TCP, DstPort: ports[r.IntN(len(ports))], SrcPort: 11 + r.IntN(40), In: pick("", "", "lo", "tun0", "br-a.1")}
	p.Src, p.Dst = netip.MustParseAddr(pick("192.0.2.1", "192.0.2.77", "198.51.100.1", "203.0.113.7", "10.9.3.9")), netip.MustParseAddr("192.0.2.200")
	if r.IntN(4) == 0 {
		p.Src, p.Dst = netip.MustParseAddr(pick("2001:db8::1", "fe80::5", "2001:db9::1")), netip.MustParseAddr("2001:db8::200")
	}
	switch r.IntN(8) {
	case 0:
		p.Proto = machine.UDP
	case 1:
		p.Proto = machine.ICMP
	}
	p.Flags = machine.SYN
	if p.Proto == machine.TCP && r.IntN(3) == 0 {
		p.Flags = machine.Flags(r.IntN(64))
	}
	return p
}

func TestJSONRulesHaveTheirNumbersAndTexts(t *testing.T) {
	r := parse(t, `
{"nftables": [{"metainfo": {"version": "1.0.6"}}, {"table": {"family": "inet", "name": "t"}},
 {"chain": {"family": "inet", "table": "t", "name": "in", "type": "filter", "hook": "input", "prio": 0, "policy": "drop"}},
 {"rule": {"family": "inet", "table": "t", "chain": "in", "expr": [{"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": "lo"}}, {"accept": null}]}},
 {"rule": {"family": "inet", "table": "t", "chain": "in", "comment": "a\u001b[31m\"b", "expr": [{"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": {"set": [22, {"range": [80, 90]}]}}}, {"counter": {"packets": 3, "bytes": 180}}, {"accept": null}]}}]}
`)
	rules := r.Tables[0].Chains[0].Rules
	want := []string{`1 {false 0} iifname "lo" accept`, `2 {true 3} tcp dport { 22, 80-90 } counter packets 3 bytes 180 accept comment "a?[31m'b"`}
	for i, rule := range rules {
		if got := fmt.Sprint(rule.Line, " ", rule.Count, " ", rule.Text); got != want[i] {
			t.Errorf("rule %s, want %s", got, want[i])
		}
	}
}

// iptables-save may stand in front: the dump begins on a line of its own.
func TestJSONBehindOtherRules(t *testing.T) {
	saved := "*filter\n:INPUT DROP [0:0]\n-A INPUT -p tcp --dport 22 -j ACCEPT\nCOMMIT\n"
	r := parse(t, saved+string(readFile(t, "native.json"))+"\n")
	if len(r.Tables) != 2 || r.Tables[0].Name != "filter" || r.Tables[1].Name != "inet knocking" {
		t.Errorf("tables %d", len(r.Tables))
	}
}

// What iptables-nft loaded is opaque in both forms.
func TestJSONHidesTheRecentMatch(t *testing.T) {
	r, err := netfilter.Read([]byte(`{"nftables": [{"rule": {"family": "ip", "table": "filter", "chain": "INPUT", "expr": [{"xt": {"type": "match", "name": "recent"}}, {"accept": null}]}}]}`))
	if err != nil || !r.Opaque {
		t.Error("not opaque")
	}
}

// Times are whole seconds in JSON. One that is cut to nothing is not endless.
func TestJSONTimesBelowASecond(t *testing.T) {
	r := parse(t, `{"nftables": [{"set": {"family": "inet", "table": "t", "name": "s", "type": "ipv4_addr", "timeout": 0}}]}`)
	if s := r.Tables[0].Sets["inet t s"]; s.Timeout != 500*time.Millisecond {
		t.Errorf("timeout %v", s.Timeout)
	}
}

// A rule that is not understood does not become one that matches everything.
func TestJSONThatIsNotUnderstoodStaysUnknown(t *testing.T) {
	for _, expr := range []string{
		`5`, `null`, `[]`, `{"match": 5}`, `{"match": {"op": "=~", "left": {"meta": {"key": "mark"}}, "right": 1}}`,
		`{"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}}}`, `{"match": {"op": "==", "right": 22}}`,
		`{"nothing": {}}`, `{"a": 1, "b": 2}`, `{"vmap": 1}`, `{"limit": 1}`, `{"drop": 1}`, `{"set": 1}`, `{"mangle": 1}`, `{"meter": []}`, `{"map": null}`, `{"dnat": 1}`, `{"counter": 1}`, `{"limit": {"rate": [], "per": {}}}`,
		`{"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": {"drop": null}}}`,
	} {
		r := parse(t, `{"nftables": [{"chain": {"family": "ip", "table": "t", "name": "in", "type": "filter", "hook": "input", "prio": 0, "policy": "drop"}},
			{"rule": {"family": "ip", "table": "t", "chain": "in", "expr": [`+expr+`, {"accept": null}]}}]}`)
		p := machine.Packet{Proto: machine.TCP, Src: netip.MustParseAddr("192.0.2.1"), Dst: netip.MustParseAddr("192.0.2.2"), DstPort: 22, Flags: machine.SYN}
		if got := r.NewMachine().Deliver(p, 0); got.Verdict == machine.Accept {
			t.Errorf("%s: accepts by %q", expr, r.Tables[0].Chains[0].Rules[0].Text)
		}
	}
}

func TestJSONThatCannotBeRead(t *testing.T) {
	deep := strings.Repeat("[", 5000) + strings.Repeat("]", 5000)
	for _, text := range []string{`{"nftables": `, `{"nftables": 5}`, `{"nftables": [5]}`, `{"nftables": [{"table": ` + deep + `}]}`} {
		if _, err := netfilter.Parse([]byte(text)); !errors.Is(err, netfilter.ErrJSONRules) {
			t.Errorf("%.40s: %v", text, err)
		}
	}
	for _, text := range []string{`{"nftables": []}`, `{"nftables": [{"metainfo": {}}, {}, {"a": 1, "b": 2}]}`, `{"other": []}`} {
		if _, err := netfilter.Parse([]byte(text)); !errors.Is(err, netfilter.ErrNoRules) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// FuzzNFTJSON: whatever JSON is pasted, reading ends, and what it says is printable.
func FuzzNFTJSON(f *testing.F) {
	for _, name := range []string{"native", "strict", "concatenations", "meters", "states"} {
		f.Add(readFile(f, name+".json"))
	}
	f.Add([]byte(`{"nftables": [{"map": {"family": "ip", "table": "t", "name": "\u001b", "elem": [[1e999, {"jump": {"target": []}}]]}}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := netfilter.Parse(text)
		if err != nil {
			knocktest.OneLine(t, err)
			return
		}
		knocktest.Printable(t, describe(r))
		m, random := r.NewMachine(), rand.New(rand.NewPCG(1, 2))
		for range 5 {
			m.Deliver(randomPacket(random), 0)
		}
	})
}
