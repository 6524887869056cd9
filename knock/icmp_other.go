//go:build unix && !linux

package knock

import "net/netip"

// icmpOrigin is where an ICMP error came from. Only Linux reports it for TCP.
type icmpOrigin struct {
	from    netip.Addr
	noRoute bool
}

func askForICMP(fd, domain int) {}

func readICMP(fd int) (icmpOrigin, bool) { return icmpOrigin{}, false }
