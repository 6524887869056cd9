package scan_test

import (
	"flag"
	"testing"

	"rapport/knock/knocktest"
)

// In a namespace of the tests' own no other program has the usual ports, and
// ICMP is allowed.
func TestMain(m *testing.M) {
	// Most of a diagnosis is waiting: for silence, and for windows to end. Fuzzing
	// waits for nothing.
	flag.Parse()
	if flag.Lookup("test.fuzz").Value.String() == "" {
		_ = flag.Set("test.parallel", "8")
	}
	knocktest.Main(m)
}
