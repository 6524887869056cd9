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
	knocktest.Parallel(16)
	code := knocktest.Run(m)
	if programFolder != "" {
		os.RemoveAll(programFolder)
	}
	os.Exit(code)
}

// morning is the time by this machine's clock in these tests, far from an hour
// change.
var morning = time.Date(2026, 11, 22, 8, 30, 0, 0, time.UTC)
