package gate_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"rapport/knock"
	"rapport/knock/gate"
	"rapport/knock/knocktest"
	"rapport/knock/solve"
)

// FuzzInspect: whatever rules are pasted, an inspection ends, and what it says
// can be shown.
func FuzzInspect(f *testing.F) {
	for _, name := range []string{"article.save", "other_names.save", "native.nft"} {
		f.Add([]byte(rules(f, name)))
	}
	f.Add([]byte("-A x -p tcp --dport 1 -m recent --name \x1b[31m --set\n"))
	secret, err := knock.ParseSecret("f00b4r")
	if err != nil {
		f.Fatal(err)
	}
	hour := knock.HourOf(time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC))
	f.Fuzz(func(t *testing.T, text []byte) {
		found, err := gate.ReadRules(strings.NewReader(string(text)))
		if err != nil {
			knocktest.Printable(t, err.Error())
			return
		}
		p := solve.Query{Secret: secret, Range: knock.DefaultRange, Hour: hour, Past: 1, Future: 1}
		i, err := gate.Inspect(context.Background(), found, p, gate.Facts{SSHPort: 22})
		if err != nil {
			knocktest.Printable(t, err.Error())
			return
		}
		for _, s := range append(i.Differs, fmt.Sprint(i.Gate)) {
			knocktest.Printable(t, s)
		}
		for _, p := range i.Problems {
			knocktest.Printable(t, p.Code+p.Summary+p.Fix)
		}
		if m := i.Candidate(); m != nil && (!m.Range.IsValid() || m.Offset < -1 || m.Offset > 1) {
			t.Errorf("match %+v", m)
		}
	})
}
