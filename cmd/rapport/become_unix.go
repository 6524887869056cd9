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

// canPass says that connections can be handed over to ssh.
const canPass = true

// become replaces this program by another, so that its exit code, its signals
// and its terminal are its own.
func become(_ context.Context, path string, argv []string) error {
	return fmt.Errorf("cannot run %s: %w", path, syscall.Exec(path, argv, os.Environ()))
}

// waitFor runs another program as if it had this one's place: it has the terminal
// and gets the signals, this program stops when it does, as ssh does with ~^Z, and
// ends with its exit code.
func waitFor(ctx context.Context, path string, argv []string) error {
	cmd := exec.Command(path, argv[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("cannot run %s: %w", path, err)
	}
	pid := cmd.Process.Pid
	stop := context.AfterFunc(ctx, func() {
		var s signalled
		if errors.As(context.Cause(ctx), &s) {
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
			_ = syscall.Kill(pid, syscall.SIGCONT) // so was this program, or it would not be here
		case status.Exited():
			return errEnded(status.ExitStatus())
		case status.Signaled():
			return errEnded(128 + int(status.Signal()))
		}
	}
}
