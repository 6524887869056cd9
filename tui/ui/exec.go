package ui

import "io"

// ExecFunc is a function that has the terminal to itself while it runs, for
// Bubble Tea's Exec.
type ExecFunc func() error

// Run implements Bubble Tea's ExecCommand.
func (f ExecFunc) Run() error { return f() }

// SetStdin implements Bubble Tea's ExecCommand; the function uses the process's own.
func (ExecFunc) SetStdin(io.Reader) {}

// SetStdout implements Bubble Tea's ExecCommand.
func (ExecFunc) SetStdout(io.Writer) {}

// SetStderr implements Bubble Tea's ExecCommand.
func (ExecFunc) SetStderr(io.Writer) {}
