package hosts

import (
	"os/exec"
	"syscall"
)

// detach takes the console from a command that is about to start.
func detach(cmd *exec.Cmd) {
	const createNoWindow = 0x08000000
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: createNoWindow}
}
