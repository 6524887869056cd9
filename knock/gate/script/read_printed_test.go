package script_test

import (
	"context"
	"reflect"
	"slices"
	"testing"
	"time"

	"rapport/knock"
	"rapport/knock/gate"
	"rapport/knock/gate/script"
	"rapport/knock/knocktest"
	"rapport/knock/solve"
)

// A script that was printed here is known again by what stands at its top,
// whatever its options, and compared with what the client has.
func TestInspectThePrintedScripts(t *testing.T) {
	p := solve.Query{Secret: knocktest.NewSecret(t, "f00b4r"), Range: knock.DefaultRange, Hour: knock.HourOf(at), Past: 3, Future: 3}
	for _, r := range variants(t) {
		text, err := r.Script()
		if err != nil {
			t.Fatal(err)
		}
		f := readRules(t, text)
		if r.Embed {
			r.SecretPath = ""
		}
		want := script.Printed{Rules: r}
		problems := []string{"script-only"}
		if r.SweepGuard == 0 {
			problems = []string{"no-sweep-guard", "script-only"}
		}
		if f.Printed == nil || !reflect.DeepEqual(*f.Printed, want) || len(f.Gates) != 2 {
			t.Fatalf("%+v, want %+v", f.Printed, want)
		}
		i, err := gate.Inspect(context.Background(), f, p, gate.Facts{SSHPort: 22, Window: 5 * time.Second})
		if err != nil || len(i.Differs) != 0 || !slices.Equal(codes(i.Problems), problems) || i.OtherSecret() {
			t.Errorf("differs %q, problems %+v, %v", i.Differs, i.Problems, err)
		}
	}
	r := plain(script.NFT)
	r.Range, _ = knock.NewRange(10000, 10998)
	r.SSHPort, r.Window = 2222, 9*time.Second
	text, err := r.Script()
	if err != nil {
		t.Fatal(err)
	}
	i, err := gate.Inspect(context.Background(), readRules(t, text), p, gate.Facts{SSHPort: 22, Window: 5 * time.Second})
	if want := []string{"top port is 10998 there, 10999 here", "ssh port is 2222 there, 22 here", "window is 9 s there, 5 s here"}; err != nil || !slices.Equal(i.Differs, want) {
		t.Errorf("differs %q, want %q, %v", i.Differs, want, err)
	}
}
