package script_test

import (
	"testing"

	"rapport/knock/knocktest"
)

// The stand-in takes real ports of loopback: in a namespace of the tests' own
// no other program has them.
func TestMain(m *testing.M) {
	n := 10
	if knocktest.RunsLong() { // the long tests load the machine by themselves
		n = 4
	}
	knocktest.Parallel(n)
	knocktest.Main(m)
}
