//go:build unix && (!linux || 386 || s390x)

package knock

import "time"

// dropSYNACK reports false: only on Linux the kernel can drop a SYN-ACK.
func dropSYNACK(int) bool { return false }

// sawSYNACK reports whether a SYN-ACK came to a socket of dropSYNACK.
func sawSYNACK(int) bool { return false }

// answeredRepeat reports false: only Linux tells.
func answeredRepeat(int, time.Duration) bool { return false }
