package scan_test

import (
	"testing"

	"rapport/knock/knocktest"
)

// In a namespace of the tests' own no other program has the usual ports, and
// ICMP is allowed.
func TestMain(m *testing.M) {
	n := 14
	if knocktest.RunsLong() { // beside the long tests of other packages
		n = 8
	}
	knocktest.Parallel(n)
	knocktest.Main(m)
}
