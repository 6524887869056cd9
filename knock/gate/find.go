package gate

import (
	"cmp"
	"slices"
	"time"

	"rapport/knock/netfilter"
)

// edge is a rule by which a knock moves an address from one set to the next.
type edge struct {
	from, to string // sets; from is empty for the first phase
	port     int
	window   time.Duration // after the knock before it, at most
	hit      int
	chain    string
	byDest   bool // the set holds destinations
}

const (
	// minEdges is how many knocks in a row make a gate, even a broken one. Fewer
	// are something else, such as a limit on logins.
	minEdges = 3
	maxPaths = 64
	// sshPort is preferred where the accept rule has several ports.
	sshPort = 22
	maxPath = 12
)

// findGate finds the gate in the path of one family.
func findGate(path netfilter.Path) (Gate, bool) {
	edges := edgesOf(path)
	if len(edges) < minEdges {
		return Gate{}, false
	}
	var best []string
	accept := -1
	var accepts []int
	for i, s := range path.Hits {
		c, ok := acceptMatch(s)
		if !ok {
			continue
		}
		for _, phases := range phasePaths(edges, c.Set) {
			accepts = append(accepts, i)
			if accept < 0 || better(phases, best, s, path.Hits[accept]) {
				best, accept = phases, i
			}
		}
	}
	g := Gate{acceptHit: accept, Chain: edges[0].chain}
	if len(best) < minEdges || len(best) < len(listsOf(edges)) && len(listsOf(edges)) >= minEdges && len(best) != 5 {
		// The phases do not lead to the accept rule: take the order of the rules.
		g.edges = firstEdges(edges)
		best = nil
	}
	for i := range best {
		g.edges = append(g.edges, edgesBetween(edges, best, i)[0])
	}
	g.ordered = best != nil
	following := 0
	for _, e := range g.edges {
		if e.from != "" {
			following++
		}
	}
	if !g.ordered && (len(g.edges) < minEdges || following < minEdges-1) {
		return Gate{}, false
	}
	g.describe(path, edges, best, accepts)
	g.Guarded = slices.ContainsFunc(path.Hits, isReplayGuard)
	return g, true
}

// isReplayGuard reports whether a knock counts only for addresses in a set by
// destination, or in one without a timeout, as a replay guard has it.
func isReplayGuard(s netfilter.Hit) bool {
	if s.Port() == 0 {
		return false
	}
	forgets := func(n netfilter.SetUpdate) bool { return n.Timeout > 0 }
	return slices.ContainsFunc(s.Checks, func(c netfilter.SetMatch) bool { return c.ByDest }) ||
		slices.ContainsFunc(s.Updates, forgets) && slices.ContainsFunc(s.Updates, func(n netfilter.SetUpdate) bool { return !forgets(n) })
}

// better reports whether the accept rule s at the end of phases is more like the
// scheme's than the one found before.
func better(phases, best []string, s, accept netfilter.Hit) bool {
	rank := func(phases []string, s netfilter.Hit) (n int) {
		if len(phases) == 5 {
			n += 8
		}
		if s.Verdict == netfilter.Accept || s.Verdict == netfilter.Drop || s.Verdict == netfilter.Return {
			n += 4
		}
		if s.Port() != 0 {
			n += 2
		}
		return n
	}
	return cmp.Or(cmp.Compare(rank(phases, s), rank(best, accept)), cmp.Compare(len(phases), len(best))) > 0
}

// edgesOf returns the knocks of a path, in the order of the rules.
func edgesOf(path netfilter.Path) (all []edge) {
	stays := map[string]time.Duration{}
	for _, s := range path.Hits {
		for _, n := range s.Updates {
			if n.Timeout > 0 {
				stays[n.Set] = n.Timeout
			}
		}
	}
	for i, s := range path.Hits {
		port := s.Port()
		if port == 0 || s.Verdict == netfilter.Accept || slices.ContainsFunc(s.Checks, func(c netfilter.SetMatch) bool { return c.Partial }) {
			continue // a set of partial addresses is the overflow of a full phase
		}
		for _, n := range s.Updates {
			if n.Partial {
				continue
			}
			e := edge{to: n.Set, port: port, hit: i, chain: s.Chain, byDest: n.ByDest}
			for _, c := range s.Checks {
				if c.Negated || c.ByDest {
					continue
				}
				e.from, e.window = c.Set, cmp.Or(stays[c.Set], c.Within)
				all = append(all, e)
			}
			if e.from == "" {
				all = append(all, e)
			}
		}
	}
	return all
}

// listsOf returns the sets that edges lead to, in the order of the rules.
func listsOf(edges []edge) (all []string) {
	for _, e := range edges {
		if !slices.Contains(all, e.to) {
			all = append(all, e.to)
		}
	}
	return all
}

// firstEdges returns the first edge to each set. It skips further sets that the
// same knock leads to.
func firstEdges(edges []edge) (all []edge) {
	for _, e := range edges {
		if !slices.ContainsFunc(all, func(o edge) bool { return o.to == e.to || o.hit == e.hit || o.port == e.port && o.from == e.from }) {
			all = append(all, e)
		}
	}
	if len(all) > 0 && all[0].from != "" && all[len(all)-1].from == "" {
		slices.Reverse(all) // the rules start with the last phase
	}
	return all
}

// acceptMatch returns the check by which s accepts packets, or drops all others.
func acceptMatch(s netfilter.Hit) (netfilter.SetMatch, bool) {
	for _, c := range s.Checks {
		through := s.Verdict == netfilter.Accept || s.Verdict == netfilter.Return && !s.Resumes || s.Verdict == netfilter.DNAT
		if !c.ByDest && (through && !c.Negated || s.Verdict == netfilter.Drop && c.Negated) {
			return c, true
		}
	}
	return netfilter.SetMatch{}, false
}

// phasePaths returns the chains of sets, in order, that end with the set to.
func phasePaths(edges []edge, to string) (all [][]string) {
	var back func(phases []string)
	back = func(phases []string) {
		var froms []string
		for _, e := range edges {
			if e.to == phases[0] && !slices.Contains(froms, e.from) && !slices.Contains(phases, e.from) {
				froms = append(froms, e.from)
			}
		}
		for _, f := range froms {
			switch {
			case len(all) >= maxPaths:
				return
			case f == "":
				all = append(all, phases)
			case len(phases) < maxPath:
				back(append([]string{f}, phases...))
			}
		}
	}
	back([]string{to})
	return all
}

// edgesBetween returns the edges of phase i, in the order of the rules.
func edgesBetween(edges []edge, phases []string, i int) (all []edge) {
	from := ""
	if i > 0 {
		from = phases[i-1]
	}
	for _, e := range edges {
		if e.from == from && e.to == phases[i] {
			all = append(all, e)
		}
	}
	return all
}

// describe fills in the exported fields of the gate.
func (g *Gate) describe(path netfilter.Path, edges []edge, phases []string, accepts []int) {
	g.Ports = portsOf(g.edges)
	for i, e := range g.edges {
		g.Lists = append(g.Lists, netfilter.ShortName(e.to))
		if i > 0 {
			g.Windows = append(g.Windows, e.window)
		}
		if n := path.Sets[e.to].Size; n > 0 && (g.size == 0 || n < g.size) {
			g.size = n
		}
	}
	g.addAlternatives(edges, phases, accepts, path)
	if g.acceptHit < 0 {
		return
	}
	s := path.Hits[g.acceptHit]
	c, _ := acceptMatch(s)
	window := c.Within
	for _, o := range path.Hits {
		for _, n := range o.Updates {
			if n.Set == c.Set && n.Timeout > 0 {
				window = n.Timeout
			}
		}
	}
	g.Windows = append(g.Windows, window)
	if p := s.FewPorts(); len(p) > 0 {
		g.SSHPort = p[0]
		if slices.Contains(p, sshPort) {
			g.SSHPort = sshPort
		}
	}
	g.Accept = acceptKind(path, g.acceptHit, c, g.SSHPort)
	for _, i := range accepts {
		for _, p := range path.Hits[i].FewPorts() {
			if !slices.Contains(g.AcceptPorts, p) {
				g.AcceptPorts = append(g.AcceptPorts, p)
			}
		}
	}
}

// acceptKind returns what happens to an address that is accepted: by the accept
// rule itself, or by a rule before it that the same packets meet.
func acceptKind(path netfilter.Path, accept int, c netfilter.SetMatch, port int) AcceptKind {
	if c.Mode != "rcheck" {
		return AcceptKind(c.Mode)
	}
	for i := path.Bases[path.Hits[accept].Base].First; i <= accept; i++ {
		s := path.Hits[i]
		if !slices.ContainsFunc(s.Checks, func(o netfilter.SetMatch) bool { return o.Set == c.Set && o.Negated == c.Negated }) && i != accept ||
			port != 0 && !s.MatchesPort(port) { // a sweep guard removes an address that hits wrong ports
			continue
		}
		if slices.Contains(s.Removes, c.Set) {
			return OneShot
		}
		if slices.ContainsFunc(s.Updates, func(n netfilter.SetUpdate) bool { return n.Set == c.Set }) {
			return Sliding
		}
	}
	for _, o := range path.Hits[accept].Checks {
		if o.Set == c.Set && o.Mode != "rcheck" && !o.ByDest {
			return AcceptKind(o.Mode)
		}
	}
	return Fixed
}

// addAlternatives collects the sequences besides the first: further rules between
// the same sets, and other sets that lead to an accept rule.
func (g *Gate) addAlternatives(edges []edge, phases []string, accepts []int, path netfilter.Path) {
	add := func(phases []string, i int) {
		var e []edge
		for k := range phases {
			// A replay guard has two rules for one knock.
			options := slices.CompactFunc(edgesBetween(edges, phases, k), func(a, b edge) bool { return a.port == b.port })
			if i >= len(options) {
				return
			}
			e = append(e, options[i])
		}
		p := portsOf(e)
		if !slices.Equal(p, g.Ports) && !slices.ContainsFunc(g.Also, func(o []uint16) bool { return slices.Equal(o, p) }) && len(g.Also) < maxPaths {
			g.Also = append(g.Also, p)
		}
	}
	if phases == nil {
		return
	}
	all := [][]string{phases}
	for _, d := range accepts {
		c, _ := acceptMatch(path.Hits[d])
		all = append(all, phasePaths(edges, c.Set)...)
	}
	for _, p := range all {
		for i := range maxPaths {
			if len(p) == len(phases) {
				add(p, i)
			}
		}
	}
}

// portsOf returns the ports of edges, 0 for those that a script computes.
func portsOf(edges []edge) (p []uint16) {
	for _, e := range edges {
		p = append(p, uint16(max(0, e.port)))
	}
	return p
}
