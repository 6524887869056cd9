package gate

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"rapport/knock"
	"rapport/knock/gate/memory"
	"rapport/knock/netfilter/machine"
)

// What stands between a client that sends each knock once, from one address, and
// the phases.

// unfold repeats the knocks that pass several phases at once: those of a port that
// occurs twice in a row, which a client knocks at twice.
func (c *client) unfold(r route, knocks []knockAt) (route, []knockAt) {
	var all []knockAt
	var seen []string // lists of the knocks before: a phase passed again does not count
	for i, k := range knocks {
		all = append(all, k)
		var lists []string // that this knock got the client on
		for _, h := range c.trace(r.states[i], k) {
			passed := func(check machine.Check) bool { return !check.Negated && slices.Contains(lists, check.List) }
			if h.Rule != nil && h.Outcome == machine.Yes && h.Rule.Reads(machine.Port) && slices.ContainsFunc(h.Rule.Checks(), passed) {
				all = append(all, k)
			}
			for _, change := range h.Changes {
				if change.Verb == "add" && !slices.Contains(seen, change.List) {
					lists = append(lists, change.List)
				}
			}
		}
		seen = append(seen, lists...)
	}
	if len(all) == len(knocks) || len(r.opens) == 0 {
		return r, knocks
	}
	longer := r
	longer.states = r.states[:1:1]
	for i, k := range all {
		m := longer.states[i].m.Clone()
		c.send(m, k)
		longer.states = append(longer.states, &state{m: m})
	}
	port := r.opens[0]
	if port == 0 {
		port = sshPort
	}
	if !opensNow(c.connect(r.states[0].m.Clone(), port), c.connect(longer.states[len(all)].m.Clone(), port)) {
		return r, knocks
	}
	return longer, all
}

// within returns how long the list of a phase counts for the knock behind it, which
// is to the same port, so that no pause shows it.
func (g *Gate) within(i int) time.Duration {
	for r := range g.rules.Rules {
		for _, check := range r.Checks() {
			if check.List == g.steps[i].List && slices.Contains(r.Ports(), g.knocks[i].port) {
				return check.Within
			}
		}
	}
	return 0
}

// blocked says why a client that sends each knock once does not get through the
// phases, as far as a rule is to blame, and what to do.
func (g Gate) blocked() (why, fix string) {
	switch {
	case g.client == nil:
		return "", ""
	case !g.opens || g.apart != "":
		return g.shadowed(), "let the rules of later phases stand before those of earlier ones, as in the script of rapport rules"
	}
	m := g.client.machine()
	m.Tracing = true
	var trace []machine.Hit
	for _, k := range g.knocks {
		trace = append(trace, g.client.send(m, k).Trace...)
	}
	trace = append(trace, g.client.connect(m, g.port()).Trace...)
	for _, h := range trace {
		if h.Rule == nil || h.Outcome != machine.Yes {
			continue
		}
		for _, c := range h.Rule.Checks() {
			if c.Hits > 1 && !c.Negated && !c.ByDest && slices.ContainsFunc(g.steps, func(s Step) bool { return s.List == c.List }) {
				return fmt.Sprintf("the rule in line %d asks for %d hits of the list %s: a client, which sends each knock once, does not get on", h.Rule.Line, c.Hits, c.List),
					"leave --hitcount out of the rules of the phases"
			}
		}
	}
	return "", ""
}

// shadowed says which rule of a phase never gets its knocks, because the rule of
// another phase has the same port and comes before it.
func (g Gate) shadowed() string {
	remembers := memory.Chains(g.rules)
	for r := range g.rules.Rules {
		checks := r.Checks()
		if len(checks) == 0 || !memory.Leads(r, remembers) {
			continue
		}
		for _, port := range r.Ports() {
			m := g.client.machine()
			m.Tracing = true
			for _, check := range checks {
				m.Put(check.List, g.client.src)
			}
			trace := g.client.send(m, knockAt{port, r.UDP()}).Trace
			met := func(h machine.Hit) bool { return h.Rule == r }
			before := func(h machine.Hit) bool {
				return h.Rule != nil && h.Outcome == machine.Yes && h.Rule.Chain() == r.Chain() && memory.Leads(h.Rule, remembers) && slices.Contains(h.Rule.Ports(), port)
			}
			if i := slices.IndexFunc(trace, before); i >= 0 && !slices.ContainsFunc(trace, met) {
				return fmt.Sprintf("a port occurs twice, and the rule in line %d takes all its SYNs: they never come to the rule in line %d", trace[i].Rule.Line, r.Line)
			}
		}
	}
	return ""
}

// checkNeighbours judges a phase that addresses of a network share.
func (g Gate) checkNeighbours() (all []Problem) {
	if !g.works() {
		return nil
	}
	for i := range g.knocks {
		bits := 0 // in which the address of the neighbour may differ
		for bits < g.client.src.BitLen() && g.shared(i, bits) {
			bits++
		}
		if own := g.client.src.BitLen() - bits; bits > 0 && (g.Family == knock.Family4 || own < 64) { // an IPv6 client has a /64
			return append(all, newProblem("shared-phase", SeverityWarning, fmt.Sprintf("all addresses of a /%d share phase %d: a knock of one of them counts for the others", own, i+1),
				"leave --mask out of the rules of the phases, or give --mask 255.255.255.255; in nft take the whole address"))
		}
	}
	return nil
}

// shared reports whether SSH opens to an address that differs in a bit, if the client
// sends the knocks up to one and that address the others.
func (g Gate) shared(knock, bit int) bool {
	c := *g.client
	m := c.after(g.knocks[:knock+1])
	b := c.src.AsSlice()
	b[len(b)-1-bit/8] ^= 1 << (bit % 8)
	c.src, _ = netip.AddrFromSlice(b)
	before := c.connect(c.after(g.knocks[knock+1:]), g.port())
	for _, k := range g.knocks[knock+1:] {
		c.send(m, k)
	}
	return opensNow(before, c.connect(m, g.port()))
}
