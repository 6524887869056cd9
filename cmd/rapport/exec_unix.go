//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// canPass reports whether a connected socket can be passed to ssh.
const canPass = true

// execProcess replaces this process with another program; see execve(2).
func execProcess(_ context.Context, path string, argv []string) error {
	return fmt.Errorf("cannot run %s: %w", path, syscall.Exec(path, argv, os.Environ()))
}

// runChild runs another program, forwards signals to it, and returns its exit code as an
// [errEnded]. When it stops, as ssh does on ~^Z, this process stops too.
func runChild(ctx context.Context, path string, argv []string) error {
	cmd := exec.Command(path, argv[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("cannot run %s: %w", path, err)
	}
	pid := cmd.Process.Pid
	stop := context.AfterFunc(ctx, func() {
		if s, ok := errors.AsType[signalled](context.Cause(ctx)); ok {
			_ = syscall.Kill(pid, s.signal)
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
			return errEnded(status.ExitStatus())
		case status.Signaled():
			return errEnded(128 + int(status.Signal()))
		}
	}
}
