package doctor

import (
	"encoding/binary"
	"net/netip"
	"syscall"
)

// neighbourAnswers reports whether the neighbour that has an address has told the address of its
// link, by the kernel's table. See rtnetlink(7), and linux/neighbour.h for the states without one.
func neighbourAnswers(addr netip.Addr) bool {
	const (
		getNeigh, newNeigh = 30, 28 // RTM_GETNEIGH, RTM_NEWNEIGH
		stateAt, headerLen = 8, 12  // of struct ndmsg
		untold             = 0x21   // NUD_INCOMPLETE, NUD_FAILED
	)
	all, err := syscall.NetlinkRIB(getNeigh, syscall.AF_UNSPEC)
	if err != nil {
		return false
	}
	messages, err := syscall.ParseNetlinkMessage(all)
	if err != nil {
		return false
	}
	for _, m := range messages {
		if m.Header.Type != newNeigh || len(m.Data) < headerLen || destination(m.Data[headerLen:]) != addr.WithZone("") {
			continue
		}
		if state := binary.NativeEndian.Uint16(m.Data[stateAt:]); state != 0 && state&untold == 0 {
			return true
		}
	}
	return false
}

// destination returns the address that the attributes of a neighbour have, invalid for none.
func destination(attributes []byte) netip.Addr {
	const dst = 1 // NDA_DST
	for len(attributes) >= syscall.SizeofRtAttr {
		n := int(binary.NativeEndian.Uint16(attributes))
		if n < syscall.SizeofRtAttr || n > len(attributes) {
			break
		}
		if binary.NativeEndian.Uint16(attributes[2:]) == dst {
			a, _ := netip.AddrFromSlice(attributes[syscall.SizeofRtAttr:n])
			return a
		}
		attributes = attributes[min((n+3)&^3, len(attributes)):]
	}
	return netip.Addr{}
}
