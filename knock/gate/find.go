package gate

import (
	"cmp"
	"slices"
	"time"

	"rapport/knock/netfilter"
)

// edge is a rule by which a knock moves an address from one list to the next.
type edge struct {
	from, to string // from is empty for the first phase
	port     int
	window   time.Duration // within which it must come after the one before
	hit      int
	chain    string
	byDest   bool // the list holds destinations
}

const (
	// minEdges is how many knocks in a row make a gate, also a broken one. Fewer
	// are something else, such as a limit on logins.
	minEdges = 3
	maxPaths = 64
	// sshPort is the one that counts of a door's several ports.
	sshPort = 22
	maxPath = 12
)

// findGate finds the gate on the way of one family.
func findGate(w netfilter.Path) (Gate, bool) {
	edges := edgesOf(w)
	if len(edges) < minEdges {
		return Gate{}, false
	}
	var best []string
	door := -1
	var doors []int
	for i, s := range w.Hits {
		c, ok := acceptMatch(s)
		if !ok {
			continue
		}
		for _, path := range phasePaths(edges, c.Set) {
			doors = append(doors, i)
			if door < 0 || better(path, best, s, w.Hits[door]) {
				best, door = path, i
			}
		}
	}
	g := Gate{acceptHit: door, Chain: edges[0].chain}
	if len(best) < minEdges || len(best) < len(listsOf(edges)) && len(listsOf(edges)) >= minEdges && len(best) != 5 {
		// The phases do not lead to the door: told in the order of the rules.
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
	g.describe(w, edges, best, doors)
	g.Guarded = slices.ContainsFunc(w.Hits, isReplayGuard)
	return g, true
}

// isReplayGuard reports whether a knock counts only for those who are on a list by
// destination, or get on one that forgets nobody, as a replay guard has it.
func isReplayGuard(s netfilter.Hit) bool {
	if s.Port() == 0 {
		return false
	}
	forgets := func(n netfilter.SetUpdate) bool { return n.Timeout > 0 }
	return slices.ContainsFunc(s.Checks, func(c netfilter.SetMatch) bool { return c.ByDest }) ||
		slices.ContainsFunc(s.Updates, forgets) && slices.ContainsFunc(s.Updates, func(n netfilter.SetUpdate) bool { return !forgets(n) })
}

// better reports whether the door s at the end of path is more like the
// scheme's than the one found before.
func better(path, best []string, s, door netfilter.Hit) bool {
	rank := func(path []string, s netfilter.Hit) (n int) {
		if len(path) == 5 {
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
	return cmp.Or(cmp.Compare(rank(path, s), rank(best, door)), cmp.Compare(len(path), len(best))) > 0
}

// edgesOf returns the knocks of the way, in the order of the rules.
func edgesOf(w netfilter.Path) (all []edge) {
	stays := map[string]time.Duration{}
	for _, s := range w.Hits {
		for _, n := range s.Updates {
			if n.Timeout > 0 {
				stays[n.Set] = n.Timeout
			}
		}
	}
	for i, s := range w.Hits {
		port := s.Port()
		if port == 0 || s.Verdict == netfilter.Accept || slices.ContainsFunc(s.Checks, func(c netfilter.SetMatch) bool { return c.Partial }) {
			continue // a list of parts of addresses stands in for a phase that is full
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
				e.from, e.window = c.Set, cmp.Or(stays[c.Set], c.Seconds)
				all = append(all, e)
			}
			if e.from == "" {
				all = append(all, e)
			}
		}
	}
	return all
}

// listsOf are those that edges lead to, in the order of the rules.
func listsOf(edges []edge) (all []string) {
	for _, e := range edges {
		if !slices.Contains(all, e.to) {
			all = append(all, e.to)
		}
	}
	return all
}

// firstEdges are the first edges to each list. Lists that a knock leads to besides
// another are left out.
func firstEdges(edges []edge) (all []edge) {
	for _, e := range edges {
		if !slices.ContainsFunc(all, func(o edge) bool { return o.to == e.to || o.hit == e.hit || o.port == e.port && o.from == e.from }) {
			all = append(all, e)
		}
	}
	if len(all) > 0 && all[0].from != "" && all[len(all)-1].from == "" {
		slices.Reverse(all) // the last phase stands first, as it better does
	}
	return all
}

// acceptMatch returns the check that lets s's packets through, or that keeps all
// others out.
func acceptMatch(s netfilter.Hit) (netfilter.SetMatch, bool) {
	for _, c := range s.Checks {
		through := s.Verdict == netfilter.Accept || s.Verdict == netfilter.Return && !s.Resumes || s.Verdict == netfilter.DNAT
		if !c.ByDest && (through && !c.Negated || s.Verdict == netfilter.Drop && c.Negated) {
			return c, true
		}
	}
	return netfilter.SetMatch{}, false
}

// phasePaths returns the ways, as lists in order, that end at the list to.
func phasePaths(edges []edge, to string) (all [][]string) {
	var back func(path []string)
	back = func(path []string) {
		var froms []string
		for _, e := range edges {
			if e.to == path[0] && !slices.Contains(froms, e.from) && !slices.Contains(path, e.from) {
				froms = append(froms, e.from)
			}
		}
		for _, f := range froms {
			switch {
			case len(all) >= maxPaths:
				return
			case f == "":
				all = append(all, path)
			case len(path) < maxPath:
				back(append([]string{f}, path...))
			}
		}
	}
	back([]string{to})
	return all
}

// edgesBetween returns the edges of step i of a path, in the order of the rules.
func edgesBetween(edges []edge, path []string, i int) (all []edge) {
	from := ""
	if i > 0 {
		from = path[i-1]
	}
	for _, e := range edges {
		if e.from == from && e.to == path[i] {
			all = append(all, e)
		}
	}
	return all
}

// describe fills in what is told of the gate.
func (g *Gate) describe(w netfilter.Path, edges []edge, path []string, doors []int) {
	g.Ports = portsOf(g.edges)
	for i, e := range g.edges {
		g.Lists = append(g.Lists, netfilter.ShortName(e.to))
		if i > 0 {
			g.Windows = append(g.Windows, e.window)
		}
		if n := w.Sets[e.to].Size; n > 0 && (g.size == 0 || n < g.size) {
			g.size = n
		}
	}
	g.addAlternatives(edges, path, doors, w)
	if g.acceptHit < 0 {
		return
	}
	s := w.Hits[g.acceptHit]
	c, _ := acceptMatch(s)
	window := c.Seconds
	for _, o := range w.Hits {
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
	g.Accept = acceptKind(w, g.acceptHit, c, g.SSHPort)
	for _, i := range doors {
		for _, p := range w.Hits[i].FewPorts() {
			if !slices.Contains(g.AcceptPorts, p) {
				g.AcceptPorts = append(g.AcceptPorts, p)
			}
		}
	}
}

// acceptKind says what the door does to an address that it lets through: in the
// rule itself, or in one before it that the same packets meet.
func acceptKind(w netfilter.Path, door int, c netfilter.SetMatch, port int) AcceptKind {
	if c.Mode != "rcheck" {
		return AcceptKind(c.Mode)
	}
	for i := w.Bases[w.Hits[door].Base].First; i <= door; i++ {
		s := w.Hits[i]
		if !slices.ContainsFunc(s.Checks, func(o netfilter.SetMatch) bool { return o.Set == c.Set && o.Negated == c.Negated }) && i != door ||
			port != 0 && !s.MatchesPort(port) { // a sweep guard removes who hits wrong ports
			continue
		}
		if slices.Contains(s.Removes, c.Set) {
			return OneShot
		}
		if slices.ContainsFunc(s.Updates, func(n netfilter.SetUpdate) bool { return n.Set == c.Set }) {
			return Sliding
		}
	}
	for _, o := range w.Hits[door].Checks {
		if o.Set == c.Set && o.Mode != "rcheck" && !o.ByDest {
			return AcceptKind(o.Mode)
		}
	}
	return Fixed
}

// addAlternatives collects the sequences taken besides the first: further rules between
// the same lists, and other lists that lead to a door.
func (g *Gate) addAlternatives(edges []edge, path []string, doors []int, w netfilter.Path) {
	add := func(path []string, i int) {
		var e []edge
		for k := range path {
			// A replay guard has two rules for one knock.
			options := slices.CompactFunc(edgesBetween(edges, path, k), func(a, b edge) bool { return a.port == b.port })
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
	if path == nil {
		return
	}
	all := [][]string{path}
	for _, d := range doors {
		c, _ := acceptMatch(w.Hits[d])
		all = append(all, phasePaths(edges, c.Set)...)
	}
	for _, p := range all {
		for i := range maxPaths {
			if len(p) == len(path) {
				add(p, i)
			}
		}
	}
}

// portsOf returns the ports of edges, 0 for those a script computes.
func portsOf(edges []edge) (p []uint16) {
	for _, e := range edges {
		p = append(p, uint16(max(0, e.port)))
	}
	return p
}
