package main

import (
	"errors"
	"os"
	"os/exec"
)

// canPass says that connections can be handed over to ssh.
const canPass = false

// become runs another program in this one's place, and ends with its exit code.
func become(path string, argv []string) error {
	cmd := exec.Command(path, argv[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		os.Exit(exit.ExitCode())
	}
	return err
}
