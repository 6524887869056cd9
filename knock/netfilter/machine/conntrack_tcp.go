package machine

import "time"

// tcpState is the state of a TCP connection in conntrack.
type tcpState uint8

// The states and outcomes of conntrack's table, by the kernel's short names.
const (
	sNO tcpState = iota // none
	sSS                 // SYN sent
	sSR                 // SYN received
	sES                 // established
	sFW                 // FIN wait
	sCW                 // close wait
	sLA                 // last ACK
	sTW                 // time wait
	sCL                 // close
	sS2                 // SYN sent by both
	sIV                 // the packet is invalid
	sIG                 // the packet changes nothing
)

// tcpNext is the table of nf_conntrack_proto_tcp.c: by direction, kind of packet and
// state.
var tcpNext = [2][6][10]tcpState{{
	kindSYN:    {sSS, sSS, sIG, sIG, sIG, sIG, sIG, sSS, sSS, sS2},
	kindSYNACK: {sIV, sIV, sSR, sIV, sIV, sIV, sIV, sIV, sIV, sSR},
	kindFIN:    {sIV, sIV, sFW, sFW, sLA, sLA, sLA, sTW, sCL, sIV},
	kindACK:    {sES, sIV, sES, sES, sCW, sCW, sTW, sTW, sCL, sIV},
	kindRST:    {sIV, sCL, sCL, sCL, sCL, sCL, sCL, sCL, sCL, sCL},
	kindNone:   {sIV, sIV, sIV, sIV, sIV, sIV, sIV, sIV, sIV, sIV},
}, {
	kindSYN:    {sIV, sS2, sIV, sIV, sIV, sIV, sIV, sSS, sIV, sS2},
	kindSYNACK: {sIV, sSR, sIG, sIG, sIG, sIG, sIG, sIG, sIG, sSR},
	kindFIN:    {sIV, sIV, sFW, sFW, sLA, sLA, sLA, sTW, sCL, sIV},
	kindACK:    {sIV, sIG, sSR, sES, sCW, sCW, sTW, sTW, sCL, sIG},
	kindRST:    {sIV, sCL, sCL, sCL, sCL, sCL, sCL, sCL, sCL, sCL},
	kindNone:   {sIV, sIV, sIV, sIV, sIV, sIV, sIV, sIV, sIV, sIV},
}}

// tcpTimeouts are the seconds for which conntrack remembers a connection in a state.
var tcpTimeouts = [...]time.Duration{sSS: 120, sSR: 60, sES: 5 * 24 * 3600, sFW: 120, sCW: 60, sLA: 30, sTW: 120, sCL: 10, sS2: 120}

// tcpKind is what conntrack sees in the flags of a packet.
type tcpKind uint8

const (
	kindSYN tcpKind = iota
	kindSYNACK
	kindFIN
	kindACK
	kindRST
	kindNone // no flag that counts, or flags that no packet has together
)

func (f Flags) kind() tcpKind {
	switch f &^ (PSH | ECE | CWR) {
	case SYN, SYN | URG:
		return kindSYN
	case SYN | ACK:
		return kindSYNACK
	case FIN | ACK, FIN | ACK | URG:
		return kindFIN
	case ACK, ACK | URG:
		return kindACK
	case RST, RST | ACK:
		return kindRST
	}
	return kindNone
}
