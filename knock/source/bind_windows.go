package source

import "net/netip"

// Bind does nothing: Windows binds a socket as it connects, to the address of Local.
func (s Source) Bind(int, netip.Addr) error { return nil }
