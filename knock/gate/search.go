package gate

import (
	"cmp"
	"slices"

	"rapport/knock/gate/memory"
	"rapport/knock/netfilter/machine"
)

const (
	// minKnocks is how many knocks make a gate. Fewer are something else, such as a
	// limit on logins.
	minKnocks = 3
	maxKnocks = 64
	// maxStates bounds the states that a search goes through, maxCandidates the
	// ports that it tries in each, and maxWork the rules that all packets may meet.
	maxStates         = 600
	maxCandidates     = 1500
	maxSequencesFound = 64
	sshPort           = 22
)

// state is what the rules remember of the client after some knocks.
type state struct {
	m     *machine.Machine
	id    string
	from  *state // the state before, on the shortest way
	depth int
	few   bool   // something opens behind fewer knocks than make a gate
	edges []edge // knocks that lead on, in the order of the rules
}

// edge is a knock that changes the state.
type edge struct {
	knock knockAt
	to    *state
	line  int // of the rule
}

// route is a way through states to one in which SSH is open, or that ends at the
// last phase of a gate without an accept rule.
type route struct {
	states []*state // from the first to the last
	opens  []int    // the ports that are open then; 0 is any port
	accept attempt
	few    map[int][]knockAt // knocks that open a port already, if fewer than make a gate do
}

// knocks returns the knocks of the route: the i-th that leads on, at each step.
func (r route) knocks(i int) (all []knockAt, ok bool) {
	for s := range len(r.states) - 1 {
		var options []knockAt
		for _, e := range r.states[s].edges {
			if e.to == r.states[s+1] && !slices.Contains(options, e.knock) {
				options = append(options, e.knock)
			}
		}
		if i >= len(options) {
			return nil, false
		}
		all = append(all, options[i])
	}
	return all, true
}

// search is a breadth-first search over the states of a machine.
type search struct {
	*client
	goals     []int           // the ports that may open
	first     map[int]attempt // what became of connections to them without a knock
	before    map[int]attempt // or behind fewer knocks than make a gate
	seen      map[string]*state
	firstSeen map[string]*state // by the list that a client is on there for the first time
	queue     []*state
	found     []route
	few       map[int][]knockAt // of all routes
}

// search finds the shortest sequences of knocks that open something.
func (c *client) search(candidates []knockAt, goals []int) []route {
	first := &state{m: c.machine()}
	first.id = first.m.Fingerprint()
	s := search{client: c, goals: goals, first: map[int]attempt{}, before: map[int]attempt{}, seen: map[string]*state{first.id: first},
		firstSeen: map[string]*state{}, queue: []*state{first}, few: map[int][]knockAt{}}
	for _, g := range goals {
		if c.exhausted() {
			return nil
		}
		s.first[g] = c.connect(first.m.Clone(), g)
		s.before[g] = s.first[g]
	}
	if open := s.first[sshPort]; open.Verdict == machine.Accept && open.Rule != nil { // SSH is not a knock then
		candidates = slices.DeleteFunc(slices.Clone(candidates), func(k knockAt) bool { return k.port == sshPort })
	}
	for len(s.queue) > 0 && !c.exhausted() {
		next := s.queue[0]
		s.queue = s.queue[1:]
		if next.depth == maxKnocks || len(s.found) > 0 && next.depth >= len(s.found[0].states)-1 {
			break
		}
		for _, k := range candidates {
			if c.exhausted() {
				break
			}
			s.knock(next, k)
		}
		slices.SortStableFunc(next.edges, func(a, b edge) int { return cmp.Compare(a.line, b.line) })
	}
	if len(s.found) == 0 {
		if r, ok := deepest(s.firstSeen); ok {
			r.few = s.few
			s.found = append(s.found, r)
		}
	}
	return s.found
}

// knock tries a knock in a state, and records where it leads.
func (s *search) knock(at *state, k knockAt) {
	m := at.m.Clone()
	r := s.send(m, k)
	if len(r.Changes) == 0 {
		return
	}
	id := m.Fingerprint()
	to := s.seen[id]
	if to != nil && to.few && at.depth+1 >= minKnocks { // all knocks of a gate lead there too
		id += " again"
		to = s.seen[id]
	}
	isNew := to == nil && len(s.seen) < maxStates
	if isNew {
		to = &state{m: m, id: id, from: at, depth: at.depth + 1}
	}
	if to != nil && to.depth == at.depth+1 {
		at.edges = append(at.edges, edge{k, to, lineOf(portRule(s.trace(at, k)))})
	}
	if isNew {
		s.reached(to)
	}
}

// reached records a new state, and asks what is open in it.
func (s *search) reached(to *state) {
	s.seen[to.id] = to
	s.queue = append(s.queue, to)
	for _, member := range to.m.Members() {
		if s.firstSeen[member.List] == nil {
			s.firstSeen[member.List] = to
		}
	}
	r := route{states: way(to), few: s.few}
	for _, g := range s.goals {
		if s.exhausted() {
			break
		}
		now := s.connect(to.m.Clone(), g)
		switch {
		case !opensNow(s.first[g], now), !opensNow(s.before[g], now) && !s.needed(r, g):
			continue
		case to.depth < minKnocks && !s.unfolds(r, g): // what fewer knocks open is no gate
			s.before[g], to.few = now, true
			if _, known := s.few[g]; !known {
				s.few[g], _ = r.knocks(0)
			}
			continue
		case len(r.opens) == 0 || g == sshPort:
			r.accept = now
		}
		if g == unusedPort {
			g = 0
		}
		r.opens = append(r.opens, g)
	}
	if len(r.opens) > 0 {
		s.found = append(s.found, r)
	}
}

// unfolds reports whether the few knocks of a route, which open a port, pass as many
// phases as make a gate: those of a port that occurs several times in a row.
func (s *search) unfolds(r route, port int) bool {
	r.opens = []int{port}
	knocks, _ := r.knocks(0)
	_, all := s.unfold(r, knocks)
	return len(all) >= minKnocks
}

// needed reports whether a port opens by all the knocks of a route, and not without any
// of them: another way opens by fewer.
func (s *search) needed(r route, port int) bool {
	last := r.states[len(r.states)-1]
	knocks, ok := r.knocks(0)
	for i := range knocks {
		m := s.machine()
		for _, k := range slices.Delete(slices.Clone(knocks), i, i+1) {
			s.send(m, k)
		}
		ok = ok && !opensNow(s.first[port], s.connect(m, port))
	}
	return ok && last.depth >= minKnocks
}

// opensNow reports whether a connection is made now that was not made before, or by
// another rule.
func opensNow(before, now attempt) bool {
	if now.Verdict != machine.Accept {
		return false
	}
	return before.Verdict != machine.Accept || now.Rule != nil && now.Rule != before.Rule && now.Rule.Chain() != nil ||
		now.Forwarded != before.Forwarded || now.Packet.DstPort != before.Packet.DstPort
}

// way returns the states that lead to s, the first before the rest.
func way(s *state) (all []*state) {
	for ; s != nil; s = s.from {
		all = append(all, s)
	}
	slices.Reverse(all)
	return all
}

// deepest returns the way to the list that takes the most different knocks to get
// on: the phases of a gate that opens nothing.
func deepest(firstSeen map[string]*state) (best route, ok bool) {
	names := []string{}
	for name := range firstSeen {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		states := way(firstSeen[name])
		knocks := map[knockAt]bool{}
		r := route{states: states}
		if all, ok := r.knocks(0); ok {
			for _, k := range all {
				knocks[k] = true
			}
		}
		if len(knocks) >= minKnocks && len(states) > len(best.states) {
			best = r
		}
	}
	return best, len(best.states) > minKnocks
}

// trace returns the rules that a knock meets in a state.
func (c *client) trace(s *state, k knockAt) []machine.Hit {
	m := s.m.Clone()
	m.Tracing = true
	return c.send(m, k).Trace
}

// candidates returns the knocks worth trying, in the order of the rules: the ports
// that rules name which remember sources, or which lead to such rules.
func candidates(rules *machine.Ruleset) (knocks []knockAt, goals []int) {
	remembers := memory.Chains(rules)
	goals = []int{sshPort, unusedPort}
	for r := range rules.Rules {
		if !memory.Leads(r, remembers) {
			continue
		}
		for _, p := range r.Ports() {
			k := knockAt{port: p, udp: r.UDP()}
			if p != 0 && !slices.Contains(knocks, k) && len(knocks) < maxCandidates {
				knocks = append(knocks, k)
			}
			if p > 0 && !k.udp && !slices.Contains(goals, p) {
				goals = append(goals, p)
			}
		}
	}
	return knocks, goals
}
