package gate

import (
	"cmp"
	"fmt"
	"slices"

	"rapport/knock"
	"rapport/knock/gate/stranger"
	"rapport/knock/netfilter/machine"
	"rapport/knock/phrase"
)

// anybody returns a client from anywhere that meets all rules.
func (g *Gate) anybody() *client {
	c := newClient(g.rules, g.Family)
	c.src, c.in, c.member = g.client.src, g.client.in, g.client.member
	return c
}

// checkSurroundings judges the place of the gate among the other rules, by playing
// its handshake through all of them; alone leaves out the tables of the other tool.
func (g Gate) checkSurroundings(alone bool) (all []Problem) {
	if g.client.entry != nil {
		if !g.partial() {
			all = append(all, newProblem("gate-not-called", SeverityError, fmt.Sprintf("nothing leads packets to the chain %s: knocks do not arrive", g.Chain), "jump to it from INPUT, before anything drops"))
		}
		return all
	}
	c := g.anybody()
	if alone { // checkTwoGates reports what the other gate drops
		c.include = g.client.include
	}
	m, own := c.machine(), g.client.machine()
	m.Tracing = true
	arrived := true
	for i, k := range g.knocks {
		if arrived = k.port > 0 && g.apart == ""; !arrived {
			break // what it does is not known, or does not matter
		}
		r := c.send(m, k)
		// The second of two equal knocks changes nothing where the first passed both phases.
		if arrived = len(g.client.send(own, k).Changes) == 0 || len(r.Changes) > 0; arrived {
			continue
		}
		if !g.isFull(i) { // that is a problem of its own
			all = append(all, lost(r, k))
		}
		break
	}
	return append(all, g.checkSSH(c, m, arrived)...)
}

// checkSSH judges what becomes of connections to SSH: without a knock, behind the
// handshake that m has seen, and once its window is over.
func (g Gate) checkSSH(c *client, m *machine.Machine, arrived bool) (all []Problem) {
	add := func(code string, summary, fix string) {
		all = append(all, newProblem(code, SeverityError, summary, fix))
	}
	ssh := cmp.Or(g.SSHPort, sshPort)
	stranger := newClient(g.rules, g.Family)
	stranger.include = c.include
	fresh := stranger.connect(stranger.machine(), ssh)
	stranger.unsure = true
	after := c.connect(m.Clone(), ssh)
	computed := slices.ContainsFunc(g.knocks, func(k knockAt) bool { return k.port <= 0 })
	all = g.checkAccepted()
	switch {
	case len(all) > 0:
	case !g.opens && g.SSHPort == 0:
	case fresh.Opens() && !fresh.Forwarded:
		add("ssh-not-dropped", fmt.Sprintf("nothing drops connections to port %d without a handshake: no knock is needed", ssh), "drop them after the accept rule, or make DROP the policy of INPUT")
	case !g.opens || !arrived || computed || after.Verdict == machine.Undecided:
	case after.Verdict != machine.Accept:
		add("gate-after-drop", fmt.Sprintf("connections to port %d are dropped although the handshake was made: by %s", ssh, where(after.Result)), "move the accept rule before the one that drops, and accept the port in every base chain")
	case !after.Answered():
		add("answers-dropped", fmt.Sprintf("SSH at port %d is let in, but its answers are dropped on their way out", ssh), "accept established and related connections in OUTPUT, and in every chain of that hook")
	}
	if open := stranger.connect(stranger.machine(), ssh); !fresh.Opens() && open.Verdict == machine.Undecided && len(open.Unsure) > 0 {
		h := open.Unsure[0]
		all = append(all, newProblem("ssh-unknown", SeverityWarning, fmt.Sprintf("whether port %d opens without a knock is not known: line %d, %s: %s", ssh, h.Rule.Line, h.Reason, h.Rule.Text),
			"look at that rule: without it, or with it behind the gate's own rules, it does not matter"))
	}
	c.unsure = true
	if open := c.connect(c.after(g.knocks), ssh); after.Opens() && arrived && !computed && open.opened() == machine.Unknown && g.WithoutGate() == "" {
		all = append(all, newProblem("handshake-unknown", SeverityWarning, "whether the handshake opens SSH is not known: it depends on a rule that is not modelled, or not shown", "rapport audit and rapport trace --verbose name it: try the handshake from outside"))
	}
	c.unsure = false
	return append(all, g.checkSession(c, after)...)
}

// checkAccepted judges whether a rule lets SSH in without the handshake.
func (g Gate) checkAccepted() []Problem {
	how := g.WithoutGate()
	if how == "" {
		return nil
	}
	return []Problem{newProblem("ssh-accepted", SeverityError, fmt.Sprintf("new connections to port %d are accepted %s", g.port(), how), "remove the rule that accepts them, or limit it to single sources")}
}

// WithoutGate says by which rule connections to SSH are accepted without the knocks of
// the gate, empty if none does.
func (g Gate) WithoutGate() string {
	if g.client == nil || g.client.entry != nil && !g.partial() {
		return ""
	}
	port := g.port()
	c := newClient(g.rules, g.Family)
	a := c.connect(c.machine(), port)
	if a.Opens() {
		if a.Forwarded {
			return "on their way to another machine, to which a rule redirects them: no knock is needed"
		}
		if a.Rule == nil {
			return ""
		}
		place := "after"
		if g.client.connect(g.client.after(g.knocks), port).Rule == a.Rule {
			place = "before"
		}
		return fmt.Sprintf("%s the accept rule of the gate, by %s: no knock is needed", place, where(a.Result))
	}
	for _, s := range stranger.All(g.rules, g.Family == knock.Family6) {
		if a, open := c.as(s).stranger(s, port); open == machine.Yes && !s.Limited() {
			return fmt.Sprintf("%v, by %s: no knock is needed", s, where(a.Result))
		}
	}
	for _, p := range stranger.Pings(g.rules, g.Family == knock.Family6) {
		m := c.machine()
		m.Assume = machine.Yes // whoever sends it chooses its type
		ping := c.packet(knockAt{port: p.Port, udp: true})
		ping.Proto = p.Proto
		m.Deliver(ping, gap)
		m.Assume = machine.No
		if a = c.connect(m, port); a.Opens() {
			return fmt.Sprintf("behind one packet of %v, as the rule in line %d asks for, by %s", p.Proto, p.Line, where(a.Result))
		}
	}
	c = g.anybody()
	few := g.few[port]
	if a = c.connect(c.after(few), port); len(few) == 0 || !a.Opens() {
		return ""
	}
	first := "to port " + portText(few[0].port)
	if phase := slices.Index(g.knocks, few[0]); phase >= 0 {
		first = fmt.Sprintf("that of phase %d", phase+1)
	}
	return fmt.Sprintf("behind %s, the first %s, by %s", phrase.Plural(len(few), "knock"), first, where(a.Result))
}

// where names what decided about a packet.
func where(r machine.Result) string {
	switch {
	case r.Rule != nil && r.Rule.Line > 0:
		return fmt.Sprintf("the rule in line %d, chain %s", r.Rule.Line, r.Rule.Chain().Name)
	case r.Chain != nil:
		return "the policy of chain " + r.Chain.Name
	}
	return "no rule"
}

// checkSession judges what becomes of a session once its window is over.
func (g Gate) checkSession(c *client, a attempt) (all []Problem) {
	if a.Forwarded || !g.opens {
		return nil
	}
	late := c.machine()
	p := c.packet(knockAt{port: cmp.Or(g.SSHPort, sshPort)})
	late.Establish(p)
	p.Flags = machine.ACK
	late.Tracing = true
	late.Wait(endless)
	r := late.Deliver(p, late.Now())
	switch r.Verdict {
	case machine.Drop, machine.Reject:
		return append(all, newProblem("no-established", SeverityError, "packets of established connections are dropped: a session freezes when its window is over", "accept established and related connections as the first rule of INPUT"))
	case machine.Accept:
		walks := slices.ContainsFunc(r.Trace, func(h machine.Hit) bool { return g.steps[0].Rule != nil && h.Rule == g.steps[0].Rule })
		if walks && r.Rule != nil && r.Rule.Reads(machine.ConnState) {
			return append(all, newProblem("no-established", SeverityWarning, "established connections are accepted only after the gate, so all their packets walk through it", "accept established and related connections as the first rule of INPUT"))
		}
	}
	return nil
}
