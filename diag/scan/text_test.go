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

// What a scan left out is never said to be tried, and why it was is true.
func TestScanSaysWhatItLeftOut(t *testing.T) {
	for _, tt := range []struct {
		name       string
		guard      int
		tried, all int
		stopped    scan.StopReason
		want, line string // Summary, and a part of the last line of Print
	}{
		{"all were tried", 0, 272, 272, scan.NotStopped, "none of 272 candidates opens it", "\n272 candidates, 1 packet, 0 connections to SSH;"},
		{"one was tried", 0, 1, 1, scan.NotStopped, "the only candidate that was tried does not open it", "\n1 candidate, "},
		{"no time", 0, 90, 272, scan.NotStopped, "none of 90 candidates opens it; 182 candidates were left out for lack of time", "\n90 of 272 candidates, "},
		{"a guard", 30, 6, 272, scan.NotStopped, "none of 6 candidates opens it; 266 candidates were left out: the gate's sweep guard forgives 30 wrong ports a minute, and all candidates take 46 min, which --timeout allows", "\n6 of 272 candidates, "},
		{"a guard, and nothing is forgiven now", 10, 0, 40, scan.NotStopped, "no candidate was tried; 40 candidates were left out: the gate's sweep guard forgives 10 wrong ports a minute, and all candidates take 21 min, which --timeout allows", "\n0 of 40 candidates, "},
		{"a guard that forgives too little", 3, 0, 272, scan.NotStopped, "no candidate was tried; 272 candidates were left out: the gate's sweep guard forgives 3 wrong ports a minute, and each candidate takes 5", "\n0 of 272 candidates, "},
		{"all but one", 30, 5, 6, scan.NotStopped, "none of 5 candidates opens it; 1 candidate was left out: the gate's sweep guard forgives 30 wrong ports a minute, and all candidates take 2 min, which --timeout allows", "\n5 of 6 candidates, "},
		{"out of time", 30, 7, 272, scan.OutOfTime, "out of time after 7 of 272 candidates: allow more with --timeout", "\n7 of 272 candidates, "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := scan.Report{Candidates: tt.all, Untried: tt.all - tt.tried, Guard: tt.guard, Packets: 1, Cells: make([]scan.Cell, tt.all), Stopped: scan.Stop{Reason: tt.stopped}}
			for i := range tt.tried {
				r.Cells[i].State = scan.Tried
			}
			var b strings.Builder
			r.Print(&b, knock.Target{})
			if got := r.Summary(); got != tt.want || !strings.Contains(b.String(), tt.line) {
				t.Errorf("%s\nprinted\n%s", got, &b)
			}
		})
	}
}
