//go:build unix

package fleet

import "syscall"

// descriptors returns how many files this process may have open, see getrlimit(2).
func descriptors() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 256
	}
	return int(min(uint64(limit.Cur), 1<<20))
}
