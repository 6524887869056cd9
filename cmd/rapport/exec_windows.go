package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
)

// canPass reports whether a connected socket can be passed to ssh.
const canPass = false

// execProcess runs another program and waits for it: Windows has no execve.
var execProcess = runChild

// runChild runs another program on this console and returns its exit code as an
// [errEnded]. The console itself sends ctrl+c to both.
func runChild(_ context.Context, path string, argv []string) error {
	cmd := exec.Command(path, argv[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return errEnded(exit.ExitCode())
	}
	return err
}
