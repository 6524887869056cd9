package gate

import (
	"net/netip"
	"slices"

	"rapport/knock"
	"rapport/knock/gate/memory"
	"rapport/knock/netfilter/machine"
)

// maxWorlds bounds the clients that are tried where a gate is for some sources or
// interfaces only.
const maxWorlds = 24

// manyMet is how many rules a packet meets, in rules that are fewer, where chains that
// jump to each other multiply them beyond what a machine plays.
const manyMet = 5_000

// findGate finds the gate that packets of a family meet in the tables of nft, or in
// those of iptables. It asks a client from anywhere first; then one for whom nothing
// but the gate decides; then those for whom the rules make exceptions; then the
// chains that no packet reaches. all is false if it gave up before it had tried all.
func findGate(rules *machine.Ruleset, family knock.Family, native bool) (g Gate, ok, whole bool) {
	knocks, goals := candidates(rules)
	if len(knocks) == 0 {
		return g, false, true
	}
	all := clients(rules, family, native, knocks)
	for _, c := range all {
		routes := c.search(knocks, goals)
		i := max(0, slices.IndexFunc(routes, func(r route) bool { return len(r.opens) > 0 }))
		if len(routes) == 0 || ok && len(routes[i].opens) == 0 {
			continue
		}
		if next, found := c.gate(routes, routes[i]); found {
			g, ok = next, true
		}
		if g.opens { // otherwise another client may get further
			break
		}
	}
	for _, c := range all {
		if !ok && c.skip != nil {
			g, ok = c.broken(knocks)
		}
	}
	g.native = native
	plain := all[0]
	ends := plain.connect(plain.machine(), sshPort).Met < max(manyMet, 4*rules.Size())
	return g, ok, ends && !all[len(all)-1].exhausted()
}

// clients returns the clients to try, in this order.
func clients(rules *machine.Ruleset, family knock.Family, native bool, knocks []knockAt) (all []*client) {
	plain, work := newClient(rules, family), maxWork
	plain.work = &work
	plain.include = func(t *machine.Table) bool { return t.Native() == native }
	all = append(all, plain)
	with := func(base *client, change func(*client)) {
		c := *base
		change(&c)
		if len(all) < maxWorlds {
			all = append(all, &c)
		}
	}
	bare := memory.Unrelated(rules, plain.redirects(knocks))
	for _, a := range memory.Insiders(rules, family) {
		with(plain, func(c *client) { c.src = a })
	}
	with(plain, func(c *client) { c.member = machine.Yes })
	var sources []netip.Addr
	var ifaces []string
	remembers := memory.Chains(rules)
	for r := range rules.Rules {
		drops := r.Verdict == machine.Drop || r.Verdict == machine.Reject
		if !drops && !memory.Leads(r, remembers) {
			continue
		}
		for _, a := range r.Sources(drops) {
			if a.Is4() == (family == knock.Family4) && !slices.Contains(sources, a) {
				sources = append(sources, a)
				with(plain, func(c *client) { c.src = a })
			}
		}
		for _, name := range r.Interfaces(drops) {
			if !slices.Contains(ifaces, name) {
				ifaces = append(ifaces, name)
				with(plain, func(c *client) { c.in = name })
			}
		}
	}
	with(plain, func(c *client) { c.skip = bare })
	for _, c := range memory.Unreached(rules, family, native) {
		with(plain, func(w *client) { w.entry, w.skip = c, bare })
	}
	return all
}

// redirects returns the rules that redirect knocks without asking what the firewall
// remembers of their source.
func (c *client) redirects(knocks []knockAt) map[*machine.Rule]bool {
	redirects := func(r *machine.Rule) bool { return r != nil && r.Redirect != nil && len(r.Checks()) == 0 }
	if !slices.ContainsFunc(slices.Collect(c.rules.Rules), redirects) {
		return nil // to trace each knock costs more than the rest of the search
	}
	all, m := map[*machine.Rule]bool{}, c.machine()
	m.Tracing = true
	for _, k := range knocks {
		for _, h := range c.send(m, k).Trace {
			if h.Outcome == machine.Yes && redirects(h.Rule) {
				all[h.Rule] = true
			}
		}
	}
	return all
}

// gate describes the gate that a route leads through. It fails for what is none.
func (c *client) gate(found []route, r route) (g Gate, ok bool) {
	c.work = nil
	knocks, _ := r.knocks(0)
	if r, knocks = c.unfold(r, knocks); len(knocks) < minKnocks {
		return g, false
	}
	g = Gate{Family: c.family, client: c, rules: c.rules, knocks: knocks, opens: len(r.opens) > 0, accept: r.accept, few: r.few}
	g.Ports = ports(knocks)
	g.describeWays(c, r)
	for _, o := range found {
		for i := range maxSequencesFound {
			more, ok := o.knocks(i)
			if !ok || len(more) != len(knocks) || len(o.opens) == 0 {
				break
			}
			if p := ports(more); !slices.Equal(p, g.Ports) && !slices.ContainsFunc(g.Also, func(o []uint16) bool { return slices.Equal(o, p) }) {
				g.Also = append(g.Also, p)
			}
		}
	}
	if g.opens {
		for _, p := range r.opens {
			if p != 0 {
				g.AcceptPorts = append(g.AcceptPorts, p)
			}
		}
		switch {
		case slices.Contains(r.opens, 0): // all ports
			g.AcceptPorts = nil
		case slices.Contains(r.opens, sshPort):
			g.SSHPort = sshPort
		default:
			g.SSHPort = r.opens[0]
		}
		g.measure()
	} else {
		for i := range len(g.knocks) - 1 {
			g.Windows = append(g.Windows, g.window(i))
		}
	}
	return g, true
}

// ports returns the ports of knocks, 0 for those that a script computes.
func ports(knocks []knockAt) (all []uint16) {
	for _, k := range knocks {
		all = append(all, uint16(max(0, k.port)))
	}
	return all
}

// describeWays fills in the lists of the phases and the chain of the first.
func (g *Gate) describeWays(c *client, r route) {
	g.steps = make([]Step, len(g.knocks))
	for i, k := range g.knocks {
		s := &g.steps[i]
		for _, h := range c.trace(r.states[i], k) {
			if h.Outcome == machine.Yes && h.Rule != nil && h.Rule.Reads(machine.Port) && len(s.Lists) == 0 {
				s.Rule = h.Rule
			}
			for _, change := range h.Changes {
				if change.Verb != "remove" && !slices.Contains(s.Lists, change.List) && !byDest(h.Rule, change.List) {
					s.Lists = append(s.Lists, change.List)
				}
			}
		}
		if i == 0 {
			g.Chain = s.chain(c.trace(r.states[i], k))
			continue
		}
		// The second of two equal knocks is on the lists of its phase by the first one.
		if before := &g.steps[i-1]; k == g.knocks[i-1] && len(g.fresh(i)) == 0 {
			if fresh := g.fresh(i - 1); len(fresh) > 1 {
				before.Lists, s.Lists = fresh[:1], append(fresh[1:], s.Lists...)
			}
		}
	}
	for i := range g.steps {
		var checked []string // by what comes next
		if i+1 < len(g.steps) {
			checked = asked(c.trace(r.states[i+1], g.knocks[i+1]))
		} else if g.opens {
			m := r.states[i+1].m.Clone()
			m.Tracing = true
			port := sshPort
			if !slices.Contains(r.opens, sshPort) && !slices.Contains(r.opens, 0) {
				port = r.opens[0]
			}
			a := c.connect(m, port)
			checked = asked(a.Trace)
		}
		name := ""
		for _, l := range g.steps[i].Lists {
			if better := slices.Contains(checked, l); name == "" || better && (!slices.Contains(checked, name) || slices.Contains(g.Lists, machine.ShortName(name))) {
				name = l
			}
		}
		g.steps[i].List = name
		g.Lists = append(g.Lists, machine.ShortName(name))
	}
}

// fresh returns the lists of a step that are not those of steps before it.
func (g *Gate) fresh(i int) []string {
	return slices.DeleteFunc(slices.Clone(g.steps[i].Lists), func(l string) bool {
		return slices.ContainsFunc(g.steps[:i], func(s Step) bool { return slices.Contains(s.Lists, l) })
	})
}

// chain returns the chain of the rule that looks at the port, or else of the first that
// records the source.
func (s *Step) chain(trace []machine.Hit) string {
	if s.Rule != nil {
		return s.Rule.Chain().Name
	}
	if i := slices.IndexFunc(trace, func(h machine.Hit) bool { return len(h.Changes) > 0 }); i >= 0 {
		return trace[i].Chain.Name
	}
	return ""
}

// asked returns the lists on which the rules that matched ask for the source.
func asked(trace []machine.Hit) (all []string) {
	for _, h := range trace {
		if h.Rule == nil {
			continue
		}
		for _, check := range h.Rule.Checks() {
			if (h.Outcome == machine.Yes) != check.Negated {
				all = append(all, check.List)
			}
		}
	}
	return all
}

// byDest reports whether a rule adds the destination to a list, not the source.
func byDest(r *machine.Rule, list string) bool {
	return r != nil && slices.ContainsFunc(r.Updates(), func(u machine.Update) bool { return u.List == list && u.ByDest })
}
