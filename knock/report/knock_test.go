package report_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"rapport/knock"
	"rapport/knock/report"
)

// An attempt without a gap says so in words, as the plan does.
func TestKnockNamesTheGap(t *testing.T) {
	sent := []knock.SentKnock{{Port: 10247, Answer: knock.Silent}}
	gap := func(d time.Duration) knock.Attempt { return knock.Attempt{Gap: knock.Millis(d), Knocks: sent} }
	var out strings.Builder
	report.Knock(&out, knock.Report{Attempts: []knock.Attempt{gap(time.Millisecond), gap(0)}}, netip.AddrPort{})
	for _, want := range []string{"attempt 1, gap 1 ms\n", "attempt 2, all at once: 1 knocks, all silent\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it prints\n%s, want %q in it", out.String(), want)
		}
	}
}
