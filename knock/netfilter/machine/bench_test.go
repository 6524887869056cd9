package machine_test

import (
	"net/netip"
	"os"
	"testing"
	"time"

	"rapport/knock/netfilter"
	"rapport/knock/netfilter/machine"
)

// BenchmarkDeliver plays SYNs through the article's gate: to a port of no phase, and
// the whole handshake with SSH behind it.
func BenchmarkDeliver(b *testing.B) {
	text, err := os.ReadFile("../../gate/testdata/rules/article.save")
	if err != nil {
		b.Fatal(err)
	}
	rules, err := netfilter.Parse(text)
	if err != nil {
		b.Fatal(err)
	}
	p := machine.Packet{Proto: machine.TCP, Src: netip.MustParseAddr("192.0.2.7"), Dst: netip.MustParseAddr("192.0.2.1"), SrcPort: 40000, Flags: machine.SYN}
	for _, c := range []struct {
		name  string
		ports []int
	}{{"other port", []int{12345}}, {"handshake", []int{10247, 10363, 10357, 10858, 10938, 22}}} {
		b.Run(c.name, func(b *testing.B) {
			m, at := rules.NewMachine(), time.Duration(0)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				p.DstPort = c.ports[i%len(c.ports)]
				at += time.Millisecond
				m.Deliver(p, at)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "packets/s")
		})
	}
}
