// Package noquery keeps the terminal libraries from talking to the terminal when
// the program starts. Bubble Tea's init asks for the background colour and
// waits up to five seconds for terminals that do not answer, also in a
// subcommand that prints one line. With TERM=dumb it does not ask.
//
// The order of initialization makes it work: this package imports nothing but
// syscall, so it comes before every package that needs os. Import it in main
// and call Restore first thing there.
package noquery

import "syscall"

var (
	saved, had = syscall.Getenv("TERM")
	_          = syscall.Setenv("TERM", "dumb")
)

// Restore gives TERM its value back.
func Restore() {
	if had {
		_ = syscall.Setenv("TERM", saved)
	} else {
		_ = syscall.Unsetenv("TERM")
	}
}
