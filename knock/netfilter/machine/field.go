package machine

import "fmt"

// Subject is what a match reads: of a packet, its connection or its route. Its text
// names it in reasons.
type Subject string

// The subjects.
const (
	Port           Subject = "port" // the destination's
	SourcePort     Subject = "source port"
	OriginalPort   Subject = "original port" // of the destination, before a redirect
	SourceAddr     Subject = "source address"
	DestAddr       Subject = "destination address"
	SourceType     Subject = "type of the source address"
	DestType       Subject = "type of the destination address"
	InInterface    Subject = "interface"
	OutInterface   Subject = "outgoing interface"
	Protocol       Subject = "protocol"
	LinkProtocol   Subject = "link protocol" // an Ethernet type
	Family         Subject = "family"        // an address family of Linux
	TCPFlags       Subject = "flags"
	ConnState      Subject = "state"
	ConnStatus     Subject = "connection status"
	ConnDirection  Subject = "direction" // 1 for answers
	ConnMark       Subject = "connection mark"
	Mark           Subject = "mark"
	PacketType     Subject = "packet type"     // 0: to one host
	TypeOfService  Subject = "type of service" // 0
	ReverseRoute   Subject = "route"           // 1: there is a way back to the source
	ICMPType       Subject = "ICMP type"       // not known
	Constant       Subject = "value"           // of the rule itself
	UnknownSubject Subject = "any"             // the text does not say
)

// The values that some subjects have.
const (
	FamilyV4    = 2
	FamilyV6    = 10
	LinkIPv4    = 0x0800
	LinkIPv6    = 0x86dd
	TypeUnicast = 1 // of an address, as rtnetlink(7) numbers them
	TypeLocal   = 2
)

// Field is a subject, and how a match reads it.
type Field struct {
	Subject Subject
	Need    Proto  // a protocol that the packet must have, zero for any
	Family  int    // FamilyV4 or FamilyV6 for packets of one family
	Mask    *Value // nil keeps all bits
	Prefix  int    // the first bits of an address that count; zero is all
	Value   Value  // of Constant
}

// read returns the value. No means that the packet does not have it.
func (f *Field) read(m *Machine) (v Value, t Truth) {
	p := &m.x.p
	if f.Need != 0 && p.Proto != f.Need || f.Family == FamilyV4 && p.v6() || f.Family == FamilyV6 && !p.v6() {
		return v, No
	}
	v, t = f.packet(m)
	if f.Mask != nil {
		v = v.And(*f.Mask)
	}
	if f.Prefix > 0 {
		v = v.And(PrefixMask(min(f.Prefix, p.Src.BitLen()), p.Src.Is4()))
	}
	return v, t
}

// packet reads what a packet has itself.
func (f *Field) packet(m *Machine) (Value, Truth) {
	p, v6 := &m.x.p, m.x.p.v6()
	switch f.Subject {
	case Port:
		return f.port(p, p.DstPort)
	case SourcePort:
		return f.port(p, p.SrcPort)
	case SourceAddr:
		return m.x.src, Yes
	case DestAddr:
		return m.x.dst, Yes
	case InInterface:
		return InterfaceValue(p.In), Yes
	case OutInterface:
		return InterfaceValue(p.Out), Yes
	case Protocol:
		return Number(p.Proto), Yes
	case TCPFlags:
		return Number(p.Flags), Yes
	case LinkProtocol:
		return Number(pick(v6, LinkIPv6, LinkIPv4)), Yes
	case Family:
		return Number(pick(v6, FamilyV6, FamilyV4)), Yes
	case SourceType:
		return Number(pick(m.x.hook.local(false), TypeLocal, TypeUnicast)), Yes
	case DestType:
		return Number(pick(m.x.hook.local(true), TypeLocal, TypeUnicast)), Yes
	case PacketType, TypeOfService:
		return Value{}, Yes
	case ReverseRoute:
		return Number(1), Yes
	case Constant:
		return f.Value, Yes
	}
	return f.connection(m)
}

// connection reads what is stored beside a packet.
func (f *Field) connection(m *Machine) (Value, Truth) {
	x := &m.x
	switch f.Subject {
	case Mark:
		return x.mark.read()
	case ConnState:
		return Number(x.state), Yes
	case ConnMark, ConnStatus, OriginalPort, ConnDirection:
		if x.conn == nil {
			return Value{}, No
		}
	}
	switch f.Subject {
	case ConnMark:
		return x.conn.mark.read()
	case ConnStatus:
		return Number(x.status()), Yes
	case OriginalPort:
		return Number(int(x.conn.orig.dport)), Yes
	case ConnDirection:
		return Number(index(x.isReply)), Yes
	}
	return Value{}, Unknown
}

// port returns a port. Only the ports of TCP and UDP are known.
func (f *Field) port(p *Packet, n int) (Value, Truth) {
	switch {
	case p.Proto == TCP || p.Proto == UDP:
		return Number(n), Yes
	case f.Need != 0:
		return Value{}, Unknown
	}
	return Value{}, No
}

// index is 1 for true: of what exists for IPv4 and IPv6, in this order.
func index(v6 bool) int { return pick(v6, 1, 0) }

func pick(first bool, a, b int) int {
	if first {
		return a
	}
	return b
}

// InterfaceValue returns the value of an interface's name. All that may lead to the
// Internet are one.
func InterfaceValue(name string) Value {
	var b [16]byte
	if !isUplink(name) {
		copy(b[:], name)
	}
	return bytesValue(b)
}

// status returns the status of the connection.
func (x *transit) status() (s Status) {
	if x.conn.replied {
		s |= StatusSeenReply
	}
	if x.conn.assured {
		s |= StatusAssured
	}
	if x.conn != x.fresh {
		s |= StatusConfirmed
	}
	if x.conn.nat != nil {
		s |= StatusDNAT
	}
	return s
}

// show returns a value of the field as text.
func (f *Field) show(v Value) string {
	switch f.Subject {
	case ConnState:
		return State(v.Lo).String()
	case TCPFlags:
		return Flags(v.Lo).String()
	case Protocol:
		return Proto(v.Lo).String()
	case InInterface, OutInterface:
		if v == (Value{}) {
			return "the one to the Internet"
		}
		return v.name()
	case SourceType, DestType:
		if v == Number(TypeLocal) {
			return "local"
		}
		return "unicast"
	case Port, SourcePort, OriginalPort:
		if v.Lo > 65535 {
			return "computed"
		}
	}
	return fmt.Sprint(v.Lo)
}
