// Package report describes an inspection of a gate as the JSON of rapport inspect, and
// prints it.
package report

import (
	"rapport/knock"
	"rapport/knock/gate"
	"rapport/knock/solve"
)

// Report is a [gate.Inspection] as JSON has it. Its names are a contract: others read
// them.
type Report struct {
	Schema   int            `json:"schema"`     // 1
	Gate     *ReportedGate  `json:"gate"`       // nil where there is none
	Other    *ReportedGate  `json:"other_gate"` // of nft, beside one of iptables
	Match    *ReportedMatch `json:"match"`      // nil where nothing makes the ports
	Differs  []string       `json:"differs"`
	Problems []gate.Problem `json:"problems"`
	Searched uint64         `json:"searched"`   // combinations that were tried
	Elapsed  knock.Millis   `json:"elapsed_ms"` // left to the caller
}

// ReportedGate describes a gate, and the families for which it stands.
type ReportedGate struct {
	Kind     gate.Kind       `json:"kind"`
	Families []knock.Family  `json:"families"`
	Chain    string          `json:"chain"`
	Ports    []uint16        `json:"ports"`    // 0 where a script computes them
	Also     [][]uint16      `json:"also"`     // further sequences that the gate accepts
	Window   float64         `json:"window_s"` // the shortest; 0 is endless or unknown
	Windows  []float64       `json:"windows_s"`
	Accept   gate.AcceptKind `json:"door"`
	SSHPort  int             `json:"ssh_port"`
	Strict   bool            `json:"strict"`
	Sweep    ReportedSweep   `json:"sweep"`
}

// ReportedSweep says what a sweep does to a gate.
type ReportedSweep struct {
	Guarded   bool `json:"guarded"`
	Passes    int  `json:"passes"`        // in ascending order, until the gate opens; 0 is never or unknown
	Rate      int  `json:"rate_per_s"`    // SYNs a second that such a sweep needs
	PerMinute int  `json:"wrong_per_min"` // wrong ports that the sweep guard forgives; 0 is no sweep guard
}

// ReportedMatch is the likeliest candidate, and how many others make the same ports.
type ReportedMatch struct {
	solve.Candidate
	Others int `json:"others"`
}

// Of describes an inspection. Elapsed is zero.
func Of(i gate.Inspection) Report {
	r := Report{Schema: 1, Gate: reportGate(i.Kind, i.Gates, i.Range()), Other: reportGate(gate.FromNFT, i.Other, i.Range()),
		Differs: i.Differs, Problems: i.Problems, Searched: i.Solution.Searched}
	if m := i.Candidate(); m != nil {
		r.Match = &ReportedMatch{*m, i.Others()}
	}
	return r
}

// reportGate describes the first of the gates, nil without one.
func reportGate(kind gate.Kind, all []gate.Gate, r knock.Range) *ReportedGate {
	if len(all) == 0 {
		return nil
	}
	g := all[0]
	s := g.Sweep(r)
	l := &ReportedGate{Kind: kind, Chain: g.Chain, Ports: g.Ports, Also: append([][]uint16{}, g.Also...),
		Window: g.Window().Seconds(), Windows: []float64{}, Accept: g.Accept, SSHPort: g.SSHPort,
		Strict: g.Strict, Sweep: ReportedSweep{s.Guarded, s.Passes, s.Rate, g.SweepGuard}}
	for _, w := range g.Windows {
		l.Windows = append(l.Windows, w.Seconds())
	}
	for _, g := range all {
		l.Families = append(l.Families, g.Family)
	}
	return l
}
