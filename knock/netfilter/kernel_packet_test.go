//go:build linux

package netfilter_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"

	"rapport/knock/netfilter/machine"
)

// packet is a packet of the test.
type packet struct {
	machine.Packet
	sent bool // by the host, not to it
}

func (p packet) String() string {
	text := fmt.Sprintf("%v %v:%d > %v:%d", p.Proto, p.Src, p.SrcPort, p.Dst, p.DstPort)
	if p.Proto == machine.TCP {
		text += " " + p.Flags.String()
	}
	return text
}

// bytes returns the packet with its number, which is the identification of IPv4
// and the flow label of IPv6.
func (p packet) bytes(id int) []byte {
	size := 8
	if p.Proto == machine.TCP {
		size = 20
	}
	var b []byte
	if p.Src.Is4() {
		b = append(b, 0x45, 0, 0, byte(20+size), byte(id>>8), byte(id), 0, 0, 77, byte(p.Proto), 0, 0)
		b = append(append(b, p.Src.AsSlice()...), p.Dst.AsSlice()...)
		binary.BigEndian.PutUint16(b[10:], checksum(b, 0))
	} else {
		b = append(b, 0x60, 0, byte(id>>8), byte(id), 0, byte(size), byte(p.Proto), 77)
		b = append(append(b, p.Src.AsSlice()...), p.Dst.AsSlice()...)
	}
	start := len(b)
	b = binary.BigEndian.AppendUint16(b, uint16(p.SrcPort))
	b = binary.BigEndian.AppendUint16(b, uint16(p.DstPort))
	at := start + 6
	if p.Proto == machine.TCP {
		b = append(b, 0, 0, 0, 1, 0, 0, 0, 1, 5<<4, byte(p.Flags), 4, 0, 0, 0, 0, 0)
		at = start + 16
	} else {
		b = append(b, 0, 8, 0, 0)
	}
	addresses := start - 2*p.Src.BitLen()/8
	binary.BigEndian.PutUint16(b[at:], checksum(b[addresses:], uint32(p.Proto)+uint32(size)))
	return b
}

// checksum is that of RFC 1071, of an even number of bytes.
func checksum(b []byte, sum uint32) uint16 {
	for i := 0; i < len(b); i += 2 {
		sum += uint32(b[i])<<8 | uint32(b[i+1])
	}
	for sum>>16 != 0 {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// The packets come from these addresses and go to these ports, and the rules name
// the same.
var (
	clients4 = addresses("10.9.0.2", "10.9.0.3", "10.9.1.2")
	clients6 = addresses("fd09::2", "fd09::3", "fd09::1:2")
	ports    = []int{22, 1000, 1001, 1002}
)

func addresses(texts ...string) (all []netip.Addr) {
	for _, s := range texts {
		all = append(all, netip.MustParseAddr(s))
	}
	return all
}

// generator makes packets and rules. It is random, and the same for the same seed.
type generator struct {
	*rand.Rand
	v6       bool
	lastPort int
	earlier  []packet // that may be repeated
	through  []packet // that may be answered
	hashes   int      // names of tables that are used
	inFilter bool     // in the table filter
	called   bool     // in a chain that others call
}

// chance is true in n of 100 cases.
func (g *generator) chance(n int) bool { return g.IntN(100) < n }

func pick[T any](g *generator, from ...T) T { return from[g.IntN(len(from))] }

// packet returns the next packet: mostly a SYN, sometimes one more of a connection,
// and seldom one that the host itself begins.
func (g *generator) packet() packet {
	if len(g.earlier) > 0 && g.chance(25) {
		return g.more(pick(g, g.earlier...), false)
	}
	if len(g.through) > 0 && g.chance(15) {
		return g.more(pick(g, g.through...), true)
	}
	clients, host := clients4, host4
	if g.v6 {
		clients, host = clients6, host6
	}
	p := packet{Packet: machine.Packet{Proto: machine.TCP, Src: pick(g, clients[0], clients[0], clients[0], clients[1], clients[2]), Dst: host, DstPort: pick(g, ports...), Flags: machine.SYN, In: "eth0"}}
	g.lastPort++
	p.SrcPort = 40000 + g.lastPort
	switch g.IntN(13) {
	case 0, 1:
		p.Proto, p.Flags = machine.UDP, 0
	case 2:
		p.Flags = machine.ACK
	case 3:
		p.Flags = pick(g, machine.SYN|machine.ACK, machine.FIN|machine.ACK, machine.RST, machine.SYN|machine.FIN, 0)
	case 4:
		p = p.back()
	}
	g.earlier = append(g.earlier, p)
	return p
}

// back turns a packet into one of the other direction.
func (p packet) back() packet {
	p.Src, p.Dst, p.SrcPort, p.DstPort = p.Dst, p.Src, p.DstPort, p.SrcPort
	if p.sent = !p.sent; p.sent {
		p.In, p.Out = "", "eth0"
	} else {
		p.In, p.Out = "eth0", ""
	}
	return p
}

// more returns another packet of a connection, or an answer to its first one. Nothing
// answers a packet that did not get through: a host does not know of it.
func (g *generator) more(p packet, answer bool) packet {
	if answer {
		p = p.back()
	}
	switch {
	case p.Proto != machine.TCP:
	case answer:
		p.Flags = pick(g, machine.SYN|machine.ACK, machine.SYN|machine.ACK, machine.ACK, machine.RST)
	default:
		p.Flags = pick(g, machine.SYN, machine.SYN, machine.ACK, machine.ACK, machine.SYN|machine.ACK, machine.RST, machine.FIN|machine.ACK)
	}
	return p
}
