package knocktest

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// The environment carries what Main found out to the tests of the same
// process, and to processes they start from the test binary, as fuzzing does.
const (
	envOutside = "RAPPORT_KNOCKTEST_OUTSIDE" // names the network namespace that was left
	envMissing = "RAPPORT_KNOCKTEST_MISSING" // why none was to be had
	envMoving  = "RAPPORT_KNOCKTEST_MOVING"  // set for the new process until it is settled
)

// Main runs the tests of a package in a network namespace of their own, with
// its loopback up and a fresh /run. It is all that a TestMain needs to call:
//
//	func TestMain(m *testing.M) { knocktest.Main(m) }
//
// The test binary is executed again for it, with the same arguments; its exit
// code is passed on, and it is killed if this process is. Where namespaces
// cannot be had, the tests run in the ordinary place, and [Need] tells those
// that need one. A goroutine that outlives the tests makes them fail.
func Main(m *testing.M) { os.Exit(Run(m)) }

// Run is Main for a TestMain that has more to do: it returns the exit code.
func Run(m *testing.M) int {
	code, moved, err := move()
	if moved {
		return code
	}
	if err != nil {
		if err := os.Setenv(envMissing, err.Error()); err != nil {
			panic(err)
		}
	}
	code = m.Run()
	if code == 0 && !fuzzing() {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, "goroutines outlive the tests:", err)
			code = 1
		}
	}
	return code
}

// fuzzing reports whether this run fuzzes: its workers have goroutines that
// stay.
func fuzzing() bool {
	f := flag.Lookup("test.fuzz")
	return f != nil && f.Value.String() != ""
}
