package machine

import "time"

const (
	// conntrackPriority is where conntrack looks at a packet.
	conntrackPriority = -200
	// natPriority is where the redirects of connections are applied.
	natPriority = -100
	// streamAfter is when a connection without states counts as a stream.
	streamAfter = 2 * time.Second
)

// connKey identifies a connection by one of its directions.
type connKey struct {
	src, dst     Value
	sport, dport int32
	proto        Proto
}

// key returns how conntrack knows the direction of a packet.
func (p *Packet) key() connKey {
	return connKey{AddrValue(p.Src), AddrValue(p.Dst), int32(p.SrcPort), int32(p.DstPort), p.Proto}
}

// reverse returns the key of the other direction.
func (k connKey) reverse() connKey { return connKey{k.dst, k.src, k.dport, k.sport, k.proto} }

// conn is what conntrack stores of a connection.
type conn struct {
	orig, reply connKey
	replied     bool // packets went both ways
	assured     bool // and one more after an answer
	began       time.Duration
	expires     time.Duration
	tcp         tcpState
	fin         bool    // one side began to close it
	reset       [2]bool // the last packet was an RST, by direction
	mark        mark
	nat         *Redirect
}

// timeout returns how long conntrack remembers the connection after a packet, by its
// usual settings.
func (c *conn) timeout() time.Duration {
	switch {
	case c.orig.proto != TCP && c.assured:
		return 120 * time.Second
	case c.orig.proto != TCP:
		return 30 * time.Second
	case c.tcp == sES && !c.replied: // begun by a bare ACK
		return 300 * time.Second
	}
	return tcpTimeouts[c.tcp] * time.Second
}

// step moves a TCP connection on. It returns sIV for a packet that does not belong to
// it, and sNO for a SYN that opens it again as a new connection.
func (c *conn) step(f Flags, reply bool) tcpState {
	dir := index(reply)
	kind := f.kind()
	next := tcpNext[dir][kind][c.tcp]
	switch {
	case next == sIV:
		return sIV
	case next == sSS && c.tcp >= sTW && (c.fin || c.reset[dir]):
		return sNO
	case next == sIG || next == sSS && c.tcp >= sTW:
		c.reset = [2]bool{}
		return sIG
	}
	c.fin = c.fin || next == sFW && c.tcp != sFW
	c.tcp, c.reset = next, [2]bool{}
	c.reset[dir] = kind == kindRST
	return next
}

// track finds the connection of the packet, as conntrack does. A bare ACK of an
// unknown connection counts as new (nf_conntrack_tcp_loose).
func (m *Machine) track() {
	x := &m.x
	x.tracked = true
	if x.notrack {
		return
	}
	k := x.p.key()
	c := m.conns[k]
	if c != nil && m.now >= c.expires {
		m.forget(c)
		c = nil
	}
	if c != nil && m.join(c, k != c.orig) {
		return
	}
	m.spare = conn{orig: k, reply: k.reverse(), began: m.now}
	if x.p.Proto == TCP {
		if m.spare.tcp = tcpNext[0][x.p.Flags.kind()][sNO]; m.spare.tcp == sIV {
			x.state = StateInvalid
			return
		}
	}
	m.spare.expires = m.now + m.spare.timeout()
	x.fresh, x.conn, x.state = &m.spare, &m.spare, StateNew
}

// join makes the packet one of a connection, if it is valid there. It returns false
// if the packet begins a new connection in the place of that one.
func (m *Machine) join(c *conn, reply bool) bool {
	x := &m.x
	before, next := c.tcp, sES
	if x.p.Proto == TCP {
		next = c.step(x.p.Flags, reply)
	}
	switch next {
	case sIV:
		x.state = StateInvalid
		return true
	case sNO:
		m.forget(c)
		return false
	}
	x.conn, x.isReply, x.state = c, reply, StateNew
	if !c.replied && x.p.Proto == TCP && x.p.Flags&RST != 0 { // refused
		m.forget(c)
	}
	if c.replied {
		c.assured = c.assured || x.p.Proto == TCP && next == sES && (before == sSR || before == sES) ||
			x.p.Proto != TCP && m.now > c.began+streamAfter
	}
	if c.replied = c.replied || reply; c.replied {
		x.state = StateEstablished
	}
	if next != sIG { // an ignored packet does not extend the time
		c.expires = m.now + c.timeout()
	}
	if !reply {
		x.follows = c.nat
	}
	return true
}

func (m *Machine) forget(c *conn) {
	delete(m.conns, c.orig)
	delete(m.conns, c.reply)
}

// alive reports whether conntrack knows a connection that is not closed.
func (m *Machine) alive(k connKey) bool {
	c := m.conns[k]
	return c != nil && c.tcp != sTW && c.tcp != sCL && m.now < c.expires
}

// ownConn returns by what the lists of connections know that of the packet, and the
// connection, nil if it is not stored yet. A packet without one, such as an invalid
// one, counts by its own direction.
func (m *Machine) ownConn() (connKey, *conn) {
	switch c := m.x.conn; {
	case c == nil:
		k := m.x.p.key()
		if c = m.conns[k]; c != nil && m.now >= c.expires {
			c = nil
		}
		return k, c
	case c == m.x.fresh:
		return c.orig, nil
	default:
		return c.orig, c
	}
}

// redirect applies the new destination of the rule, and stores it for the rest of the
// connection.
func (m *Machine) redirect() {
	x := &m.x
	m.apply(x.nat)
	if x.fresh != nil {
		x.fresh.nat = x.nat
		x.fresh.reply = x.p.key().reverse()
	}
}

// follow applies the redirect that an earlier packet of the connection got.
func (m *Machine) follow() {
	if x := &m.x; x.follows != nil {
		m.apply(x.follows)
		x.follows = nil
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
	k := p.key()
	c := &conn{orig: k, reply: k.reverse(), replied: true, assured: true, tcp: sES}
	c.expires = m.now + c.timeout()
	m.conns[c.orig], m.conns[c.reply] = c, c
}
