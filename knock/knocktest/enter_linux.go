package knocktest

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// enter calls f on a thread that is in the host's network. Sockets and devices
// that f makes stay there; f must start no goroutine and no process.
func (h *Host) enter(f func() error) error {
	done := make(chan error)
	go func() {
		// A thread that could not come back is never unlocked, and ends with
		// the goroutine.
		runtime.LockOSThread()
		home, err := os.Open("/proc/thread-self/ns/net")
		if err != nil {
			done <- err
			return
		}
		defer home.Close()
		there, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", h.pid()))
		if err != nil {
			done <- err
			return
		}
		defer there.Close()
		if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- os.NewSyscallError("setns", err)
			return
		}
		err = f()
		back := os.NewSyscallError("setns", unix.Setns(int(home.Fd()), unix.CLONE_NEWNET))
		if back == nil {
			runtime.UnlockOSThread()
		}
		done <- errors.Join(err, back)
	}()
	return <-done
}
