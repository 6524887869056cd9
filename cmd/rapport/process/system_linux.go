package process

import (
	"os"

	"golang.org/x/sys/unix"
)

// DenyTracing keeps the memory and the initial environment of this process from other
// processes of the same user, and out of core dumps; see prctl(2), PR_SET_DUMPABLE.
// Child processes are not affected.
func DenyTracing() { _ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) }

// OutputClosed reports whether f is a pipe whose other end is closed (poll(2)). A
// write would fail too, but the next event may be hours away.
func OutputClosed(f *os.File) bool {
	p := []unix.PollFd{{Fd: int32(f.Fd())}}
	n, err := unix.Poll(p, 0)
	return err == nil && n > 0 && p[0].Revents&(unix.POLLERR|unix.POLLHUP) != 0
}
