package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
)

// canPass says that connections can be handed over to ssh.
const canPass = false

// become runs another program in this one's place.
func become(ctx context.Context, path string, argv []string) error { return waitFor(ctx, path, argv) }

// waitFor runs another program, which gets the console's ctrl+c itself, and ends
// with its exit code.
func waitFor(_ context.Context, path string, argv []string) error {
	cmd := exec.Command(path, argv[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return errEnded(exit.ExitCode())
	}
	return err
}
