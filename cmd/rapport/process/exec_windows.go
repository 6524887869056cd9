package process

import (
	"context"
	"errors"
	"os"
	"os/exec"
)

// CanPass reports whether a connected socket can be passed to ssh.
const CanPass = false

// Exec runs another program and waits for it: Windows has no execve.
var Exec = RunChild

// RunChild runs another program on this console and returns its exit code as an
// [Ended]. The console itself sends ctrl+c to both.
func RunChild(_ context.Context, path string, argv []string) error {
	cmd := exec.Command(path, argv[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return Ended(exit.ExitCode())
	}
	return err
}
