package machine

import (
	"fmt"
	"slices"
	"strings"
)

// Compare matches a field with values and ranges.
type Compare struct {
	Field
	In     []Range
	Negate bool
	Bits   bool // matches if a bit of In is set
	// Own says that In may hold an address of this machine: addresses that have to be
	// this machine's are taken for those.
	Own bool
}

func (c *Compare) eval(m *Machine) Truth {
	if h := m.x.hook; c.Own && !m.Exact && (c.Subject == DestAddr && !h.outbound() || c.Subject == SourceAddr && h == Output) {
		return Yes.not(c.Negate)
	}
	v, t := c.read(m)
	if t != Yes {
		return t
	}
	return truth(c.has(v)).not(c.Negate)
}

func (c *Compare) has(v Value) bool {
	for _, r := range c.In {
		if c.Bits && (v.And(r.From) != Value{}) || !c.Bits && r.has(v) {
			return true
		}
	}
	return false
}

func (c *Compare) why(m *Machine) string {
	v, t := c.read(m)
	switch {
	case t == No:
		return "no " + string(c.Subject) + " in this packet"
	case t == Unknown:
		return string(c.Subject) + " is not known"
	case c.Subject == SourceAddr:
		return "from " + v.Addr().String()
	case c.Subject == DestAddr:
		return "to " + v.Addr().String()
	}
	return fmt.Sprintf("%s is %s", c.Subject, c.show(v))
}

// EitherPort matches the source or the destination port.
type EitherPort struct {
	In     []Range
	Negate bool
}

func (e *EitherPort) eval(m *Machine) Truth {
	p := &m.x.p
	return truth(slices.ContainsFunc(e.In, func(r Range) bool {
		return r.has(Number(p.SrcPort)) || r.has(Number(p.DstPort))
	})).not(e.Negate)
}

func (e *EitherPort) why(*Machine) string { return "other ports" }

// IfaceMatch matches an interface by its name. The packets of a client come in by
// the interface that leads to the Internet, whatever its name.
type IfaceMatch struct {
	Out    bool
	Names  []string
	Negate bool
}

func (i *IfaceMatch) eval(m *Machine) Truth {
	name, applies := m.x.p.In, !m.x.hook.outbound()
	if i.Out {
		name, applies = m.x.p.Out, m.x.hook >= Forward
	}
	if !applies {
		return No.not(i.Negate)
	}
	return truth(slices.ContainsFunc(i.Names, func(n string) bool { return ifaceIs(n, name) })).not(i.Negate)
}

func (i *IfaceMatch) why(m *Machine) string {
	if m.x.p.In != "" {
		return "comes by " + m.x.p.In
	}
	return "comes by the interface to the Internet"
}

// ifaceIs reports whether the pattern of a rule fits an interface; a name "" is that
// of the Internet's.
func ifaceIs(pattern, name string) bool {
	if name == "" {
		return isUplink(pattern)
	}
	for _, wild := range []string{"+", "*"} {
		if p, ok := strings.CutSuffix(pattern, wild); ok {
			return strings.HasPrefix(name, p)
		}
	}
	return pattern == name
}

// isUplink guesses from an interface's name whether it leads to the Internet.
func isUplink(iface string) bool {
	for _, p := range []string{"eth", "en", "wl", "ww", "ppp", "venet", "bond", "em", "p1p"} {
		if strings.HasPrefix(iface, p) {
			return true
		}
	}
	return iface == "+" || iface == "*"
}

// memberList is the name under which the machine keeps what rules add to such a set.
func memberList(set string) string { return "set " + set }

// MemberMatch asks a set whose contents the text does not show, such as one of
// ipset. Rules may add to it.
type MemberMatch struct {
	Set    string
	Negate bool
	id     int
}

func (s *MemberMatch) link(p *program, _ *Table) {
	s.id, p.unmodelled = p.list(memberList(s.Set)), true
}

func (s *MemberMatch) eval(m *Machine) Truth {
	if m.lists[s.id].entries[m.x.src] != nil {
		return Yes.not(s.Negate)
	}
	return m.Member.not(s.Negate)
}

func (s *MemberMatch) why(*Machine) string { return "what the set " + s.Set + " holds is not known" }

// MemberUpdate adds to such a set, or removes from it.
type MemberUpdate struct {
	always
	Set    string
	Remove bool
	id     int
}

func (s *MemberUpdate) link(p *program, _ *Table) { s.id = p.list(memberList(s.Set)) }

func (s *MemberUpdate) eval(m *Machine) Truth {
	l, addr := &m.lists[s.id], m.x.src
	e := l.entries[addr]
	switch {
	case s.Remove && e != nil:
		l.remove(e)
		m.change(memberList(s.Set), "remove")
	case !s.Remove && e == nil:
		l.add(addr, m.now, 1<<16)
		m.change(memberList(s.Set), "add")
	}
	return Yes
}

// mark is the mark of a packet or of a connection.
type mark struct {
	bits  uint32
	vague bool // a statement that is not modelled has set it
}

// read returns the mark as a value.
func (k mark) read() (Value, Truth) {
	if k.vague {
		return Value{}, Unknown
	}
	return Number(k.bits), Yes
}

// SetMark sets the mark of the packet or of the connection.
type SetMark struct {
	Conn bool
	// The new mark is the old one's bits in Keep, XOR the other mark's in From, XOR Value.
	Keep, From, Value uint32
	Strict            bool // as in nft: a rule that reads the mark of no connection does not match
	Vague             bool // what the new mark is is not known
}

func (s *SetMark) link(p *program, _ *Table) { p.unmodelled = p.unmodelled || s.Vague }

func (s *SetMark) eval(m *Machine) Truth {
	x := &m.x
	if x.conn == nil && (s.Strict || s.From != 0 && !s.Conn) {
		return truth(!s.Strict)
	}
	mark, other := &x.mark, new(mark)
	if x.conn != nil {
		other = &x.conn.mark
	}
	if s.Conn {
		mark, other = other, mark
	}
	mark.vague = s.Vague || s.Keep != 0 && mark.vague || s.From != 0 && other.vague
	mark.bits = mark.bits&s.Keep ^ other.bits&s.From ^ s.Value
	return Yes
}

func (s *SetMark) why(*Machine) string { return "no connection to read the mark of" }

// Notrack keeps conntrack from looking at the packet.
type Notrack struct{ always }

func (Notrack) eval(m *Machine) Truth {
	if !m.x.tracked && m.Skip == nil {
		m.x.notrack, m.x.state = true, StateUntracked
	}
	return Yes
}
