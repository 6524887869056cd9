package gate

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"rapport/knock"
	"rapport/knock/gate/script"
	"rapport/knock/netfilter"
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
	return Problem{"no-sweep-guard", SeverityWarning,
		fmt.Sprintf("a sweep opens the gate without the secret: %s, %d SYNs%s; in random order %g passes on average, %d at most",
			how, s.SYNs, pace, float64(len(g.Ports)+1)/2, len(g.Ports)), fix}, true
}

const (
	// maxPass bounds the ports of a pass that are played, and maxPlayed the rules
	// that they meet. A longer pass skips some of the wrong ports.
	maxPass, minPass = 1000, 64
	maxPlayed        = 200_000
	// margin is how far outside the gate's own ports a pass begins and ends.
	margin = 100
)

// trial plays packets to a gate.
type trial struct {
	path   netfilter.Path
	gate   *Gate
	ports  []int // of the phases, in order
	accept netfilter.SetMatch
	src    netfilter.Source
}

// tryOut plays wrong knocks and sweeps through the gate, and records what they do.
// It gives up if the handshake itself opens nothing.
func (g *Gate) tryOut(path netfilter.Path) {
	if g.acceptHit < 0 || len(g.edges) == 0 {
		return
	}
	t := trial{path: reachable(path, g), gate: g}
	t.accept, _ = acceptMatch(path.Hits[g.acceptHit])
	for _, e := range g.edges {
		t.ports = append(t.ports, e.port)
	}
	if !t.opensTo(t.ports) {
		return
	}
	g.Strict, g.swept = t.strict(), true
	g.passes, g.SweepGuard = t.sweep()
}

// reachable returns the path with the chains of the gate made base chains if
// nothing leads to them: a text may show them alone.
func reachable(path netfilter.Path, g *Gate) netfilter.Path {
	var bases []netfilter.Base
	for _, b := range path.Bases {
		has := func(step int) bool { return b.First <= step && step < b.End }
		if b.Hook == netfilter.NoHook {
			if !has(g.acceptHit) && !slices.ContainsFunc(g.edges, func(e edge) bool { return has(e.hit) }) {
				continue
			}
			b.Hook, b.Policy = netfilter.Input, netfilter.Next
		}
		bases = append(bases, b)
	}
	path.Bases = bases
	return path
}

// send plays SYNs, and reports whether SSH is open after one of them.
func (t *trial) send(gap time.Duration, ports ...int) (opens bool) {
	for _, p := range ports {
		t.src.Clock += gap
		t.path.Play(netfilter.SYN(p), &t.src, -1)
		if !opens && t.src.Matches(t.accept) {
			opens = t.path.Play(netfilter.SYN(cmp.Or(t.gate.SSHPort, sshPort)), &t.src, -1).Verdict != netfilter.Drop
		}
	}
	return opens
}

// opensTo reports whether SSH is open to an unknown source after its SYNs.
func (t *trial) opensTo(ports []int) bool {
	t.src = netfilter.Source{}
	return t.send(time.Millisecond, ports...)
}

// strict reports whether a wrong or a repeated knock in between breaks the
// handshake.
func (t *trial) strict() bool {
	for k := 1; k < len(t.ports); k++ {
		for _, p := range []int{t.wrong(), t.ports[k-1]} {
			if !t.opensTo(slices.Insert(slices.Clone(t.ports), k, p)) {
				return true
			}
		}
	}
	return false
}

// own returns the known ports of all sequences, ascending.
func (t *trial) own() (all []int) {
	for _, ports := range append(slices.Clone(t.gate.Also), t.gate.Ports) {
		for _, p := range ports {
			if p > 0 {
				all = append(all, int(p))
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// wrong returns a port that the gate does not use, in the middle of the widest gap
// between its own.
func (t *trial) wrong() int {
	own := t.own()
	port, widest := 1, 1
	for i := range own {
		if i > 0 && own[i]-own[i-1] > widest {
			port, widest = (own[i]+own[i-1])/2, own[i]-own[i-1]
		}
	}
	return port
}

// sweep plays as many passes as there are phases, each within a window. It returns
// after how many of them the gate opened, 0 for never, and how many wrong ports a
// minute the gate forgives, 0 for any number.
func (t *trial) sweep() (passes, wrong int) {
	own := t.own()
	first, last := 1, 2*margin
	if len(own) > 0 {
		first, last = max(1, own[0]-margin), min(solve.MaxSize, own[len(own)-1]+margin)
	}
	n := min(maxPass, max(minPass, maxPlayed/(1+len(t.path.Hits))))
	each := 1 + (last-first)/n
	var pass []int
	if len(own) < len(t.ports) && slices.Min(t.ports) <= 0 {
		pass = slices.Clone(t.ports) // computed: in the worst order for a sweep
		slices.Reverse(pass)
	}
	for p := first; p <= last; p++ {
		if _, isOwn := slices.BinarySearch(own, p); isOwn || (p-first)%each == 0 {
			pass = append(pass, p)
		}
	}
	gap := cmp.Or(t.gate.Window(), knock.DefaultWindow) / time.Duration(last-first+len(t.ports))
	t.src = netfilter.Source{}
	for k := range t.ports {
		if t.send(gap, pass...) && passes == 0 {
			passes = k + 1
		}
	}
	return passes, t.src.WrongPerMinute
}
