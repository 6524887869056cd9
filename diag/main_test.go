package diag_test

import (
	"flag"
	"os"
	"testing"
	"time"

	"rapport/knock/knocktest"
)

// allRows says that every row of the matrix is run, not a sample of each kind.
var allRows = flag.Bool("matrix.all", false, "run all rows of the fault matrix")

// In a namespace of the tests' own no other program has the usual ports, and
// ICMP is allowed.
func TestMain(m *testing.M) {
	// Most of a diagnosis is waiting: for silence, and for windows to end. Fuzzing
	// waits for nothing, and whoever says -parallel knows better.
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if flag.Lookup("test.fuzz").Value.String() == "" && !given {
		_ = flag.Set("test.parallel", "16")
	}
	code := knocktest.Run(m)
	if programFolder != "" {
		os.RemoveAll(programFolder)
	}
	os.Exit(code)
}

// morning is the time by this machine's clock in these tests, far from an hour
// change.
var morning = time.Date(2026, 11, 22, 8, 30, 0, 0, time.UTC)
