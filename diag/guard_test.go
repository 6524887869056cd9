package diag_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"rapport/diag"
	"rapport/diag/doctor"
	"rapport/diag/scan"
	"rapport/knock"
	"rapport/knock/gate/script"
	"rapport/knock/hosts"
	"rapport/knock/knocktest"
	"rapport/knock/solve"
)

// guarded runs a test on a server with either script and its sweep guard, whose
// rules are of the time at.
func guarded(t *testing.T, o knocktest.Options, test func(t *testing.T, s *knocktest.Server, tripped func() bool)) {
	t.Helper()
	for _, f := range []script.Format{script.IPTables, script.NFT} {
		t.Run(string(f), func(t *testing.T) {
			t.Parallel()
			o := o
			o.NoGate = true
			if o.At.IsZero() {
				o.At = morning
			}
			s := knocktest.NewServer(t, o)
			scripted(f, nil)(t, s, nil)
			test(t, s, func() bool { return tripped(t, s, f) })
		})
	}
}

// tripped reports whether the server's guard ignores anybody.
func tripped(t *testing.T, s *knocktest.Server, f script.Format) bool {
	t.Helper()
	if f == script.NFT {
		return strings.Contains(s.Run(t, "nft", "list", "set", "inet", "portknock", "ignored_4"), "elements")
	}
	return strings.Contains(s.Run(t, "cat", "/proc/net/xt_recent/PK_IGNORED"), "src=")
}

// A scan over all hours does not trip a guard that it knows nothing of.
func TestScanOfGuardedGate(t *testing.T) {
	t.Parallel()
	guarded(t, knocktest.Options{At: morning.Add(-3 * time.Hour)}, func(t *testing.T, s *knocktest.Server, tripped func() bool) {
		scan := scan.Scan{Client: knocktest.ClientAt(morning), Past: 26, Future: 26}
		r, err := scan.Run(t.Context(), s.Target(t, s.Addr4), nil)
		if err != nil || r.Opened == nil || r.Opened.Offset != -3 || !r.Confirmed {
			t.Errorf("%v: %+v, confirmed %v: %s", err, r.Opened, r.Confirmed, r.Summary())
		}
		if tripped() {
			t.Errorf("the guard ignores this client, after %d packets", r.Packets)
		}
	})
}

// The doctor names the likeliest slips before a guard would ignore it.
func TestDoctorOfGuardedGate(t *testing.T) {
	knocktest.Long(t)
	for _, tt := range []struct {
		name   string
		server knocktest.Options
		want   diag.Code
	}{
		{"top port one more", knocktest.Options{Range: knocktest.NewRange(t, 10000, 11000)}, diag.RangeMismatch},
		{"top port one less", knocktest.Options{Range: knocktest.NewRange(t, 10000, 10998)}, diag.RangeMismatch},
		{"an hour behind", knocktest.Options{At: morning.Add(-time.Hour)}, diag.HourBehind},
		{"a day behind", knocktest.Options{At: morning.Add(-24 * time.Hour)}, diag.HourBehind},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			guarded(t, tt.server, func(t *testing.T, s *knocktest.Server, tripped func() bool) {
				h := hosts.NewHost("server")
				h.Address = s.Addr4.String()
				d := doctor.Doctor{Client: knocktest.ClientAt(morning), Past: scan.DefaultPast}
				r, err := d.Run(t.Context(), h, s.Secret, nil)
				if err != nil || r.Verdict.Code != tt.want {
					t.Errorf("%v: verdict %s, want %s\n%s", err, r.Verdict.Code, tt.want, r.Text(true))
				}
				if tripped() {
					t.Error("the guard ignores this client")
				}
			})
		})
	}
}

// If the guard is known, a scan finds any hour and does not trip it where range and secret are right.
// Where they are not, slips come before the hours, no more than it forgives, and what there was no time
// for is said.
func TestScanOfKnownGuard(t *testing.T) {
	knocktest.Long(t)
	scanned := func(t *testing.T, s *knocktest.Server) scan.Report {
		ctx, cancel := context.WithTimeout(t.Context(), 25*time.Second)
		defer cancel()
		target := s.Target(t, s.Addr4)
		target.SweepGuard = script.DefaultSweepGuard
		scan := scan.Scan{Client: knocktest.ClientAt(morning), Past: 26}
		r, err := scan.Run(ctx, target, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%d wrong ports, %d of %d candidates in %v", r.WrongPorts, r.Candidates-r.Untried, r.Candidates, time.Duration(r.Elapsed))
		return r
	}
	guarded(t, knocktest.Options{At: shift(-20 * time.Hour)}, func(t *testing.T, s *knocktest.Server, tripped func() bool) {
		if r := scanned(t, s); r.Opened == nil || r.Opened.Offset != -20 || !r.Confirmed {
			t.Errorf("%+v: %s", r.Opened, r.Summary())
		}
		if tripped() {
			t.Error("the guard ignores this client")
		}
	})
	guarded(t, knocktest.Options{Secret: "another"}, func(t *testing.T, s *knocktest.Server, _ func() bool) {
		r := scanned(t, s)
		slips, hours := 0, 0
		for _, c := range r.Cells {
			switch own := c.Range == knock.DefaultRange && c.Variant == solve.AsGiven; {
			case c.State == scan.Waiting:
			case own:
				hours++
			default:
				slips++
			}
		}
		if r.Opened != nil || hours != 27 || slips == 0 || slips*knock.Knocks > script.DefaultSweepGuard || r.Untried != r.Candidates-hours-slips {
			t.Errorf("%s: %d slips and %d hours tried, %d of %d untried", r.Summary(), slips, hours, r.Untried, r.Candidates)
		}
	})
}

// No handshake of a client that has secret and range right trips the guard, with
// all its attempts, however wrong a clock is and at the hour change too.
func TestHandshakesDoNotTripTheGuard(t *testing.T) {
	t.Parallel()
	change := morning.Add(30*time.Minute - time.Second)
	for _, tt := range []struct {
		name           string
		server, client time.Time
	}{
		{"the client's clock is 5 h ahead", morning, morning.Add(5 * time.Hour)},
		{"the client's clock is 26 h behind", morning, morning.Add(-26 * time.Hour)},
		{"rules 3 h old", morning.Add(-3 * time.Hour), morning},
		{"rules 3 h old, at the hour change", change.Add(-3 * time.Hour), change},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			guarded(t, knocktest.Options{At: tt.server}, func(t *testing.T, s *knocktest.Server, tripped func() bool) {
				client := knock.Client{Clock: func() time.Time { return tt.client }}
				for range 2 {
					r, err := client.Knock(t.Context(), s.Target(t, s.Addr4), knock.Options{}, nil)
					if err != nil || r.Opened || len(r.Attempts) != len(knock.DefaultGaps()) {
						t.Errorf("%v: opened %v after %d attempts", err, r.Opened, len(r.Attempts))
					}
				}
				if tripped() {
					t.Error("the guard ignores this client")
				}
			})
		})
	}
}
