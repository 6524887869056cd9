//go:build unix

package main

import (
	"fmt"
	"os"
	"syscall"
)

// canPass says that connections can be handed over to ssh.
const canPass = true

// become replaces this program by another, so that its exit code, its signals
// and its terminal are its own.
func become(path string, argv []string) error {
	return fmt.Errorf("cannot run %s: %w", path, syscall.Exec(path, argv, os.Environ()))
}
