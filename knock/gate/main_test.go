package gate_test

import (
	"testing"

	"rapport/knock/knocktest"
)

// The stand-in takes real ports of loopback: in a namespace of the tests' own
// no other program has them.
func TestMain(m *testing.M) {
	knocktest.Parallel(8)
	knocktest.Main(m)
}
