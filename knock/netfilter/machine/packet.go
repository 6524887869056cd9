package machine

import (
	"fmt"
	"net/netip"
	"strings"
)

// Proto is an IP protocol number.
type Proto uint8

// The protocols that a machine knows more of than the number.
const (
	ICMP   Proto = 1
	TCP    Proto = 6
	UDP    Proto = 17
	ICMPv6 Proto = 58
)

func (p Proto) String() string {
	switch p {
	case ICMP:
		return "icmp"
	case TCP:
		return "tcp"
	case UDP:
		return "udp"
	case ICMPv6:
		return "icmpv6"
	}
	return fmt.Sprint(uint8(p))
}

// Flags are TCP flags, as in the header.
type Flags uint8

// The TCP flags.
const (
	FIN Flags = 1 << iota
	SYN
	RST
	PSH
	ACK
	URG
	ECE
	CWR
)

func (f Flags) String() string {
	var all []string
	for i, name := range []string{"FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"} {
		if f&(1<<i) != 0 {
			all = append(all, name)
		}
	}
	return strings.Join(all, "+")
}

// State is the state of a packet's connection in conntrack.
type State uint8

// The states, as bits.
const (
	StateInvalid State = 1 << iota
	StateNew
	StateEstablished
	StateRelated
	StateUntracked
)

func (s State) String() string {
	switch s {
	case StateInvalid:
		return "invalid"
	case StateNew:
		return "new"
	case StateEstablished:
		return "established"
	case StateRelated:
		return "related"
	case StateUntracked:
		return "untracked"
	}
	return "several"
}

// Status are bits of the status of a connection (nf_conntrack_common.h).
type Status uint16

// The bits.
const (
	StatusExpected  Status = 1 << 0
	StatusSeenReply Status = 1 << 1
	StatusAssured   Status = 1 << 2
	StatusConfirmed Status = 1 << 3
	StatusSNAT      Status = 1 << 4
	StatusDNAT      Status = 1 << 5
	StatusDying     Status = 1 << 9
)

// Packet is a packet as the kernel sees it. A port below 0 stands for a variable of
// a script, whose value is not known.
type Packet struct {
	Proto            Proto
	Src, Dst         netip.Addr
	SrcPort, DstPort int
	Flags            Flags
	// In and Out are the interfaces. "" is the one that leads to the Internet,
	// whatever its name.
	In, Out string
}

// v6 reports the family.
func (p *Packet) v6() bool { return p.Src.Is6() }

// reply returns the packet that answers p.
func (p Packet) reply() Packet {
	p.Src, p.Dst, p.SrcPort, p.DstPort, p.Flags, p.Out, p.In = p.Dst, p.Src, p.DstPort, p.SrcPort, 0, p.In, ""
	return p
}

// key returns how conntrack knows the direction of a packet.
func (p Packet) key() connKey {
	return connKey{AddrValue(p.Src), AddrValue(p.Dst), int32(p.SrcPort), int32(p.DstPort), p.Proto}
}
