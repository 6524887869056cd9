package gate

import (
	"fmt"
	"slices"
	"time"

	"rapport/knock"
	"rapport/knock/gate/script"
	"rapport/knock/phrase"
	"rapport/knock/solve"
)

// Sweep is what a sweep does to a gate: SYNs to every port of a range in ascending
// order, pass after pass, without the secret.
type Sweep struct {
	// Guarded: the gate stays closed, by a sweep guard or because it is strict.
	Guarded bool
	// Passes is how many passes open the gate: one if the ports of this hour ascend.
	// If the ports are not known it is one for each phase, which is enough in any
	// order. 0 means guarded or unknown.
	Passes int
	// Rate is the SYNs a second at which a pass fits into a window; 0 means that
	// any rate does.
	Rate int
	SYNs int           // of all passes
	Time time.Duration // of all passes at that rate
}

// Sweep returns what a sweep of r does. The zero Range means all ports.
func (g Gate) Sweep(r knock.Range) Sweep {
	s := Sweep{Guarded: g.swept && g.passes == 0, Passes: g.passes}
	size := solve.MaxSize
	if r.IsValid() {
		size = r.Size()
	}
	if w := g.Window(); w > 0 {
		s.Rate = int((time.Duration(size)*time.Second + w - 1) / w)
		s.Time = time.Duration(s.Passes) * w
	}
	s.SYNs = s.Passes * size
	return s
}

// problem returns the problem of a gate that a sweep of the range opens.
func (s Sweep) problem(g Gate, r knock.Range) (p Problem, ok bool) {
	if s.Passes == 0 {
		return p, false
	}
	over, pace := "all ports", ""
	if r.IsValid() {
		over = r.String()
	}
	if s.Rate > 0 {
		pace = fmt.Sprintf(" in %v at %d a second", s.Time, s.Rate)
	}
	passes := "passes"
	if s.Passes == 1 {
		passes = "pass"
	}
	how := fmt.Sprintf("in this hour %d %s over %s in ascending order", s.Passes, passes, over)
	if slices.Contains(g.Ports, 0) { // computed: their order is unknown
		how = fmt.Sprintf("at most %d passes over %s in any order", s.Passes, over)
	}
	fix := fmt.Sprintf("load the script of rapport rules HOST: its sweep guard (--sweep-guard %d) ignores an address that hits many wrong ports", script.DefaultSweepGuard)
	if most := script.MaxSweepGuard(r); r.IsValid() && most < script.DefaultSweepGuard {
		fix = fmt.Sprintf("take a wider range, such as %v: in %d ports a sweep guard may forgive no more than %s a minute, which few clients stay below", knock.DefaultRange, r.Size(), phrase.Plural(most, "wrong port"))
	}
	return newProblem("no-sweep-guard", SeverityWarning,
		fmt.Sprintf("a sweep opens the gate without the secret: %s, %d SYNs%s; in random order %g passes on average, %d at most",
			how, s.SYNs, pace, float64(len(g.Ports)+1)/2, len(g.Ports)), fix), true
}
