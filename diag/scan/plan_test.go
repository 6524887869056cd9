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

// Each of several candidates that are confirmed beside each other opens its gate right after
// its own fifth knock.
func TestTogetherOpensOneAfterTheOther(t *testing.T) {
	start := time.Date(2026, 11, 22, 12, 30, 0, 0, time.UTC)
	secret, err := knock.ParseSecret("f00b4r")
	if err != nil {
		t.Fatal(err)
	}
	target := knock.Target{Range: knock.DefaultRange, Secret: secret, Window: 5 * time.Second, Addr: netip.MustParseAddrPort("192.0.2.9:22")}
	r := scanRun{Scan: &Scan{Client: &knock.Client{Clock: func() time.Time { return start }}}, target: target, hour: knock.HourOf(start)}
	var fits []int
	for i, c := range Candidates(start, target, DefaultPast, 0, nil, nil)[:27] {
		r.report.Cells = append(r.report.Cells, Cell{Candidate: c})
		fits = append(fits, i)
	}
	client, checked := netip.MustParseAddr("192.0.2.1"), 0
	for first := range len(fits) - 5 {
		_, beside := r.apart(fits[first : first+6])
		var ports [][knock.Knocks]uint16
		for _, i := range beside {
			ports = append(ports, r.ports(i))
		}
		packets, fifths := r.together(ports)
		for n, i := range beside {
			c := r.report.Cells[i]
			g := demo.NewPhases(knock.Derive(c.Hour, c.Range, secret), target.Window)
			if c.Variant != solve.AsGiven {
				continue
			}
			checked++
			if hit := slices.IndexFunc(packets, func(p knock.Packet) bool {
				g.Knock(client, p.Port, start.Add(p.At))
				return p.Probe && g.Open(client, start.Add(p.At))
			}); hit < fifths[n] || hit > fifths[n]+soonAfter {
				t.Errorf("candidate %d opens at packet %d, its fifth knock is %d", i, hit, fifths[n])
			}
		}
	}
	if checked == 0 {
		t.Error("no candidates are confirmed beside each other")
	}
}
