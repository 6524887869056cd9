package machine

import (
	"cmp"
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

var protoNames = map[Proto]string{ICMP: "icmp", TCP: "tcp", UDP: "udp", ICMPv6: "icmpv6"}

func (p Proto) String() string { return cmp.Or(protoNames[p], fmt.Sprint(uint8(p))) }

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

var stateNames = map[State]string{StateInvalid: "invalid", StateNew: "new", StateEstablished: "established", StateRelated: "related", StateUntracked: "untracked"}

func (s State) String() string { return cmp.Or(stateNames[s], "several") }

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
