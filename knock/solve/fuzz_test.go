package solve_test

import (
	"fmt"
	"strings"
	"testing"

	"rapport/knock/knocktest"
	"rapport/knock/solve"
)

// FuzzParsePorts: what is taken for five ports is five, and reads the same again;
// what is not is refused in one line.
func FuzzParsePorts(f *testing.F) {
	for _, s := range []string{"10247,10363,10357,10858,10938", "1 2\t3\n4\u00a05", "0,1,2,3,4", "\x1b[2J=\u202e"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if ports, err := solve.ParsePorts(s); err != nil {
			knocktest.Printable(t, err.Error())
		} else if again, err := solve.ParsePorts(strings.Trim(fmt.Sprint(ports), "[]")); again != ports || err != nil {
			t.Errorf("ports %q are %v", s, ports)
		}
	})
}
