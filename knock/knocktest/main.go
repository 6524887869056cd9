package knocktest

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// Main passes its findings in the environment to the tests of the same process, and
// to processes that they start from the test binary, as fuzzing does.
const (
	envOutside = "RAPPORT_KNOCKTEST_OUTSIDE" // the original network namespace
	envMissing = "RAPPORT_KNOCKTEST_MISSING" // why there is no new one
	envMoving  = "RAPPORT_KNOCKTEST_MOVING"  // set for the new process until it is set up
)

// Main runs the tests of a package in a network namespace of their own, with
// its loopback up and a fresh /run. It is all that a TestMain needs to call:
//
//	func TestMain(m *testing.M) { knocktest.Main(m) }
//
// Main executes the test binary again, with the same arguments, and exits with its
// code; if this process is killed, so is that one. Where namespaces cannot be made,
// the tests run here, and [Need] skips those that need one. A goroutine that outlives the tests makes them fail.
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

// fuzzing reports whether this run fuzzes: its workers leave
// goroutines.
func fuzzing() bool {
	f := flag.Lookup("test.fuzz")
	return f != nil && f.Value.String() != ""
}
