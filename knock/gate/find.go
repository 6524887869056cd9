package gate

import (
	"cmp"
	"slices"
	"time"
)

// edge is a rule by which a knock moves an address from one list to the next.
type edge struct {
	from, to string // from is empty for the first phase
	port     int
	window   time.Duration // within which it must come after the one before
	step     int
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
	// maxDoors bounds a door's ports that are told one by one.
	maxDoors = 64
	maxPath  = 12
)

// findGate finds the gate on the way of one family.
func findGate(w way) (Gate, bool) {
	edges := edgesOf(w)
	if len(edges) < minEdges {
		return Gate{}, false
	}
	var best []string
	door := -1
	var doors []int
	for i, s := range w.steps {
		c, ok := doorOf(s)
		if !ok {
			continue
		}
		for _, path := range paths(edges, c.list) {
			doors = append(doors, i)
			if door < 0 || better(path, best, s, w.steps[door]) {
				best, door = path, i
			}
		}
	}
	g := Gate{door: door, Chain: edges[0].chain}
	if len(best) < minEdges || len(best) < len(lists(edges)) && len(lists(edges)) >= minEdges && len(best) != 5 {
		// The phases do not lead to the door: told in the order of the rules.
		g.edges = first(edges)
		best = nil
	}
	for i := range best {
		g.edges = append(g.edges, between(edges, best, i)[0])
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
	g.Guarded = slices.ContainsFunc(w.steps, guards)
	return g, true
}

// guards reports whether a knock counts only for those who are on a list by
// destination, or get on one that forgets nobody, as a replay guard has it.
func guards(s step) bool {
	if s.port() == 0 {
		return false
	}
	forgets := func(n note) bool { return n.stay > 0 }
	return slices.ContainsFunc(s.checks, func(c listCheck) bool { return c.byDest }) ||
		slices.ContainsFunc(s.sets, forgets) && slices.ContainsFunc(s.sets, func(n note) bool { return !forgets(n) })
}

// better reports whether the door s at the end of path is more like the
// scheme's than the one found before.
func better(path, best []string, s, door step) bool {
	rank := func(path []string, s step) (n int) {
		if len(path) == 5 {
			n += 8
		}
		if s.verdict == accepts || s.verdict == drops || s.verdict == returns {
			n += 4
		}
		if s.port() != 0 {
			n += 2
		}
		return n
	}
	return cmp.Or(cmp.Compare(rank(path, s), rank(best, door)), cmp.Compare(len(path), len(best))) > 0
}

// edgesOf returns the knocks of the way, in the order of the rules.
func edgesOf(w way) (all []edge) {
	stays := map[string]time.Duration{}
	for _, s := range w.steps {
		for _, n := range s.sets {
			if n.stay > 0 {
				stays[n.list] = n.stay
			}
		}
	}
	for i, s := range w.steps {
		port := s.port()
		if port == 0 || s.verdict == accepts || slices.ContainsFunc(s.checks, func(c listCheck) bool { return c.part }) {
			continue // a list of parts of addresses stands in for a phase that is full
		}
		for _, n := range s.sets {
			if n.part {
				continue
			}
			e := edge{to: n.list, port: port, step: i, chain: s.chain, byDest: n.byDest}
			for _, c := range s.checks {
				if c.negated || c.byDest {
					continue
				}
				e.from, e.window = c.list, cmp.Or(stays[c.list], c.seconds)
				all = append(all, e)
			}
			if e.from == "" {
				all = append(all, e)
			}
		}
	}
	return all
}

// lists are those that edges lead to, in the order of the rules.
func lists(edges []edge) (all []string) {
	for _, e := range edges {
		if !slices.Contains(all, e.to) {
			all = append(all, e.to)
		}
	}
	return all
}

// first are the first edges to each list. Lists that a knock leads to besides
// another are left out.
func first(edges []edge) (all []edge) {
	for _, e := range edges {
		if !slices.ContainsFunc(all, func(o edge) bool { return o.to == e.to || o.step == e.step || o.port == e.port && o.from == e.from }) {
			all = append(all, e)
		}
	}
	if len(all) > 0 && all[0].from != "" && all[len(all)-1].from == "" {
		slices.Reverse(all) // the last phase stands first, as it better does
	}
	return all
}

// doorOf returns the check that lets s's packets through, or that keeps all
// others out.
func doorOf(s step) (listCheck, bool) {
	for _, c := range s.checks {
		through := s.verdict == accepts || s.verdict == returns && !s.ends || s.verdict == dnats
		if !c.byDest && (through && !c.negated || s.verdict == drops && c.negated) {
			return c, true
		}
	}
	return listCheck{}, false
}

// paths returns the ways, as lists in order, that end at the list to.
func paths(edges []edge, to string) (all [][]string) {
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

// between returns the edges of step i of a path, in the order of the rules.
func between(edges []edge, path []string, i int) (all []edge) {
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
func (g *Gate) describe(w way, edges []edge, path []string, doors []int) {
	g.Ports = portsOf(g.edges)
	for i, e := range g.edges {
		g.Lists = append(g.Lists, shown(e.to))
		if i > 0 {
			g.Windows = append(g.Windows, e.window)
		}
		if n := w.lists[e.to].size; n > 0 && (g.size == 0 || n < g.size) {
			g.size = n
		}
	}
	g.also(edges, path, doors, w)
	if g.door < 0 {
		return
	}
	s := w.steps[g.door]
	c, _ := doorOf(s)
	window := c.seconds
	for _, o := range w.steps {
		for _, n := range o.sets {
			if n.list == c.list && n.stay > 0 {
				window = n.stay
			}
		}
	}
	g.Windows = append(g.Windows, window)
	if p := s.fewPorts(); len(p) > 0 {
		g.SSHPort = p[0]
		if slices.Contains(p, sshPort) {
			g.SSHPort = sshPort
		}
	}
	g.Door = doorKind(w, g.door, c, g.SSHPort)
	for _, i := range doors {
		for _, p := range w.steps[i].fewPorts() {
			if !slices.Contains(g.Doors, p) {
				g.Doors = append(g.Doors, p)
			}
		}
	}
}

// doorKind says what the door does to an address that it lets through: in the
// rule itself, or in one before it that the same packets meet.
func doorKind(w way, door int, c listCheck, port int) DoorKind {
	if c.mode != "rcheck" {
		return DoorKind(c.mode)
	}
	for i := w.bases[w.steps[door].base].first; i <= door; i++ {
		s := w.steps[i]
		if !slices.ContainsFunc(s.checks, func(o listCheck) bool { return o.list == c.list && o.negated == c.negated }) && i != door ||
			port != 0 && !s.takesPort(port) { // a sweep guard removes who hits wrong ports
			continue
		}
		if slices.Contains(s.removes, c.list) {
			return DoorRemove
		}
		if slices.ContainsFunc(s.sets, func(n note) bool { return n.list == c.list }) {
			return DoorUpdate
		}
	}
	for _, o := range w.steps[door].checks {
		if o.list == c.list && o.mode != "rcheck" && !o.byDest {
			return DoorKind(o.mode)
		}
	}
	return DoorRCheck
}

// also collects the sequences taken besides the first: further rules between
// the same lists, and other lists that lead to a door.
func (g *Gate) also(edges []edge, path []string, doors []int, w way) {
	add := func(path []string, i int) {
		var e []edge
		for k := range path {
			// A replay guard has two rules for one knock.
			options := slices.CompactFunc(between(edges, path, k), func(a, b edge) bool { return a.port == b.port })
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
		c, _ := doorOf(w.steps[d])
		all = append(all, paths(edges, c.list)...)
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
