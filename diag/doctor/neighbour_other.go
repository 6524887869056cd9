//go:build !linux

package doctor

import "net/netip"

// neighbourAnswers reports false: only Linux is asked.
func neighbourAnswers(netip.Addr) bool { return false }
