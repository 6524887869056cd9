package diag_test

import (
	"flag"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"rapport/diag"
	"rapport/diag/doctor"
	"rapport/diag/scan"
	"rapport/knock"
	"rapport/knock/demo"
	"rapport/knock/hosts"
	"rapport/knock/knocktest"
)

// demoWalk says that TestDemoClock walks through all cases instead of a part.
var demoWalk = flag.Bool("demo.walk", false, "diagnose the demo at every hour of the day with every offset of its clock")

// demoWindow is short, since every hit waits for it to end, and longer than a busy
// machine delays a knock.
const demoWindow = 2 * time.Second

// faulty is a stand-in with a fault, and the time of the diagnosis.
type faulty struct {
	fault  string
	at     time.Time
	future int // hours that the doctor may try ahead
	log    *slog.Logger
}

// loopbacks gives each of the parallel stand-ins an address of its own.
type loopbacks struct {
	mu sync.Mutex
	n  int
}

func (l *loopbacks) next() netip.Addr {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.n++
	return netip.AddrFrom4([4]byte{127, 1, byte(l.n / 250), byte(l.n%250 + 1)})
}

// diagnose starts the demo and returns the doctor's report.
func (d faulty) diagnose(t *testing.T, addr netip.Addr) diag.Report {
	t.Helper()
	var faults demo.Faults
	if err := faults.Set(d.fault); err != nil {
		t.Fatal(err)
	}
	secret, err := knock.ParseSecret("f00b4r")
	if err != nil {
		t.Fatal(err)
	}
	client := knocktest.ClientAt(d.at)
	client.Log = d.log
	g, err := demo.Start(t.Context(), demo.Config{Secret: secret, Addr: addr, SSHPort: 2222, Range: demoRange(faults), Window: demoWindow, Clock: client.Clock, Faults: faults})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	h := hosts.NewHost("demo")
	h.Address, h.SSHPort, h.Range, h.Window = addr.String(), 2222, g.Range, demoWindow
	doctor := doctor.Doctor{Client: client, Past: scan.DefaultPast, Future: d.future}
	r, err := doctor.Run(t.Context(), h, secret, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// demoRange is that of the demo, unless the fault is in it.
func demoRange(f demo.Faults) knock.Range {
	if f.Range.IsValid() {
		return knock.Range{}
	}
	return knock.DefaultRange
}

// TestDemoClock diagnoses demos whose clock is off, at hours of the day times
// offsets from -26 to +26: each seventeenth of them.
// All 1,272, which takes minutes:
//
//	go test -run DemoClock ./diag -demo.walk
func TestDemoClock(t *testing.T) {
	knocktest.Long(t)
	var own loopbacks
	part := 17
	if *demoWalk {
		part = 1
	}
	n := 0
	for hour := range 24 {
		for offset := -26; offset <= 26; offset++ {
			if n++; n%part != 0 {
				continue
			}
			d := faulty{fmt.Sprintf("clock=%+dh", offset), time.Date(2026, 11, 22, hour, 7*n%60, 0, 0, time.UTC), 26, nil}
			want := diag.Opens
			switch {
			case offset < 0:
				want = diag.HourBehind
			case offset > 0 && n%23 == 0: // hours ahead are not asked for
				want, d.future = diag.Unexplained, 0
			case offset > 0:
				want = diag.HourAhead
			}
			t.Run(fmt.Sprintf("%02dh %s", hour, d.fault), func(t *testing.T) {
				t.Parallel()
				if m := d.at.Minute(); m == 0 || m == 59 {
					d.at = d.at.Add(30 * time.Minute) // near the hour change two hours open it
				}
				r := d.diagnose(t, own.next())
				busy := want == diag.Opens && r.Verdict.Code == diag.LossyPath // the stand-in was late
				if r.Verdict.Code != want && !busy {
					t.Fatalf("verdict %s, want %s\n%s", r.Verdict.Code, want, r.Text(true))
				}
				if o := r.Verdict.Detail.HourOffset; want != diag.Opens && want != diag.Unexplained && (o == nil || *o != offset) {
					t.Errorf("the hour offset is %v, want %d\n%s", o, offset, r.Text(true))
				}
			})
		}
	}
}

// The log says what was sent and what came back, and holds no secret.
func TestReportIsLogged(t *testing.T) {
	var own loopbacks
	var log strings.Builder
	at := time.Date(2026, 11, 22, 8, 15, 0, 0, time.UTC)
	faulty{"sshd=refusing", at, 0, slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))}.diagnose(t, own.next())
	for _, want := range []string{`msg="check begins" check=handshake`, `msg="probed SSH"`, `msg="handshake made"`, "answer=open", "msg=verdict code=ssh-refusing"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %s in the log", want)
		}
	}
	if strings.Contains(log.String(), "f00b4r") {
		t.Error("the secret is in the log")
	}
	if t.Failed() {
		t.Log(log.String())
	}
}

// TestDemoFaults diagnoses the demo with each of its other faults at some hours of
// the day; at all of them:
//
//	go test -run DemoFaults ./diag -demo.walk
func TestDemoFaults(t *testing.T) {
	knocktest.Long(t)
	var own loopbacks
	for _, tt := range []struct {
		fault  string
		want   diag.Code
		future int
	}{
		{"range=10000-11000", diag.RangeMismatch, 0},
		{"range=10000-10998", diag.RangeMismatch, 0},
		{"range=10001-10999", diag.RangeMismatch, 0},
		{"range=9999-10999", diag.RangeMismatch, 0},
		{"range=20000-20999", diag.Unexplained, 0},
		{"sshd=down", diag.SSHDown, 0},
		{"sshd=silent", diag.SSHSilent, 0},
		{"sshd=refusing", diag.SSHRefusing, 0},
		{"drop=1", diag.KnocksBlocked, 0},
		{"drop=2", diag.KnocksBlocked, 0},
		{"drop=3", diag.KnocksBlocked, 0},
		{"drop=4", diag.KnocksBlocked, 0},
		{"drop=5", diag.KnocksBlocked, 0},
		{"clock=-20m", diag.HourBehind, 0},
		{"clock=+50m", diag.HourAhead, 26},
		{"clock=+20m", diag.Opens, 0},
	} {
		for hour := range 24 {
			if !*demoWalk && !slices.Contains([]int{0, 5, 11, 16, 19, 23}, hour) {
				continue
			}
			t.Run(fmt.Sprintf("%02dh %s", hour, tt.fault), func(t *testing.T) {
				t.Parallel()
				at := time.Date(2026, 11, 22, hour, 15, 0, 0, time.UTC)
				if r := (faulty{tt.fault, at, tt.future, nil}).diagnose(t, own.next()); r.Verdict.Code != tt.want {
					t.Errorf("verdict %s, want %s\n%s", r.Verdict.Code, tt.want, r.Text(true))
				}
			})
		}
	}
}
