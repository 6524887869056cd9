package gate

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"time"

	"rapport/knock"
	"rapport/knock/gate/refresh"
	"rapport/knock/gate/stranger"
	"rapport/knock/netfilter/machine"
	"rapport/knock/solve"
)

// Play is a server in virtual time: the rules around a gate, what they remember, and
// packets from any address. It is how [rapport/knock/gate/audit] asks what would
// happen.
type Play struct {
	gate *Gate
	c    client
	m    *machine.Machine
	ctx  context.Context // once it ends no knock arrives, so that long questions end
	work *int            // what is left of the rules that knocks may meet, nil without a bound
}

// Bound makes knocks arrive only while work, from which each takes the rules that it
// meets, is above zero. Copies share it.
func (p *Play) Bound(work *int) { p.work = work }

// Play returns a server on which nothing has happened yet. A list of the recent match
// holds so many addresses; 0 is the usual number. Once ctx ends no knock arrives.
func (g *Gate) Play(ctx context.Context, listTotal int) *Play {
	p := &Play{gate: g, c: *g.player(), ctx: ctx}
	p.m = p.c.machine()
	if listTotal > 0 {
		p.m.ListTotal = listTotal
	}
	return p
}

// Unsure is Play, but what is not modelled is left open.
func (g *Gate) Unsure(ctx context.Context, listTotal int) *Play {
	p := g.Play(ctx, listTotal)
	p.m.Assume = machine.Unknown
	return p
}

// player returns a client that meets all rules. Where the text shows chains without
// what calls them, it starts in the gate's.
func (g *Gate) player() *client {
	c := g.anybody()
	if g.partial() {
		c.entry = g.client.entry
	}
	return c
}

// Owner returns the address of a client that the gate opens to.
func (g *Gate) Owner() netip.Addr { return g.client.src }

// Knocks returns the ports of the gate in order. One that a script computes is a
// number below 0.
func (g *Gate) Knocks() (all []int) {
	for _, k := range g.knocks {
		all = append(all, k.port)
	}
	return all
}

// Proto returns the protocol of a knock.
func (g *Gate) Proto(i int) machine.Proto {
	if g.knocks[i].udp {
		return machine.UDP
	}
	return machine.TCP
}

// Played reports whether the rules of the gate are known, so that packets can be
// played through them.
func (g *Gate) Played() bool { return g.rules != nil }

// Wrong returns ports between those of the gate that are none of them.
func (g *Gate) Wrong() (all []int) {
	own := g.own()
	for port := g.wrong(); len(all) < 8 && port < solve.MaxSize; port++ {
		if !slices.Contains(own, port) {
			all = append(all, port)
		}
	}
	return all
}

// SetSize returns how many addresses fit into the smallest set of the phases, and
// whether it is one of nft; 0 is not known.
func (g *Gate) SetSize() (size int, nft bool) { return g.setSize(), g.native }

// Now returns the time.
func (p *Play) Now() time.Duration { return p.m.Now() }

// Clone returns a copy that lives on independently.
func (p *Play) Clone() *Play {
	o := *p
	o.m = p.m.Clone()
	return &o
}

// Knock sends a SYN to a port, or a UDP packet where the gate is knocked at with UDP.
// It reports whether the last phase remembers the source of it now, or did again.
func (p *Play) Knock(src netip.Addr, port int, at time.Duration) (last bool) {
	if p.c.src = src; p.ctx.Err() != nil || p.work != nil && *p.work <= 0 {
		return false
	}
	k := knockAt{port, p.gate.knocks[0].udp}
	if i := slices.IndexFunc(p.gate.knocks, func(k knockAt) bool { return k.port == port }); i >= 0 {
		k = p.gate.knocks[i]
	}
	r := p.m.Deliver(p.c.packet(k), at)
	if p.work != nil {
		*p.work -= r.Met + packetWork
	}
	steps := p.gate.steps
	final := steps[len(steps)-1]
	return slices.ContainsFunc(r.Changes, func(c machine.Change) bool {
		return c.Verb != "remove" && (final.List == c.List || len(final.List) == 0)
	})
}

// packetWork is what a packet costs beside the rules that it meets, in such rules.
const packetWork = 10

// Met returns how many rules a SYN to a port meets now.
func (p *Play) Met(port int) int {
	return p.m.Clone().Deliver(p.c.packet(knockAt{port: port}), p.m.Now()).Met
}

// Wait lets time pass.
func (p *Play) Wait(d time.Duration) { p.m.Wait(d) }

// Observe returns a server that shows the rules that packets meet, and leaves open what
// is not modelled. member is whether a source is in a set that is not shown. g is the
// gate of the family, nil without one.
func (f Findings) Observe(family knock.Family, member machine.Truth) (p *Play, g *Gate) {
	p = &Play{c: *newClient(f.rules, family), m: f.rules.NewMachine(), ctx: context.Background()}
	if i := slices.IndexFunc(f.Gates, func(g Gate) bool { return g.Family == family }); i >= 0 {
		g = &f.Gates[i]
		p.gate, p.c = g, *g.player()
	}
	p.m.Entry, p.m.Tracing, p.m.Member = p.c.entry, true, member
	return p, g
}

// Source returns the address of a client that the gate opens to, or else of any.
func (p *Play) Source() netip.Addr { return p.c.src }

// To sends all packets to an address from now on; else they go to one of the server's.
func (p *Play) To(a netip.Addr) { p.c.dst, p.m.Exact = a, true }

// Holds reports whether a list holds an address now.
func (p *Play) Holds(list string, a netip.Addr) bool { return p.m.Holds(list, a) }

// Deliver delivers a SYN, or a UDP packet.
func (p *Play) Deliver(src netip.Addr, proto machine.Proto, port int, at time.Duration) machine.Result {
	p.c.src = src
	return p.m.Deliver(p.c.packet(knockAt{port, proto == machine.UDP}), at)
}

// Session is a connection, or the attempt to make one.
type Session struct {
	Opened      machine.Truth  // Unknown depends on what is not modelled or not shown
	SYN, Answer machine.Result // the zero Answer is none
	packet      machine.Packet
}

// Connect connects to the SSH port now.
func (p *Play) Connect(src netip.Addr) Session { return p.Dial(src, p.gate.port(), p.Now()+gap) }

// Dial connects to a port.
func (p *Play) Dial(src netip.Addr, port int, at time.Duration) Session {
	p.c.src = src
	p.m.Wait(at - gap - p.Now())
	a := p.c.connect(p.m, port)
	return Session{a.opened(), a.Result, a.answer, a.session}
}

// Opens reports whether SSH is open to an address now, without connecting.
func (p *Play) Opens(src netip.Addr) machine.Truth { return p.Clone().Connect(src).Opened }

// Continue sends a packet of a session now, and reports whether it arrives.
func (p *Play) Continue(s Session) machine.Truth {
	switch p.m.Deliver(s.packet, p.m.Now()+gap).Verdict {
	case machine.Accept:
		return machine.Yes
	case machine.Undecided:
		return machine.Unknown
	}
	return machine.No
}

// Earlier returns a session that was made before these rules were loaded. Conntrack
// knows it if it tracked connections by then.
func (p *Play) Earlier(src netip.Addr, tracked bool) Session {
	p.c.src = src
	s := Session{packet: p.c.packet(knockAt{port: p.gate.port()})}
	if tracked {
		p.m.Establish(s.packet)
	}
	s.packet.Flags = machine.ACK
	return s
}

// Reload replaces the rules by those of another gate and keeps what a kernel keeps: a
// refresh.
func (p *Play) Reload(refreshed *Gate) {
	m := refreshed.Play(p.ctx, p.m.ListTotal).m
	m.Inherit(p.m)
	p.gate, p.c.rules, p.m = refreshed, refreshed.rules, m
}

// Hourly reports whether the rules are those that a script of package script loads: it
// writes the hour into them.
func (g *Gate) Hourly() bool {
	for r := range g.rules.Rules {
		if strings.Contains(strings.ReplaceAll(r.Text, `"`, ""), "comment hour ") && slices.Contains(r.Ports(), g.knocks[0].port) {
			return true
		}
	}
	return false
}

// Refreshed returns the gate as its rules would be with other ports, which the
// refresh of an hour gives them, or, with keep, in addition to its own. ok is false
// where they are computed, or where one occurs twice.
func (g *Gate) Refreshed(ports []int, keep bool) (next *Gate, ok bool) {
	own := slices.Clone(g.Ports)
	slices.Sort(own)
	twice := len(slices.Compact(own)) < len(g.Ports) // a rule does not say which phase it is of
	if len(ports) != len(g.knocks) || slices.Contains(g.Ports, 0) || twice {
		return nil, false
	}
	others := map[uint64]uint64{}
	for i, k := range g.knocks {
		others[uint64(k.port)] = uint64(ports[i])
	}
	o, c := *g, *g.client
	c.rules = refresh.Rules(g.rules, others, keep)
	o.rules, o.client, o.knocks = c.rules, &c, nil
	for _, p := range ports {
		o.knocks = append(o.knocks, knockAt{p, g.knocks[0].udp})
	}
	return &o, c.entry == nil
}

// Rules returns the rules, nil for a script that computes them. local says that they
// are all rules of this machine.
func (f Findings) Rules() (rules *machine.Ruleset, local bool) { return f.rules, f.local }

// Connect lets a stranger connect to SSH at a port. line is that of the rule that decides;
// 0 is a policy.
func (f Findings) Connect(family knock.Family, s stranger.Stranger, port int) (open machine.Truth, line int) {
	c := newClient(f.rules, family)
	c.unsure = true
	a, open := c.as(s).stranger(s, port)
	if a.Rule != nil {
		line = a.Rule.Line
	}
	return open, line
}
