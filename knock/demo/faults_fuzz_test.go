package demo_test

import (
	"testing"

	"rapport/knock/demo"
	"rapport/knock/knocktest"
)

// FuzzParseFault: what is taken for a fault is one, and reads the same again; what
// is not is refused in one line.
func FuzzParseFault(f *testing.F) {
	for _, s := range []string{
		"clock=+3h", "clock=-9223372036854775808ns", "range=10000-11000", "sshd=down", "drop=3",
		"\x1b[2J=\u202e",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var faults, again demo.Faults
		if err := faults.Set(s); err != nil {
			knocktest.Printable(t, err.Error())
		}
		for _, fault := range faults.List() {
			if err := again.Set(fault); err != nil {
				t.Errorf("fault %q of %q: %v", fault, s, err)
			}
		}
		if again != faults {
			t.Errorf("fault %q is %v, and again %v", s, faults, again)
		}
	})
}
