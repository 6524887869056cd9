//go:build unix && !linux

package knock

import "net/netip"

func askForICMP(fd, domain int) {}

// readICMP finds nothing: only Linux reports where an ICMP error for TCP came from.
func readICMP(int) (from netip.Addr, noRoute, ok bool) { return from, false, false }
