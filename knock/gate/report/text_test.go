package report_test

import (
	"strings"
	"testing"

	"rapport/knock"
	"rapport/knock/gate"
	"rapport/knock/gate/report"
)

// A line of a gate names what is known, and nothing else.
func TestPrintNamesWhatIsKnown(t *testing.T) {
	for _, tt := range []struct {
		gate report.ReportedGate
		want string
	}{
		{report.ReportedGate{Kind: gate.FromNFT, Families: []knock.Family{knock.Family4, knock.Family6}, Chain: "in", Accept: gate.Fixed, SSHPort: 22, Window: 5, Ports: []uint16{1, 2, 3, 4, 5}},
			"gate: nft for IPv4 and IPv6 in chain in, accept rule fixed to port 22, window 5 s\nports: 1 2 3 4 5\n"},
		{report.ReportedGate{Kind: gate.FromNFT, Families: []knock.Family{knock.Family4}, Ports: []uint16{1, 0, 3, 4, 5}}, "gate: nft for IPv4\nports: 1 ? 3 4 5\n"},
		{report.ReportedGate{Kind: gate.FromScript, Families: []knock.Family{knock.Family4}, Chain: "c", Ports: make([]uint16, 5)}, "gate: script for IPv4 in chain c\nports: computed by the script\n"},
	} {
		var b strings.Builder
		report.Report{Gate: &tt.gate}.Print(&b, nil)
		if b.String() != tt.want {
			t.Errorf("got\n%swant\n%s", &b, tt.want)
		}
	}
}
