package machine_test

import (
	"net/netip"
	"testing"

	"rapport/knock/netfilter"
	"rapport/knock/netfilter/machine"
)

// A verdict that is skipped does not count, and a goto to it is none either: the
// packet meets the rules behind. A goto to other chains still does not come back.
func TestSkip(t *testing.T) {
	for _, tt := range []struct {
		name, rules string
		want        machine.Verdict
	}{
		{"a drop", "-A INPUT -j DROP\n-A INPUT -p tcp -j ACCEPT\n", machine.Accept},
		{"behind a jump", "-A INPUT -j DROPS\n-A DROPS -j DROP\n-A INPUT -p tcp -j REJECT\n", machine.Reject},
		{"behind a goto", "-A INPUT -g DROPS\n-A DROPS -j DROP\n-A INPUT -p tcp -j REJECT\n", machine.Reject},
		{"behind two", "-A INPUT -g MORE\n-A MORE -g DROPS\n-A DROPS -j DROP\n-A INPUT -p tcp -j REJECT\n", machine.Reject},
		{"behind a goto without a verdict", "-A INPUT -g COUNT\n-A COUNT -p tcp\n-A INPUT -p tcp -j REJECT\n", machine.Accept},
		{"behind a goto that the packet does not take", "-A INPUT -p udp -g DROPS\n-A DROPS -j DROP\n-A INPUT -p tcp -j REJECT\n", machine.Reject},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rules, err := netfilter.Parse([]byte("*filter\n:INPUT DROP [0:0]\n" + tt.rules + "COMMIT\n"))
			if err != nil {
				t.Fatal(err)
			}
			m := rules.NewMachine()
			m.Skip = func(_ *machine.Rule, v machine.Verdict) bool { return v == machine.Drop }
			p := machine.Packet{Proto: machine.TCP, Flags: machine.SYN, SrcPort: 50000, DstPort: 22,
				Src: netip.MustParseAddr("198.51.100.7"), Dst: netip.MustParseAddr("192.0.2.1")}
			if r := m.Deliver(p, 0); r.Verdict != tt.want {
				t.Errorf("%s, want %s", r.Verdict, tt.want)
			}
		})
	}
}
