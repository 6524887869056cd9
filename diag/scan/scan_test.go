package scan_test

import (
	"fmt"
	"testing"
	"time"

	"rapport/diag/scan"
	"rapport/knock"
	"rapport/knock/knocktest"
	"rapport/knock/solve"
)

// morning is the time by this machine's clock in these tests.
var morning = time.Date(2026, 11, 22, 8, 30, 0, 0, time.UTC)

func TestScanFindsHourRangeAndSecret(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		server knocktest.Options
		scan   scan.Scan
		want   string // empty: nothing opens it
	}{
		{name: "this hour", server: knocktest.Options{}, want: "+0 10000-10999 as-given"},
		{name: "three hours behind", server: knocktest.Options{At: morning.Add(-3 * time.Hour)}, want: "-3 10000-10999 as-given"},
		{name: "as far behind as a scan goes", server: knocktest.Options{At: morning.Add(-26 * time.Hour)}, want: "-26 10000-10999 as-given"},
		{name: "further behind", server: knocktest.Options{At: morning.Add(-27 * time.Hour)}},
		{name: "ahead, not asked for", server: knocktest.Options{At: morning.Add(time.Hour)}},
		{name: "ahead", server: knocktest.Options{At: morning.Add(26 * time.Hour)}, scan: scan.Scan{Future: 26}, want: "+26 10000-10999 as-given"},
		{name: "top port one less", server: knocktest.Options{Range: knocktest.NewRange(t, 10000, 10998)}, want: "+0 10000-10998 as-given"},
		{name: "bottom port one more, and an hour behind", server: knocktest.Options{Range: knocktest.NewRange(t, 10001, 10999), At: morning.Add(-time.Hour)}, want: "-1 10001-10999 as-given"},
		{name: "a range of the user's list", server: knocktest.Options{Range: knocktest.NewRange(t, 20000, 29999)}, scan: scan.Scan{Also: []knock.Range{knocktest.NewRange(t, 20000, 29999)}}, want: "+0 20000-29999 as-given"},
		{name: "secret in upper case", server: knocktest.Options{Secret: "F00B4R"}, want: "+0 10000-10999 upper-case"},
		{name: "another secret", server: knocktest.Options{Secret: "other"}},
		{name: "it rejects", server: knocktest.Options{At: morning.Add(-5 * time.Hour), Refusal: knocktest.Reset}, want: "-5 10000-10999 as-given"},
		{name: "sshd is down", server: knocktest.Options{At: morning.Add(-5 * time.Hour), NoSSHD: true}, want: "-5 10000-10999 as-given"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.server.At.IsZero() {
				tt.server.At = morning
			}
			tt.server.Window = 2 * time.Second
			s := knocktest.NewServer(t, tt.server)
			tt.scan.Client, tt.scan.Past = knocktest.ClientAt(morning), scan.DefaultPast
			r, err := tt.scan.Run(t.Context(), s.Target(t, s.Addr4), nil)
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			if r.Opened != nil && r.Confirmed {
				got = fmt.Sprintf("%+d %v %v", r.Opened.Offset, r.Opened.Range, r.Opened.Variant)
			}
			if got != tt.want || r.Connections > 4 || !r.Stopped.IsZero() {
				t.Errorf("got %q (%+v), want %q; %d connections, stopped %q", got, r.Opened, tt.want, r.Connections, r.Stopped)
			}
			t.Logf("%d candidates, %d packets, %d connections, %v", r.Candidates, r.Packets, r.Connections, time.Duration(r.Elapsed))
		})
	}
}

// A small range has the same ports again and again: the gate may open before the
// probe for its own candidate, and is found all the same.
func TestScanOfSmallRange(t *testing.T) {
	t.Parallel()
	r := knocktest.NewRange(t, 10000, 10099)
	s := knocktest.NewServer(t, knocktest.Options{At: morning.Add(-7 * time.Hour), Range: r, Window: 2 * time.Second})
	target := s.Target(t, s.Addr4)
	target.Range = r
	scan := scan.Scan{Client: knocktest.ClientAt(morning), Past: scan.DefaultPast}
	got, err := scan.Run(t.Context(), target, nil)
	if err != nil || got.Opened == nil || got.Opened.Offset != -7 || !got.Confirmed || got.Opened.Variant != solve.AsGiven {
		t.Errorf("%v: %+v, confirmed %v", err, got.Opened, got.Confirmed)
	}
}

// The work for a year either way grows with the candidates, not faster.
func TestHypothesesOfAYear(t *testing.T) {
	secret, err := knock.ParseSecret("f00b4r")
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	all := scan.Candidates(morning, knock.Target{Range: knock.DefaultRange, Secret: secret}, solve.MaxHours, solve.MaxHours, nil, nil)
	had := map[solve.Candidate]bool{}
	for _, h := range all {
		had[h] = true
	}
	if len(had) != len(all) || len(all) < 2*solve.MaxHours*7 {
		t.Errorf("%d candidates, %d of them different", len(all), len(had))
	}
	if d := time.Since(start); d > 20*time.Second {
		t.Errorf("it took %v", d)
	}
}

// A handshake that opens the gate does so again, and one of another hour does not.
func TestRepeats(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		at   time.Time
		gap  time.Duration
		open bool // without a knock
		want scan.Repetition
	}{
		{"this hour", morning, 0, false, scan.Again},
		{"this hour, with a wide gap", morning, 200 * time.Millisecond, false, scan.Again},
		{"another hour", morning.Add(-3 * time.Hour), 0, false, scan.NotAgain},
		{"no gate", morning, 0, true, scan.Unknocked},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := knocktest.NewServer(t, knocktest.Options{At: tt.at, Window: 2 * time.Second, NoGate: tt.open})
			target := s.Target(t, s.Addr4)
			target.Gap = tt.gap
			job := scan.Scan{Client: knocktest.ClientAt(morning), Shut: knock.SSHFiltered}
			if got, did, err := job.Repeats(t.Context(), target); got != tt.want || err != nil || (did.SSH.State == knock.SSHOpen) != (got != scan.NotAgain) {
				t.Errorf("it repeats: %v, SSH is %s, %v; want %v", got, did.SSH.State, err, tt.want)
			}
		})
	}
}
