package scan

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"rapport/knock"
	"rapport/knock/demo"
	"rapport/knock/knocktest"
	"rapport/knock/solve"
)

// A hit at any probe is explained by what the gate itself would do.
func TestScanPlanExplainsHits(t *testing.T) {
	knocktest.Long(t)
	secret, err := knock.ParseSecret("f00b4r")
	if err != nil {
		t.Fatal(err)
	}
	start := time.Date(2026, 11, 22, 12, 30, 0, 0, time.UTC)
	small, err := knock.ParseRange("10000-10049")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []knock.Range{knock.DefaultRange, small} {
		all := Candidates(start, knock.Target{Range: r, Secret: secret}, DefaultPast, 5, nil, nil)
		var ports [][knock.Knocks]uint16
		for _, h := range all {
			ports = append(ports, h.Variant.Ports(h.Hour, h.Range, secret))
		}
		p := newScanPlan(ports, knock.Target{Window: 5 * time.Second, Range: r}, pace{time.Millisecond, 5 * time.Millisecond, time.Second, 0, 20 * time.Millisecond, false}, 1)
		client := netip.MustParseAddr("192.0.2.1")
		for i, h := range all {
			if h.Variant != solve.AsGiven {
				continue
			}
			g := demo.NewPhases(knock.Derive(h.Hour, h.Range, secret), 5*time.Second)
			for n, packet := range p.packets {
				at := start.Add(packet.At)
				if !packet.Probe {
					g.Knock(client, packet.Port, at)
					continue
				}
				if !g.Open(client, at) {
					continue
				}
				fits := p.explain(n)
				if !slices.Contains(fits, i) {
					t.Errorf("range %v: candidate %d opens at packet %d, explained as %v", r, i, n, fits)
				}
				break
			}
		}
	}
}
