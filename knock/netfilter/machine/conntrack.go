package machine

// conntrackPriority is where conntrack looks at a packet.
const conntrackPriority = -200

// connKey identifies a connection by one of its directions.
type connKey struct {
	src, dst     Value
	sport, dport int32
	proto        Proto
}

// conn is what conntrack stores of a connection.
type conn struct {
	orig, reply connKey
	replied     bool // packets went both ways
	mark        uint32
	nat         *Redirect
}

// track finds the connection of the packet, as conntrack does. A bare ACK of an
// unknown connection counts as new (nf_conntrack_tcp_loose).
func (m *Machine) track() {
	x := &m.x
	x.tracked = true
	if x.notrack {
		x.state = StateUntracked
		return
	}
	k := x.p.key()
	c := m.conns[k]
	if c != nil {
		x.conn, x.isReply = c, k != c.orig
		c.replied = c.replied || x.isReply
		x.state = StateNew
		if c.replied {
			x.state = StateEstablished
		}
		if c.nat != nil && !x.isReply {
			x.nat = c.nat
			m.apply(c.nat)
		}
		return
	}
	if f := x.p.Flags & (SYN | ACK | FIN | RST); x.p.Proto == TCP && f != SYN && f != ACK {
		x.state = StateInvalid
		return
	}
	x.fresh = &conn{orig: k, reply: x.p.reply().key()}
	x.conn, x.state = x.fresh, StateNew
}

// redirect applies the new destination of the rule, and stores it for the rest of the
// connection.
func (m *Machine) redirect() {
	x := &m.x
	m.apply(x.nat)
	if x.fresh != nil {
		x.fresh.nat = x.nat
		x.fresh.reply = x.p.reply().key()
	}
}

func (m *Machine) apply(n *Redirect) {
	if n.Port != 0 {
		m.x.p.DstPort = n.Port
	}
	m.x.forward = !n.Local
}

// Establish records a connection whose packets have gone both ways, as if p had
// opened it before.
func (m *Machine) Establish(p Packet) {
	c := &conn{orig: p.key(), reply: p.reply().key(), replied: true}
	m.conns[c.orig], m.conns[c.reply] = c, c
}
