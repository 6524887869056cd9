//go:build unix

package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// CanPass reports whether a connected socket can be passed to ssh.
const CanPass = true

// Exec replaces this process with another program; see execve(2).
func Exec(_ context.Context, path string, argv []string) error {
	return fmt.Errorf("cannot run %s: %w", path, syscall.Exec(path, argv, os.Environ()))
}

// RunChild runs another program, forwards signals to it, and returns its exit code as an
// [Ended]. When it stops, as ssh does on ~^Z, this process stops too.
func RunChild(ctx context.Context, path string, argv []string) error {
	cmd := exec.Command(path, argv[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("cannot run %s: %w", path, err)
	}
	pid := cmd.Process.Pid
	stop := context.AfterFunc(ctx, func() {
		if s, ok := errors.AsType[Signalled](context.Cause(ctx)); ok {
			_ = syscall.Kill(pid, s.Signal)
		}
	})
	defer stop()
	for {
		var status syscall.WaitStatus
		_, err := syscall.Wait4(pid, &status, syscall.WUNTRACED, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return fmt.Errorf("cannot wait for %s: %w", path, err)
		case status.Stopped():
			_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
			_ = syscall.Kill(pid, syscall.SIGCONT) // this process was continued, so the child must be too
		case status.Exited():
			return Ended(status.ExitStatus())
		case status.Signaled():
			return Ended(128 + int(status.Signal()))
		}
	}
}
