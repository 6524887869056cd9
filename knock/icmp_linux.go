package knock

import (
	"net/netip"
	"syscall"
	"unsafe"
)

// askForICMP lets the socket queue ICMP errors in full, see IP_RECVERR in
// ip(7): without it a rejecting firewall's port-unreachable looks like a RST.
func askForICMP(fd, domain int) {
	if domain == syscall.AF_INET {
		_ = syscall.SetsockoptInt(fd, syscall.IPPROTO_IP, syscall.IP_RECVERR, 1)
	} else {
		_ = syscall.SetsockoptInt(fd, syscall.IPPROTO_IPV6, syscall.IPV6_RECVERR, 1)
	}
}

// sockExtendedErr is struct sock_extended_err of linux/errqueue.h; the address
// of the sender follows it.
type sockExtendedErr struct {
	errno             uint32
	origin, typ, code uint8
	_                 uint8
	info, data        uint32
}

// Values of ee_origin.
const (
	originICMP  = 2
	originICMP6 = 3
)

// readICMP takes the ICMP error off the socket's error queue, if one is there.
// noRoute says that there is no route to the network or host; it is false for a
// closed port or a policy.
func readICMP(fd int) (from netip.Addr, noRoute, ok bool) {
	var oob [256]byte
	_, n, _, _, err := syscall.Recvmsg(fd, nil, oob[:], syscall.MSG_ERRQUEUE|syscall.MSG_DONTWAIT)
	if err != nil {
		return from, false, false
	}
	messages, _ := syscall.ParseSocketControlMessage(oob[:n])
	const head = int(unsafe.Sizeof(sockExtendedErr{}))
	for _, m := range messages {
		if len(m.Data) < head {
			continue
		}
		e := (*sockExtendedErr)(unsafe.Pointer(&m.Data[0]))
		addr := m.Data[head:]
		switch {
		case e.origin == originICMP && len(addr) >= 8: // struct sockaddr_in
			from, _ = netip.AddrFromSlice(addr[4:8])
			return from, e.typ == 3 && e.code <= 1, true
		case e.origin == originICMP6 && len(addr) >= 24: // struct sockaddr_in6
			from, _ = netip.AddrFromSlice(addr[8:24])
			return from, e.typ == 1 && (e.code == 0 || e.code == 3), true
		}
	}
	return from, false, false
}
