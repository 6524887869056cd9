package knocktest

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
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
