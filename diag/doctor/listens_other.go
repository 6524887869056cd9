//go:build !linux

package doctor

import "net/netip"

// nothingListens reports false: only Linux is asked.
func nothingListens(netip.AddrPort) bool { return false }
