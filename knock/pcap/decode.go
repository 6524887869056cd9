package pcap

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"rapport/knock/arrivals"
)

// segment is a SYN, or an answer to one.
type segment struct {
	at   time.Time
	kind arrivals.Kind
	// src, dst and seq are those of the SYN that it is or answers.
	src, dst netip.AddrPort
	seq      uint32
	by       netip.Addr // who sent it
	ttl      uint8
	way      direction
	iface    uint32 // where the link layer names it
	// follows is a packet of a connection that is neither: src sent it to dst.
	follows *following
}

// is reports whether s holds anything.
func (s segment) is() bool { return s.src.IsValid() }

// direction is how a packet crossed the machine that captured it, where the link layer
// says so.
type direction int8

const (
	unknown direction = iota
	outgoing
	incoming
)

// Link types that have no name in the library, or two: raw IP has a number of its own
// on some systems.
const (
	linkRawBSD  = 12
	linkRawOpen = 14
	linkSLL2    = 276
	linkIPv4    = 228
	linkIPv6    = 229
)

func linkName(t layers.LinkType) string {
	switch t {
	case layers.LinkTypeEthernet:
		return "Ethernet"
	case layers.LinkTypeLinuxSLL, linkSLL2:
		return "Linux cooked"
	case layers.LinkTypeRaw, linkRawBSD, linkRawOpen, linkIPv4, linkIPv6:
		return "raw IP"
	case layers.LinkTypeNull, layers.LinkTypeLoop:
		return "BSD loopback"
	}
	return "an unknown link layer"
}

// decode reads a packet. known is false for a link layer that cannot be read, or a
// damaged packet; the segment is empty for one that is no SYN nor an answer to one.
func decode(data []byte, link layers.LinkType) (s segment, known bool) {
	var kind layers.EthernetType
	switch link {
	case layers.LinkTypeEthernet:
		var l layers.Ethernet
		if l.DecodeFromBytes(data, gopacket.NilDecodeFeedback) != nil {
			return s, false
		}
		kind, data = l.EthernetType, l.Payload
	case layers.LinkTypeLinuxSLL:
		var l layers.LinuxSLL
		if l.DecodeFromBytes(data, gopacket.NilDecodeFeedback) != nil {
			return s, false
		}
		kind, data, s.way = l.EthernetType, l.Payload, wayOf(uint16(l.PacketType))
	case linkSLL2:
		var l layers.LinuxSLL2
		if l.DecodeFromBytes(data, gopacket.NilDecodeFeedback) != nil {
			return s, false
		}
		kind, data, s.way, s.iface = l.ProtocolType, l.Payload, wayOf(uint16(l.PacketType)), l.InterfaceIndex
	case layers.LinkTypeRaw, linkRawBSD, linkRawOpen, linkIPv4, linkIPv6:
	case layers.LinkTypeNull, layers.LinkTypeLoop:
		data = data[min(4, len(data)):]
	default:
		return s, false
	}
	const tags = 4 // VLANs within each other
	for range tags {
		if kind != layers.EthernetTypeDot1Q && kind != layers.EthernetTypeQinQ {
			break
		}
		var l layers.Dot1Q
		if l.DecodeFromBytes(data, gopacket.NilDecodeFeedback) != nil {
			return s, false
		}
		kind, data = l.Type, l.Payload
	}
	if kind != 0 && kind != layers.EthernetTypeIPv4 && kind != layers.EthernetTypeIPv6 {
		return s, true // ARP and the like
	}
	return s.ip(data)
}

// wayOf reads the packet type of Linux cooked captures, see packet(7).
func wayOf(t uint16) direction {
	switch t {
	case 0:
		return incoming
	case 4:
		return outgoing
	}
	return unknown
}

// ip reads an IP packet.
func (s segment) ip(data []byte) (segment, bool) {
	if len(data) == 0 {
		return s, false
	}
	var src, dst netip.Addr
	var next layers.IPProtocol
	switch data[0] >> 4 {
	case 4:
		var l layers.IPv4
		if l.DecodeFromBytes(data, gopacket.NilDecodeFeedback) != nil {
			return s, false
		}
		if l.FragOffset != 0 {
			return s, true
		}
		src, _ = netip.AddrFromSlice(l.SrcIP)
		dst, _ = netip.AddrFromSlice(l.DstIP)
		next, data, s.ttl = l.Protocol, l.Payload, l.TTL
	case 6:
		var l layers.IPv6
		if l.DecodeFromBytes(data, gopacket.NilDecodeFeedback) != nil {
			return s, false
		}
		src, _ = netip.AddrFromSlice(l.SrcIP)
		dst, _ = netip.AddrFromSlice(l.DstIP)
		next, data, s.ttl = l.NextHeader, l.Payload, l.HopLimit
		const headers = 8
		for range headers {
			if next != layers.IPProtocolIPv6HopByHop && next != layers.IPProtocolIPv6Routing && next != layers.IPProtocolIPv6Destination {
				break
			}
			var h layers.IPv6ExtensionSkipper
			if h.DecodeFromBytes(data, gopacket.NilDecodeFeedback) != nil {
				return s, false
			}
			next, data = h.NextHeader, h.Payload
		}
	default:
		return s, false
	}
	switch next {
	case layers.IPProtocolTCP:
		return s.tcp(src, dst, data)
	case layers.IPProtocolICMPv4, layers.IPProtocolICMPv6:
		return s.icmp(src, next, data), true
	}
	return s, true
}

// tcp reads a TCP header, as far as its flags: captures cut packets.
func (s segment) tcp(src, dst netip.Addr, data []byte) (segment, bool) {
	const flags = 13
	if len(data) <= flags {
		return s, false
	}
	const fin, syn, rst, ack = 1, 2, 4, 16
	const words = 12
	from := netip.AddrPortFrom(src, binary.BigEndian.Uint16(data))
	to := netip.AddrPortFrom(dst, binary.BigEndian.Uint16(data[2:]))
	s.by = src
	s.src, s.dst, s.seq = to, from, binary.BigEndian.Uint32(data[8:])-1 // an answer acknowledges the SYN
	switch data[flags] & (fin | syn | rst | ack) {
	case syn:
		s.src, s.dst, s.seq, s.kind = from, to, binary.BigEndian.Uint32(data[4:]), arrivals.SYN
	case syn | ack:
		s.kind = arrivals.Accepted
	case rst | ack, rst:
		s.kind = arrivals.Refused
	default:
		s.src = netip.AddrPort{}
		s.follows = &following{flow{from, to}, len(data) > 4*int(data[words]>>4), data[flags]&fin != 0}
	}
	return s, true
}

// icmp reads an error about a SYN, of which it quotes the beginning.
func (s segment) icmp(src netip.Addr, proto layers.IPProtocol, data []byte) segment {
	const header, quoted = 8, 8
	v4, v6 := proto == layers.IPProtocolICMPv4, proto == layers.IPProtocolICMPv6
	if len(data) < header+20 || v4 && data[0] != 3 || v6 && data[0] != 1 {
		return s
	}
	data = data[header:]
	var from, to netip.Addr
	length := 40
	switch {
	case v4 && data[0]>>4 == 4 && data[9] == byte(layers.IPProtocolTCP):
		from, _ = netip.AddrFromSlice(data[12:16])
		to, _ = netip.AddrFromSlice(data[16:20])
		length = 4 * int(data[0]&15)
	case v6 && len(data) >= length && data[0]>>4 == 6 && data[6] == byte(layers.IPProtocolTCP):
		from, _ = netip.AddrFromSlice(data[8:24])
		to, _ = netip.AddrFromSlice(data[24:40])
	default:
		return s
	}
	if len(data) < length+quoted {
		return s
	}
	data = data[length:]
	s.kind, s.by = arrivals.Unreachable, src
	s.src = netip.AddrPortFrom(from, binary.BigEndian.Uint16(data))
	s.dst = netip.AddrPortFrom(to, binary.BigEndian.Uint16(data[2:]))
	s.seq = binary.BigEndian.Uint32(data[4:])
	return s
}
