package scan_test

import (
	"testing"

	"rapport/knock/knocktest"
)

// In a namespace of the tests' own no other program has the usual ports, and
// ICMP is allowed.
func TestMain(m *testing.M) {
	knocktest.Parallel(8)
	knocktest.Main(m)
}
