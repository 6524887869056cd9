package scan

import (
	"net/netip"
	"slices"
	"strings"
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
		p := newScanPlan(ports, []int{1, 6, 20}, knock.Target{Window: 5 * time.Second, Range: r}, pace{knock: time.Millisecond, fifth: 5 * time.Millisecond, answer: time.Second, stage: 20 * time.Millisecond, pause: 100 * time.Millisecond}, 1)
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

// A pause parts the groups of a pass: all packets of a group, with its probes, precede it.
func TestScanPlanPausesBetweenGroups(t *testing.T) {
	const pause = 100 * time.Millisecond
	ports := make([][knock.Knocks]uint16, 9)
	for i := range ports {
		for k := range ports[i] {
			ports[i][k] = uint16(10000 + 10*i + k)
		}
	}
	target := knock.Target{Window: 5 * time.Second, Range: knock.DefaultRange}
	p := newScanPlan(ports, []int{1, 4}, target, pace{knock: time.Millisecond, fifth: 5 * time.Millisecond, pause: pause}, 1)
	var starts []uint16
	for i := 1; i < len(p.packets); i++ {
		if p.packets[i].At-p.packets[i-1].At >= pause {
			starts = append(starts, p.packets[i].Port)
			if !p.packets[i-1].Probe {
				t.Errorf("the group before port %d ends without a probe", p.packets[i].Port)
			}
		}
	}
	if want := []uint16{10010, 10040}; !slices.Equal(starts, want) {
		t.Errorf("pauses come before the knocks at %d, want %d", starts, want)
	}
}

// The hour of this machine's clock is tried where a skew is set, which may be left over, and
// is no future hour.
func TestHourWithoutTheSkew(t *testing.T) {
	secret, err := knock.ParseSecret("f00b4r")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 22, 8, 30, 0, 0, time.UTC)
	target := knock.Target{Range: knock.DefaultRange, Secret: secret, Skew: -20 * time.Hour}
	all := Candidates(now, target, 3, 0, nil, nil)
	own := slices.IndexFunc(all, func(c solve.Candidate) bool { return c.Hour == knock.HourOf(now) })
	if own < 0 || all[own].Offset != 20 || all[own].Range != target.Range {
		t.Fatalf("at %d of %d", own, len(all))
	}
	if s := announce("trying", all, bareOffset(now, target)); strings.Contains(s, "future") {
		t.Error(s)
	}
	target.Skew = 0
	all = Candidates(now, target, 3, 2, nil, nil)
	if s := announce("trying", all, bareOffset(now, target)); !strings.Contains(s, "future hours, until 2026-11-22-10") {
		t.Error(s)
	}
}
