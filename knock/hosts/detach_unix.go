//go:build unix

package hosts

import (
	"os/exec"
	"syscall"
)

// detach takes the terminal from a command that is about to start: a session of its own
// has none, see setsid(2).
func detach(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }
