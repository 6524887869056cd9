package knocktest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// isolate makes cmd, not yet started, the first process of a host.
func isolate(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWPID}
}

// signalInside sends a signal to the program that the nsenter of this id runs.
// nsenter forks to enter a pid namespace and forwards no signal; when its program
// dies of a signal, it dies of the same. To kill it first would leave the program to the
// init of the machine, and not every container has one that waits.
func signalInside(nsenter int, sig syscall.Signal) error {
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", nsenter, nsenter))
	if err != nil {
		return os.ErrProcessDone
	}
	pids := strings.Fields(string(children))
	if len(pids) == 0 {
		return syscall.Kill(nsenter, sig) // it has not forked yet, or runs no more
	}
	for _, p := range pids {
		pid, err := strconv.Atoi(p)
		if err != nil {
			return err
		}
		if err := syscall.Kill(pid, sig); err != nil && err != syscall.ESRCH {
			return err
		}
	}
	return nil
}

// SuspendSSHD stops the server's sshd, which runs, as SIGSTOP does: the kernel makes
// connections, and nobody accepts them. It goes on at the end of the test.
func (s *Server) SuspendSSHD(t testing.TB) {
	t.Helper()
	nsenter := s.sshd.cmd.Process.Pid // stops with its program
	if err := signalInside(nsenter, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(nsenter, syscall.SIGCONT) })
}

// enter calls f on a thread that is in the host's network. Sockets and devices
// that f makes stay there; f must start no goroutine and no process.
func (h *Host) enter(f func() error) error {
	done := make(chan error)
	go func() { done <- h.entered(f) }()
	return <-done
}

// entered is enter for a goroutine of its own: a thread that could not come back is
// never unlocked, and ends with the goroutine.
func (h *Host) entered(f func() error) error {
	runtime.LockOSThread()
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return err
	}
	defer home.Close()
	there, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", h.pid()))
	if err != nil {
		return err
	}
	defer there.Close()
	if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
		return os.NewSyscallError("setns", err)
	}
	err = f()
	back := os.NewSyscallError("setns", unix.Setns(int(home.Fd()), unix.CLONE_NEWNET))
	if back == nil {
		runtime.UnlockOSThread()
	}
	return errors.Join(err, back)
}

// openTUN makes a network device. Each IP packet that the host sends by it is read
// from the file, see tuntap.rst of the kernel. Closing the file removes it.
func openTUN(name string) (*os.File, error) {
	const path = "/dev/net/tun"
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	request, err := unix.NewIfreq(name)
	if err == nil {
		request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, os.NewSyscallError("ioctl TUNSETIFF", err)
	}
	return os.NewFile(uintptr(fd), path), nil // polled only from here on
}
