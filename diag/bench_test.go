package diag_test

import (
	"testing"
	"time"

	"rapport/diag/scan"
	"rapport/knock/knocktest"
)

// BenchmarkScan scans 26 hours either way, on the test servers' own link and
// 200 ms away. It reports how long it took to know the hour of a server 26 hours
// behind, the confirmation not included, and to try everything on one with
// another secret:
//
//	go test -run '^$' -bench Scan -benchtime 1x ./diag
func BenchmarkScan(b *testing.B) {
	for _, tt := range []struct {
		name string
		path knocktest.Path
	}{{"lan", knocktest.Path{}}, {"200ms", knocktest.Path{Delay: 100 * time.Millisecond}}} {
		b.Run(tt.name, func(b *testing.B) {
			found := knocktest.NewServer(b, knocktest.Options{At: morning.Add(-26 * time.Hour), Path: tt.path})
			other := knocktest.NewServer(b, knocktest.Options{At: morning, Secret: "another", Path: tt.path})
			s := scan.Scan{Client: knocktest.ClientAt(morning), Past: 26, Future: 26}
			for b.Loop() {
				var known time.Duration
				r, err := s.Run(b.Context(), found.Target(b, found.Addr4), func(r scan.Report) {
					if r.Confirming && known == 0 {
						known = time.Duration(r.Elapsed)
					}
				})
				if err != nil || !r.Confirmed || r.Opened.Offset != -26 {
					b.Fatalf("%v %+v", err, r.Opened)
				}
				b.ReportMetric(known.Seconds(), "s-to-hour")
				b.ReportMetric(float64(r.Connections), "connections")
				none, err := s.Run(b.Context(), other.Target(b, other.Addr4), nil)
				if err != nil || none.Opened != nil {
					b.Fatalf("%v %+v", err, none.Opened)
				}
				b.ReportMetric(time.Duration(none.Elapsed).Seconds(), "s-all")
				b.ReportMetric(float64(none.Candidates), "candidates")
			}
		})
	}
}
