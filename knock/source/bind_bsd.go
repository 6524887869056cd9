//go:build unix && !linux

package source

import "net/netip"

// bindInterface makes a socket send from the interface's address.
func (s Source) bindInterface(fd int, target netip.Addr) error { return s.bindAddress(fd, target) }
