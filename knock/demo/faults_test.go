package demo_test

import (
	"flag"
	"strings"
	"testing"
	"time"

	"rapport/knock"
	"rapport/knock/demo"
)

var _ flag.Value = new(demo.Faults)

func TestFaultsAccumulateAndPrint(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"", ""},
		{"clock=+3h", "clock=+3h"},
		{"clock=3h", "clock=+3h"},
		{"clock=-90m", "clock=-1h30m"},
		{"clock=10s", "clock=+10s"},
		{"clock=10m10s", "clock=+10m10s"},
		{"clock=20h", "clock=+20h"},
		{"clock=1500ms", "clock=+1.5s"},
		{"clock=+3h clock=0", ""},
		{"range=10000-11000", "range=10000-11000"},
		{"sshd=down", "sshd=down"},
		{"sshd=silent sshd=refusing", "sshd=refusing"},
		{"drop=3", "drop=3"},
		{"drop=5 drop=1 drop=5", "drop=1 drop=5"},
		{"drop=2 sshd=down range=1-2 clock=1h", "clock=+1h range=1-2 sshd=down drop=2"},
	} {
		var f, again demo.Faults
		for _, s := range strings.Fields(tt.in) {
			if err := f.Set(s); err != nil {
				t.Errorf("%s: %v", tt.in, err)
			}
		}
		if f.String() != tt.want {
			t.Errorf("%s prints as %q, want %q", tt.in, f, tt.want)
		}
		for _, s := range f.List() {
			if err := again.Set(s); err != nil {
				t.Errorf("%s, read back: %v", tt.in, err)
			}
		}
		if again != f {
			t.Errorf("%s read back is %v", tt.in, again)
		}
	}
	var f demo.Faults
	if err := f.Set("range=10000-11000"); err != nil || f.Range.Size() != 1001 {
		t.Errorf("Set: %v, %v", f, err)
	}
}

func TestFaultErrorsNameWhatIsKnown(t *testing.T) {
	for in, want := range map[string]string{
		"":                        "there are clock, range, sshd, drop",
		"clok=3h":                 `fault "clok=3h" is not known: there are clock, range, sshd, drop`,
		"clock":                   "clock takes a duration such as +3h or -90m",
		"clock=3":                 "clock takes a duration",
		"clock=1e9h":              "clock takes a duration",
		"clock=2000000h":          "clock takes a duration",
		"range=5-1":               "range takes a range such as 10000-11000",
		"sshd=":                   "sshd takes down, silent or refusing",
		"sshd=up":                 "sshd takes down, silent or refusing",
		"drop=0":                  "drop takes a knock from 1 to 5",
		"drop=6":                  "drop takes a knock from 1 to 5",
		"drop=+3":                 "drop takes a knock from 1 to 5",
		"drop=":                   "drop takes a knock from 1 to 5",
		"drop=\x1b[31m\n":         "drop takes a knock from 1 to 5",
		strings.Repeat("x", 1000): "is not known",
	} {
		f := demo.Faults{Clock: time.Hour, Range: knock.DefaultRange}
		was := f
		err := f.Set(in)
		if err == nil || !strings.Contains(err.Error(), want) || strings.ContainsAny(err.Error(), "\n\x1b") || len(err.Error()) > 150 {
			t.Errorf("Set(%q): %v, want one short line with %q", in, err, want)
		}
		if f != was {
			t.Errorf("Set(%q) changed the faults to %v", in, f)
		}
	}
}
