package script_test

import (
	"testing"

	"rapport/knock/knocktest"
)

// The stand-in takes real ports of loopback: in a namespace of the tests' own
// no other program has them.
func TestMain(m *testing.M) {
	if !knocktest.RunsLong() { // the long tests load the machine by themselves
		knocktest.Parallel(10)
	}
	knocktest.Main(m)
}
