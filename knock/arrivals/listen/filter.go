// Package listen sees the SYNs that reach this machine before its firewall does, and the
// answers to them. It only receives: a packet socket with a BPF filter, which takes root
// on Linux.
package listen

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"time"

	"golang.org/x/net/bpf"

	"rapport/knock/arrivals"
)

// ErrNotHere says that this system has no packet sockets.
var ErrNotHere = errors.New("SYNs can be listened to on Linux only")

// Ports say which packets are wanted: SYNs to ports from First to Last and to SSH, and
// what comes back from them.
type Ports struct {
	First, Last, SSH uint16
}

// Flags of TCP, RFC 9293, section 3.1.
const (
	flagFIN = 1 << 0
	flagSYN = 1 << 1
	flagRST = 1 << 2
	flagACK = 1 << 4
	flags   = flagFIN | flagSYN | flagRST | flagACK
)

const (
	tcp = 6
	// snapshot is how much of a packet is read: the headers of IPv6 and TCP, and options
	// of IPv4.
	snapshot = 128
)

// Program returns the filter, for packets that begin with the IP header. Other headers
// between that of IPv6 and TCP are not followed.
func (p Ports) Program() []bpf.Instruction {
	return []bpf.Instruction{
		bpf.LoadAbsolute{Off: 0, Size: 1},
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0xf0},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0x40, SkipFalse: 6},
		bpf.LoadAbsolute{Off: 9, Size: 1}, // IPv4
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: tcp, SkipFalse: 19},
		bpf.LoadAbsolute{Off: 6, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: 0x1fff, SkipTrue: 17}, // not a first fragment
		bpf.LoadMemShift{Off: 0},
		bpf.Jump{Skip: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0x60, SkipFalse: 14},
		bpf.LoadAbsolute{Off: 6, Size: 1}, // IPv6
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: tcp, SkipFalse: 12},
		bpf.LoadConstant{Dst: bpf.RegX, Val: 40},
		bpf.LoadIndirect{Off: 13, Size: 1}, // the TCP header is at X
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: flags},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: flagSYN, SkipFalse: 2},
		bpf.LoadIndirect{Off: 2, Size: 2}, // to
		bpf.Jump{Skip: 3},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: flagSYN | flagACK, SkipTrue: 1},
		bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: flagRST, SkipFalse: 4},
		bpf.LoadIndirect{Off: 0, Size: 2}, // from
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(p.SSH), SkipTrue: 3},
		bpf.JumpIf{Cond: bpf.JumpGreaterOrEqual, Val: uint32(p.First), SkipFalse: 1},
		bpf.JumpIf{Cond: bpf.JumpLessOrEqual, Val: uint32(p.Last), SkipTrue: 1},
		bpf.RetConstant{Val: 0},
		bpf.RetConstant{Val: snapshot},
	}
}

// parse reads a packet that the filter has accepted, and that has come in, or goes out.
func parse(b []byte, out bool, at time.Time) (p arrivals.Packet, ok bool) {
	var src, dst netip.Addr
	switch {
	case len(b) >= 20 && b[0]>>4 == 4:
		src, _ = netip.AddrFromSlice(b[12:16])
		dst, _ = netip.AddrFromSlice(b[16:20])
		b = b[min(len(b), 4*int(b[0]&15)):]
	case len(b) >= 40 && b[0]>>4 == 6:
		src, _ = netip.AddrFromSlice(b[8:24])
		dst, _ = netip.AddrFromSlice(b[24:40])
		b = b[40:]
	}
	if len(b) < 14 {
		return p, false
	}
	from := netip.AddrPortFrom(src, binary.BigEndian.Uint16(b))
	to := netip.AddrPortFrom(dst, binary.BigEndian.Uint16(b[2:]))
	switch asks := b[13]&flags == flagSYN; {
	case asks == out:
		return p, false // this machine connects, or another answers it
	case asks:
		return arrivals.Packet{Src: from, Dst: to, Seq: binary.BigEndian.Uint32(b[4:]), Arrived: at}, true
	}
	p = arrivals.Packet{Kind: arrivals.Refused, Src: to, Dst: from, By: src, Sent: at}
	if b[13]&flagSYN != 0 {
		p.Kind = arrivals.Accepted
	}
	return p, true
}
