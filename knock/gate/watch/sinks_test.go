package watch_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rapport/knock"
	"rapport/knock/arrivals"
	"rapport/knock/gate/watch"
)

var (
	someone = netip.MustParseAddr("203.0.113.5")
	stale   = arrivals.Client{Addr: someone, Phase: 5, Knocks: []arrivals.Knock{{Port: 10247, Phase: 1}}, Findings: []arrivals.Finding{{Code: arrivals.HourBehind, Hours: 3}}}
	events  = []watch.Event{
		{Kind: watch.GateFound, Time: at, Gate: &watch.Gate{Kind: "nft"}},
		{Kind: watch.PhaseEntered, Time: at, Addr: someone, Phase: 1},
		{Kind: watch.GotIn, Time: at, Addr: someone, Phase: 5},
		{Kind: watch.Stuck, Time: at, Addr: someone, Phase: 3},
		{Kind: watch.ClientSeen, Time: at, Addr: someone, Phase: 5, Client: &stale},
		{Kind: watch.NotListed, Time: at, Unlisted: &watch.Unlisted{Clients: 7, Packets: 9}},
	}
)

// TestLines: a filter leaves the events that concern everyone; masked lines have no
// port of a knock.
func TestLines(t *testing.T) {
	for _, tt := range []struct {
		filter watch.Filter
		want   string
	}{
		{watch.Filter{}, "gate phase in stuck client more"},
		{watch.Filter{Phase: 3}, "gate in stuck client more"},
		{watch.Filter{In: true}, "gate in more"},
	} {
		pass, end, err := watch.Sinks{Filter: tt.filter}.Open(context.Background(), nil)
		if err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		visits := []watch.Visit{{Addr: someone, Phase: 2, State: watch.VisitStuck}, {Addr: someone, Phase: 4, State: watch.VisitStuck}, {Addr: someone, State: watch.VisitIn}}
		shown := pass(watch.Snapshot{Events: events, Visits: visits})
		if err := watch.Lines(&out, true)(shown); err != nil {
			t.Fatal(err)
		}
		end()
		var kinds []string
		for line := range strings.Lines(out.String()) {
			var e struct{ Event, Summary string }
			if err := json.Unmarshal([]byte(line), &e); err != nil || e.Summary == "" {
				t.Errorf("%v: %s", err, line)
			}
			kinds = append(kinds, e.Event)
		}
		if got := strings.Join(kinds, " "); got != tt.want || strings.Contains(out.String(), "10247") {
			t.Errorf("%+v: %s, want %s\n%s", tt.filter, got, tt.want, &out)
		}
		if n := len(shown.Visits); n != map[string]int{"gate in more": 1, "gate in stuck client more": 2}[tt.want] && tt.filter != (watch.Filter{}) {
			t.Errorf("%+v: %d visits", tt.filter, n)
		}
	}
}

// TestMetrics: the counters are served on loopback, and nothing else is.
func TestMetrics(t *testing.T) {
	m, err := watch.NewMetrics(":0")
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if addr := m.Addr().String(); !strings.HasPrefix(addr, "127.0.0.1:") {
		t.Errorf("it listens on %s", addr)
	}
	stats := arrivals.Stats{SYNs: 12, Phases: [knock.Knocks + 1]uint64{3: 4}, Codes: map[arrivals.Code]uint64{arrivals.Sweep: 2}}
	m.Set(watch.Snapshot{Gate: watch.Gate{Kind: "nft"}, Events: events, Visits: []watch.Visit{{Addr: someone, Phase: 2}}, Totals: watch.Totals{In: 3, Stuck: [knock.Knocks]int{1: 5}}, Arrivals: &stats, LostPackets: 6})
	get := func(path string) (int, string) {
		c := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		r, err := c.Get("http://" + m.Addr().String() + path)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		text, _ := io.ReadAll(r.Body)
		return r.StatusCode, string(text)
	}
	_, text := get("/metrics")
	for _, line := range []string{"rapport_gate 1", "rapport_opened_total 3", `rapport_stuck_total{phase="2"} 5`, "rapport_syns_total 12",
		`rapport_reached_total{phase="3"} 4`, `rapport_findings_total{code="sweep"} 2`, "rapport_lost_packets_total 6"} {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("no line %q in\n%s", line, text)
		}
	}
	if strings.Contains(text, someone.String()) || strings.Contains(text, "10247") {
		t.Errorf("an address or a port is served:\n%s", text)
	}
	if code, _ := get("/"); code != http.StatusNotFound {
		t.Errorf("/ is answered with %d", code)
	}
	if _, err := watch.NewMetrics("nowhere"); err == nil {
		t.Error("an address without a port is accepted")
	}
}

// TestHook: the command gets the event in its environment; too many are left out, and
// counted; a failure is reported.
func TestHook(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	failures := make(chan error, 1)
	h := watch.NewHook(t.Context(), `echo "$RAPPORT_EVENT $RAPPORT_ADDRESS $RAPPORT_PHASE $RAPPORT_SUPPRESSED $RAPPORT_SUMMARY" >> '`+log+`'`, func(err error) { failures <- err })
	h.Add(at, events)
	h.Close()
	text, _ := os.ReadFile(log)
	want := "in 203.0.113.5 5 0 203.0.113.5 got in\nstuck 203.0.113.5 3 0 203.0.113.5 stuck at phase 3\nstale 203.0.113.5 5 0 " + stale.Line() + "\n"
	if string(text) != want {
		t.Errorf("%s, want %s", text, want)
	}

	os.Remove(log)
	h = watch.NewHook(t.Context(), `sleep 0.01; echo "$RAPPORT_SUPPRESSED" >> '`+log+`'`, func(err error) { failures <- err })
	var many []watch.Event
	for range 50 {
		many = append(many, events[2])
	}
	h.Add(at, many)
	h.Add(at.Add(time.Second), events[:2])
	h.Close()
	text, _ = os.ReadFile(log)
	if n := strings.Count(string(text), "\n"); n < 1 || n > 11 {
		t.Errorf("%d of 50 ran", n)
	}

	h = watch.NewHook(t.Context(), "exit 3", func(err error) { failures <- err })
	h.Add(at, events[2:3])
	h.Close()
	if err := <-failures; err == nil || !strings.Contains(fmt.Sprint(err), "exit status 3") || errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// TestCrowd: among thousands of visits those who got in are listed first, none that is
// not over is lost without a count, and the totals are exact.
func TestCrowd(t *testing.T) {
	v := watch.NewVisits([]time.Duration{5 * time.Second, 5 * time.Second, 5 * time.Second, 5 * time.Second, 5 * time.Second}, "fixed")
	address := func(n int) netip.Addr { return netip.AddrFrom4([4]byte{11, byte(n >> 16), byte(n >> 8), byte(n)}) }
	reading := func(after float64, n int) watch.Sample {
		s := watch.Sample{Time: seconds(after), Counted: seconds(after)}
		for i := range n {
			s.On = append(s.On, watch.Sighting{Addr: address(i), Phase: 1, Since: seconds(0.5), Slack: time.Millisecond})
		}
		return s
	}
	const crowd = 15_000
	v.Record(reading(0, 0))
	s := reading(1, crowd)
	for k := range knock.Knocks {
		s.On = append(s.On, watch.Sighting{Addr: someone, Phase: k + 1, Since: seconds(0.1 + float64(k)/100), Slack: time.Millisecond})
	}
	s.Connections = []watch.Connection{{Client: netip.AddrPortFrom(someone, 5), Port: 22}}
	v.Record(s)
	if first := v.List()[0]; first.Addr != someone || first.State != watch.VisitIn {
		t.Errorf("the first of the list is %v, %s", first.Addr, first.State)
	}
	stuck := 0
	for _, e := range v.Record(watch.Sample{Time: seconds(8), Counted: seconds(8)}) {
		if e.Kind == watch.Stuck {
			stuck++
		}
	}
	if stuck != crowd || v.Totals.Stuck[0] != crowd || v.Totals.In != 1 {
		t.Errorf("%d stuck, totals %+v", stuck, v.Totals)
	}
	if n := len(v.List()); n != 1000 {
		t.Errorf("%d are listed", n)
	}
}
