package diag

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"rapport/knock"
	"rapport/knock/solve"
)

// Each likely cause has its fix, that of the verdict last, with all that it changes.
func TestLikelyCausesHaveTheirFix(t *testing.T) {
	r := Report{Evidence: Evidence{Now: noon, Handshake: shut(knock.Silent), Scan: hit(-3, knock.DefaultRange, solve.AsGiven, true), Clock: serverOff(-3*time.Hour - 7*time.Second)}}
	r.Verdict, r.Causes = r.Evidence.Judge()
	var b strings.Builder
	r.Print(&b, 0, false)
	causes, last, _ := strings.Cut(b.String(), "checked in")
	if len(r.Causes) < 2 || r.Causes[1].Code != ClientAhead || r.Causes[1].Change.IsZero() {
		t.Fatalf("causes are %v", r.Causes)
	}
	if want := "fix: " + r.FixOf(r.Causes[1]) + "\n"; strings.Count(causes, "fix: ") != 1 || !strings.Contains(causes, want) {
		t.Errorf("the causes lack %q: %s", want, causes)
	}
	if want := "\nfix: " + r.Fix() + "\n"; !strings.Contains(last, want) {
		t.Errorf("the verdict lacks %q: %s", want, last)
	}
	r.Causes[1].Likelihood = 0.09
	if fix := r.FixOf(r.Causes[1]); fix != "" {
		t.Errorf("an unlikely cause has the fix %q", fix)
	}
	text, err := json.Marshal(r)
	if err != nil || strings.Count(string(text), `"fix":`) != 2 {
		t.Errorf("JSON has not the fixes of the verdict and the first cause: %v, %s", err, text)
	}
}
