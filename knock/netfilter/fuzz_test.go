package netfilter_test

import (
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"rapport/knock/knocktest"
	"rapport/knock/netfilter"
	"rapport/knock/netfilter/machine"
)

// maxRulesMet is how many rules a packet may meet, with those of its last chains.
const maxRulesMet = 3 * 101_000

// FuzzMachine: whatever rules a text holds, a packet gets a verdict after bounded
// work, and what the machine remembers of it is bounded.
func FuzzMachine(f *testing.F) {
	for _, b := range behaviours() {
		f.Add(b.saved() + b.listed())
	}
	if text, err := os.ReadFile("../gate/testdata/rules/article.save"); err == nil {
		f.Add(string(text))
	}
	f.Add("*filter\n:INPUT DROP\n:A -\n:B -\n-A INPUT -j A\n-A A -j B\n-A A -j B\n-A B -j A\n-A B -j A\n")
	f.Add("table inet t {\nchain c {\ntype filter hook input priority 0\nquota 1 mbytes drop\nxt match x jump c\nvmap\n}\n}\n")
	f.Fuzz(func(t *testing.T, text string) {
		rules, err := netfilter.Parse([]byte(text))
		if err != nil {
			knocktest.OneLine(t, err)
			return
		}
		m, memory := rules.NewMachine(), strings.Count(text, "\n")+len(text)
		m.Tracing = len(text)%2 == 0
		for i, p := range fuzzPackets() {
			r := m.Deliver(p, time.Duration(i)*300*time.Millisecond)
			switch r.Verdict {
			case machine.Accept, machine.Drop, machine.Reject, machine.Undecided:
			default:
				t.Fatalf("verdict %q", r.Verdict)
			}
			if r.Met > maxRulesMet {
				t.Fatalf("met %d rules", r.Met)
			}
		}
		if n := len(m.Members()); n > memory*len(fuzzPackets()) {
			t.Fatalf("%d entries of lists and sets", n)
		}
		m.Clone().Send(fuzzPackets()[0], m.Now())
	})
}

// fuzzPackets are packets of all kinds.
func fuzzPackets() (all []machine.Packet) {
	for i, flags := range []machine.Flags{machine.SYN, machine.SYN, machine.ACK, machine.SYN | machine.ACK, machine.RST} {
		for _, a := range []string{"192.0.2.7", "2001:db8::7"} {
			from := netip.MustParseAddr(a)
			p := machine.Packet{Proto: machine.TCP, Src: from, Dst: from.Prev(), SrcPort: 40000, DstPort: []int{22, 1, 22, 1, 22}[i], Flags: flags}
			all = append(all, p)
			p.Proto = machine.UDP
			all = append(all, p)
		}
	}
	return all
}
