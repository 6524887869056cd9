package machine_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"rapport/knock/netfilter"
	"rapport/knock/netfilter/machine"
)

// Chains that each jump twice to the next one take no longer than their number, as long
// as nothing changes on the way. What changes is counted each time.
func TestChainsThatMultiply(t *testing.T) {
	for _, tt := range []struct {
		name, last, behind string
		levels, met        int // the most rules that the packet may meet
		want               machine.Verdict
	}{
		{"the last chain accepts", "-p tcp --dport 22 -j ACCEPT", "", 40, 2_000, machine.Accept},
		{"it accepts another port", "-p tcp --dport 80 -j ACCEPT", "", 40, 2_000, machine.Drop},
		{"a rule behind it accepts", "-p tcp --dport 80 -j DROP", "-p tcp --dport 22 -j ACCEPT", 40, 2_000, machine.Accept},
		{"it asks a list", "-m recent --rcheck --name A --rsource -j ACCEPT", "", 40, 2_000, machine.Drop},
		{"it counts", "-m mark ! --mark 0x0 -m recent --set --name A --rsource", "-m recent --rcheck --hitcount 3 --name A --rsource -j ACCEPT", 10, 5_000, machine.Drop},
		{"it counts the source", "-m recent --set --name A --rsource", "-m recent --rcheck --hitcount 200 --name A --rsource -j ACCEPT", 10, 5_000, machine.Accept},
		{"it takes tokens", "-m limit --limit 1/hour --limit-burst 1000 -j RETURN", "-j ACCEPT", 10, 5_000, machine.Accept},
		{"it changes without end", "-m recent --set --name A --rsource", "-j ACCEPT", 40, 6_000, machine.Undecided},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b strings.Builder
			b.WriteString("*filter\n:INPUT DROP [0:0]\n-A INPUT -j c0\n")
			for i := range tt.levels {
				fmt.Fprintf(&b, "-A c%d -j c%d\n-A c%d -j c%d\n", i, i+1, i, i+1)
			}
			fmt.Fprintf(&b, "-A c%d %s\n", tt.levels, tt.last)
			if tt.behind != "" {
				b.WriteString("-A INPUT " + tt.behind + "\n")
			}
			rules, err := netfilter.Parse([]byte(b.String() + "COMMIT\n"))
			if err != nil {
				t.Fatal(err)
			}
			p := machine.Packet{Proto: machine.TCP, Flags: machine.SYN, SrcPort: 50000, DstPort: 22,
				Src: netip.MustParseAddr("198.51.100.7"), Dst: netip.MustParseAddr("192.0.2.1")}
			if r := rules.NewMachine().Deliver(p, 0); r.Verdict != tt.want || r.Met > tt.met {
				t.Errorf("%s after %d rules, want %s after at most %d", r.Verdict, r.Met, tt.want, tt.met)
			}
		})
	}
}
