package scan_test

import (
	"strings"
	"testing"
	"time"

	"rapport/diag/scan"
	"rapport/knock"
	"rapport/knock/solve"
)

// A scan prints its announcement on standard error, and on a terminal a few lines of
// progress.
func TestScanProgress(t *testing.T) {
	hit := solve.Candidate{Hour: knock.HourOf(time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)), Range: knock.DefaultRange, Variant: solve.AsGiven}
	// run is a scan of 400 candidates, one every step, that finds the last.
	run := func(step time.Duration, on func(scan.Report)) {
		r := scan.Report{Announce: "what is sent", Candidates: 400, Cells: make([]scan.Cell, 400)}
		on(r)
		for i := range r.Cells {
			r.Cells[i].State = scan.Tried
			r.Elapsed += knock.Millis(step)
			on(r)
		}
		r.Opened, r.Confirming = &hit, true
		on(r)
		on(r)
		r.Confirming, r.Confirmed = false, true
		on(r)
	}
	for _, tt := range []struct {
		name     string
		terminal bool
		step     time.Duration
		want     []string
	}{
		{name: "no terminal", step: time.Second, want: []string{"what is sent"}},
		{name: "quick", terminal: true, step: time.Millisecond, want: []string{"what is sent", hitLine}},
		{name: "a second for a quarter", terminal: true, step: 10 * time.Millisecond, want: []string{"what is sent",
			"100 of 400 candidates tried", "200 of 400 candidates tried", "300 of 400 candidates tried", "400 of 400 candidates tried", hitLine}},
		{name: "slow", terminal: true, step: time.Second, want: []string{"what is sent",
			"40 of 400 candidates tried", "80 of 400 candidates tried", "120 of 400 candidates tried", "160 of 400 candidates tried", "200 of 400 candidates tried",
			"240 of 400 candidates tried", "280 of 400 candidates tried", "320 of 400 candidates tried", "360 of 400 candidates tried", "400 of 400 candidates tried", hitLine}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b strings.Builder
			run(tt.step, scan.Progress(&b, tt.terminal))
			want := ""
			for _, l := range tt.want {
				want += l + "\n"
			}
			if b.String() != want {
				t.Errorf("got\n%swant\n%s", b.String(), want)
			}
		})
	}
}

const hitLine = "hour 2026-11-22-08, range 10000-10999 opens: confirming once the window is over"
