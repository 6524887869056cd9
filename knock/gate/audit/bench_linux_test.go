package audit_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"rapport/knock"
	"rapport/knock/gate"
	"rapport/knock/gate/audit"
)

// BenchmarkRun audits each of the rules of testdata, and reports the time that the slowest
// keeps cores busy: on a machine with other work the clock says little.
func BenchmarkRun(b *testing.B) {
	files, err := filepath.Glob(filepath.Join("..", "testdata", "rules", "*"))
	if err != nil || len(files) == 0 {
		b.Fatal(err)
	}
	busy := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	for b.Loop() {
		slowest, which := time.Duration(0), ""
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				b.Fatal(err)
			}
			found, err := gate.ReadRules(strings.NewReader(string(text)))
			if err != nil {
				continue
			}
			began := busy()
			if _, err := audit.Run(context.Background(), audit.Request{Findings: found, Range: knock.DefaultRange}); err != nil {
				b.Fatal(err)
			}
			if took := busy() - began; took > slowest {
				slowest, which = took, file
			}
		}
		b.ReportMetric(float64(slowest.Milliseconds()), "cpu-ms/slowest")
		b.Log(which)
	}
}
