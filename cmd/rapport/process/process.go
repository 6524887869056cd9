// Package process is what the program does with processes, its own and its children:
// run ssh in its place or beside it, pass signals on, keep its memory to itself.
package process

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/term"
)

// Columns returns the width of the terminal that f is, or zero.
func Columns(f *os.File) int {
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return width
}

// Ended is the exit code of a child process that has printed its own errors.
type Ended int

func (e Ended) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// Signalled is the cause of a context that a signal ended.
type Signalled struct{ Signal syscall.Signal }

func (s Signalled) Error() string { return s.Signal.String() }
