// Package noquery keeps Bubble Tea from querying the terminal when the program
// starts. Bubble Tea's init asks for the background colour, and waits up to five
// seconds for terminals that do not answer, even in a subcommand that prints one
// line. With TERM=dumb it does not ask.
//
// Import the package in main, and call [Restore] first. It imports only syscall, so
// it is initialized, and sets TERM=dumb, before any package that imports os.
package noquery

import "syscall"

var (
	saved, had = syscall.Getenv("TERM")
	_          = syscall.Setenv("TERM", "dumb")
)

// Restore sets TERM back to the value that it had when the program started.
func Restore() {
	if had {
		_ = syscall.Setenv("TERM", saved)
	} else {
		_ = syscall.Unsetenv("TERM")
	}
}
