package audit_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rapport/knock"
	"rapport/knock/gate"
	"rapport/knock/gate/audit"
	"rapport/knock/gate/trace"
	"rapport/knock/knocktest"
)

// FuzzRun: whatever rules are given, an audit and a trace end, and what they say can be
// shown.
func FuzzRun(f *testing.F) {
	for _, name := range []string{"article.save", "native.nft", "strict.nft", "refresh.sh"} {
		text, err := os.ReadFile(filepath.Join("..", "testdata", "rules", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		found, err := gate.ReadRules(strings.NewReader(string(text)))
		if err != nil {
			return
		}
		r := audit.Request{Findings: found, Range: knocktest.NewRange(t, 10000, 10099), Rate: 1000}
		report, err := audit.Run(context.Background(), r)
		if err != nil || len(report.Checks) != len(audit.Names()) {
			t.Fatalf("%+v, %v", report, err)
		}
		for _, c := range report.Checks {
			knocktest.Printable(t, c.Summary+c.Fix)
			if c.Status == audit.Fail && c.Fix == "" {
				t.Errorf("no fix: %+v", c)
			}
		}
		played, err := trace.Run(found, trace.Request{Family: knock.FamilyAuto})
		if err != nil {
			return
		}
		var b strings.Builder
		played.Print(&b, true)
		knocktest.Printable(t, strings.ReplaceAll(b.String(), "\n", ""))
	})
}
