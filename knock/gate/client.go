package gate

import (
	"cmp"
	"net/netip"
	"time"

	"rapport/knock"
	"rapport/knock/gate/stranger"
	"rapport/knock/netfilter/machine"
)

const (
	// gap is the time between two packets of a question.
	gap = time.Millisecond
	// firstSource is the source port of the first connection.
	firstSource = 40000
	// unusedPort is one that no rule is expected to name.
	unusedPort = 61234
	// maxWork bounds the rules that all packets of a search may meet: a second at the
	// most. A rule that is copied with a machine costs 1/copied of one that is met.
	maxWork = 4_000_000
	copied  = 16
)

// client sends packets to a machine that executes rules, and asks what they do.
type client struct {
	rules    *machine.Ruleset
	family   knock.Family
	src, dst netip.Addr
	in       string        // the interface that its packets come by, "" the one to the Internet
	member   machine.Truth // whether it is in sets whose contents are not shown
	entry    *machine.Chain
	skip     func(*machine.Rule, machine.Verdict) bool
	include  func(*machine.Table) bool
	unsure   bool // a match that is not modelled makes a verdict unknown; otherwise it does not match
	source   int  // the last source port
	fixed    int  // the source port of all packets, 0 is a new one for each
	work     *int // what is left of maxWork, nil without a bound
}

// newClient returns a client from somewhere on the Internet: from an address that
// the rules do not name.
func newClient(rules *machine.Ruleset, family knock.Family) *client {
	c := &client{rules: rules, family: family, source: firstSource}
	hosts := []string{"84.23.151.77", "151.101.65.140", "45.142.120.9", "190.211.254.18"}
	c.dst = netip.MustParseAddr("84.23.151.2")
	if family == knock.Family6 {
		hosts = []string{"2a01:4f8:c17:b8f::77", "2600:1f18:4a3:6900::9", "2804:14c:65d6::18"}
		c.dst = netip.MustParseAddr("2a01:4f8:c17:b8f::2")
	}
	for _, h := range hosts {
		if c.src = netip.MustParseAddr(h); !rules.Names(c.src) {
			break
		}
	}
	return c
}

// machine returns a machine in which nothing has happened.
func (c *client) machine() *machine.Machine {
	m := c.rules.NewMachine()
	assume := machine.No
	if c.unsure {
		assume = machine.Unknown
	}
	m.Assume, m.Member, m.Entry, m.Skip, m.Include = assume, c.member, c.entry, c.skip, c.include
	return m
}

// packet returns a packet of a new connection.
func (c *client) packet(k knockAt) machine.Packet {
	c.source++
	p := machine.Packet{Proto: machine.TCP, Src: c.src, Dst: c.dst, SrcPort: firstSource + (c.source-firstSource)%20000, DstPort: k.port, In: c.in, Flags: machine.SYN}
	if c.fixed != 0 {
		p.SrcPort = c.fixed
	}
	if k.udp {
		p.Proto, p.Flags = machine.UDP, 0
	}
	return p
}

// knockAt is a knock: a SYN to a port, or a UDP packet.
type knockAt struct {
	port int
	udp  bool
}

// send sends a knock now.
func (c *client) send(m *machine.Machine, k knockAt) machine.Result {
	r := m.Deliver(c.packet(k), m.Now()+gap)
	c.spend(r.Met)
	return r
}

// spend counts a packet that met so many rules, and the copy of the machine that it
// was played on.
func (c *client) spend(met int) {
	if c.work != nil {
		*c.work -= met + c.rules.Size()/copied + 1
	}
}

// exhausted reports whether a search has to end.
func (c *client) exhausted() bool { return c.work != nil && *c.work <= 0 }

// attempt is an attempt to connect.
type attempt struct {
	machine.Result                // of the SYN
	answer         machine.Result // what became of the answer to it
	session        machine.Packet // a packet of the connection
}

// Answered reports whether the answer to the SYN got out, for all that is known.
func (a attempt) Answered() bool {
	return a.answer.Verdict == machine.Accept || a.answer.Verdict == machine.Undecided
}

// Opens reports whether a connection came about.
func (a attempt) Opens() bool { return a.Verdict == machine.Accept && a.Answered() }

// opened is Opens where what is not modelled or not shown may decide.
func (a attempt) opened() machine.Truth {
	switch {
	case a.Verdict == machine.Undecided, a.Opens() && a.answer.Verdict == machine.Undecided:
		return machine.Unknown
	case a.Opens():
		return machine.Yes
	}
	return machine.No
}

// connect makes a connection now, to the first data packet.
func (c *client) connect(m *machine.Machine, port int) attempt {
	p := c.packet(knockAt{port: port})
	a := attempt{Result: m.Deliver(p, m.Now()+gap)}
	c.spend(a.Met)
	if a.Verdict != machine.Accept {
		return a
	}
	a.answer.Verdict = machine.Accept
	a.session = p
	a.session.Flags = machine.ACK
	if !a.Forwarded { // another machine's answers are not those of these rules
		answer := a.Packet
		answer.Src, answer.Dst, answer.SrcPort, answer.DstPort = answer.Dst, answer.Src, answer.DstPort, answer.SrcPort
		answer.Flags, answer.In, answer.Out = machine.SYN|machine.ACK, "", c.in
		if a.answer = m.Send(answer, m.Now()+gap); !a.Answered() {
			return a
		}
	}
	m.Deliver(a.session, m.Now()+gap)
	return a
}

// as returns the client as a stranger.
func (c client) as(s stranger.Stranger) *client {
	if c.in, c.fixed = s.Interface, s.SourcePort; s.Source.IsValid() {
		c.src = s.Source
	}
	if s.Dest.IsValid() {
		c.dst = s.Dest
	}
	return &c
}

// stranger connects to SSH at a port, or to one that may be redirected there.
func (c *client) stranger(s stranger.Stranger, port int) (a attempt, open machine.Truth) {
	a = c.connect(c.machine(), cmp.Or(s.Port, port))
	if s.Port != 0 && (a.Forwarded || a.Packet.DstPort != port) {
		return a, machine.No
	}
	return a, a.opened()
}

// after plays knocks on a new machine, the pause before each one as given.
func (c *client) after(knocks []knockAt, pauses ...time.Duration) *machine.Machine {
	m := c.machine()
	for i, k := range knocks {
		at := m.Now() + gap
		if i > 0 && i <= len(pauses) {
			at += pauses[i-1]
		}
		m.Deliver(c.packet(k), at)
	}
	return m
}
