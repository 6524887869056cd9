package clock_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"rapport/diag/clock"
	"rapport/knock/knocktest"
)

var loopback = netip.MustParseAddr("127.0.0.1")

// skew is how far the servers of these tests are ahead.
const skew = -3*time.Hour + 377*time.Millisecond

func read(t *testing.T, c clock.Clocks, host string) clock.Report {
	t.Helper()
	r, err := c.Read(t.Context(), host, loopback, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// source returns what a source said.
func source(t *testing.T, r clock.Report, name string) clock.Reading {
	t.Helper()
	for _, s := range r.Sources {
		if s.Name == name {
			return s
		}
	}
	t.Fatalf("no source %q among %v", name, r.Sources)
	return clock.Reading{}
}

// right checks that a reading is right within what it claims. On a busy machine an
// answer is late, and the claim wide.
func right(t *testing.T, r clock.Reading, want time.Duration) {
	t.Helper()
	if r.Err != nil || !r.Interval().Contains(want) {
		t.Errorf("%s says %v ± %v (%v), want %v", r.Name, r.Offset, r.Uncertainty, r.Err, want)
	}
}

// precise checks that a reading is right, and claims enough: where time is exact.
func precise(t *testing.T, r clock.Reading, want, atMost time.Duration) {
	t.Helper()
	right(t, r, want)
	if r.Uncertainty > atMost {
		t.Errorf("%s says %v ± %v, want it within %v", r.Name, r.Offset, r.Uncertainty, atMost)
	}
}

// fails checks that a source gave no time, and why.
func fails(t *testing.T, r clock.Reading, why string) {
	t.Helper()
	if r.Err == nil || !strings.Contains(r.Err.Error(), why) {
		t.Errorf("%s says %v ± %v and error %v, want %q", r.Name, r.Offset, r.Uncertainty, r.Err, why)
	}
}

// serve runs a TCP service on loopback, one call for each connection, and
// returns its port.
func serve(t *testing.T, handle func(net.Conn)) uint16 {
	t.Helper()
	return knocktest.Listen(t, "127.0.0.1:0", handle).Port()
}

func portOf(address string) uint16 { return netip.MustParseAddrPort(address).Port() }

// says is a service that says one thing and hangs up.
func says(text func() string) func(net.Conn) {
	return func(c net.Conn) { io.WriteString(c, text()) }
}

func dated(skew time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", time.Now().Add(skew).UTC().Format(http.TimeFormat))
	})
}

// A host that has everything, three hours behind, and its kernel's ICMP, which
// the tests cannot shift: it is outvoted.
func TestAllSources(t *testing.T) {
	knocktest.Need(t)
	web, tls := httptest.NewServer(dated(skew)), httptest.NewTLSServer(dated(skew))
	defer web.Close()
	defer tls.Close()
	there := func(layout string) func() string {
		return func() string { return time.Now().Add(skew).UTC().Format(layout) }
	}
	quit := make(chan string, 1)
	c := clock.Clocks{
		Ports: clock.Ports{
			clock.SourceHTTP:  portOf(web.Listener.Addr().String()),
			clock.SourceHTTPS: portOf(tls.Listener.Addr().String()),
			clock.SourceNTP:   serveNTP(t, ntpServer{skew: skew}),
			clock.SourceSMTP: serve(t, func(c net.Conn) {
				fmt.Fprintf(c, "220 mail.example.org ESMTP Exim 4.96 %s\r\n", there(time.RFC1123Z)())
				b, _ := io.ReadAll(c)
				quit <- string(b)
			}),
			clock.SourceDaytime: serve(t, says(there("Mon Jan _2 15:04:05 2006 UTC\r\n"))),
			clock.SourceTime: serve(t, func(c net.Conn) {
				s := uint32(time.Now().Add(skew).Unix() + 2208988800)
				c.Write([]byte{byte(s >> 24), byte(s >> 16), byte(s >> 8), byte(s)})
			}),
		},
		NTP: []string{fmt.Sprintf("127.0.0.1:%d", serveNTP(t, ntpServer{skew: 40 * time.Millisecond}))},
	}
	var seen []string
	r, err := c.Read(t.Context(), "server.example.org", loopback, func(r clock.Reading) { seen = append(seen, r.Name) })
	if err != nil {
		t.Fatal(err)
	}
	right(t, source(t, r, clock.SourceHTTP), skew)
	right(t, source(t, r, clock.SourceHTTPS), skew)
	right(t, source(t, r, clock.SourceNTP), skew)
	right(t, source(t, r, clock.SourceSMTP), skew)
	right(t, source(t, r, clock.SourceDaytime), skew)
	right(t, source(t, r, clock.SourceTime), skew)
	right(t, source(t, r, clock.SourceICMP), 0)
	if len(seen) != len(r.Sources) || len(seen) != 8 {
		t.Errorf("%d readings came, %d are in the report", len(seen), len(r.Sources))
	}
	for _, s := range r.Sources {
		if s.Outvoted != (s.Name == clock.SourceICMP) {
			t.Errorf("%s outvoted: %v", s.Name, s.Outvoted)
		}
	}
	if !r.Known || !r.Interval().Contains(skew) {
		t.Errorf("skew %v ± %v (%v), want %v", r.Skew, r.Uncertainty, r.Known, skew)
	}
	if !r.Local.Known || (r.Local.Offset-40*time.Millisecond).Abs() > r.Local.Uncertainty {
		t.Errorf("this machine's clock: %+v, want 40 ms", r.Local)
	}
	select {
	case got := <-quit:
		if got != "QUIT\r\n" {
			t.Errorf("SMTP was left with %q", got)
		}
	case <-time.After(5 * time.Second):
		t.Error("SMTP was not left")
	}
}

// A host with nothing: all that listens nowhere is refused.
func TestNothingListens(t *testing.T) {
	knocktest.Need(t)
	var c clock.Clocks
	r := read(t, c, "localhost")
	for _, s := range r.Sources {
		if s.Name != clock.SourceICMP && !errors.Is(s.Err, clock.ErrRefused) {
			t.Errorf("%s: %v, want refused", s.Name, s.Err)
		}
	}
	right(t, source(t, r, clock.SourceICMP), 0)
}

// Silence costs the timeout, and nothing more: neither goroutine nor time.
func TestSilence(t *testing.T) {
	silent := serve(t, func(c net.Conn) { io.Copy(io.Discard, c) })
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	web := httptest.NewServer(dated(0))
	defer web.Close()
	before := runtime.NumGoroutine()
	c := clock.Clocks{
		Ports:   clock.Ports{clock.SourceHTTP: portOf(web.Listener.Addr().String()), clock.SourceHTTPS: silent, clock.SourceNTP: portOf(udp.LocalAddr().String()), clock.SourceSMTP: silent, clock.SourceDaytime: silent, clock.SourceTime: silent},
		Timeout: 1500 * time.Millisecond,
	}
	start := time.Now()
	r := read(t, c, "localhost")
	if d := time.Since(start); d < c.Timeout || d > c.Timeout+5*time.Second {
		t.Errorf("it took %v, want %v", d, c.Timeout)
	}
	for _, name := range []string{clock.SourceHTTPS, clock.SourceNTP, clock.SourceSMTP, clock.SourceDaytime, clock.SourceTime} {
		if s := source(t, r, name); !errors.Is(s.Err, clock.ErrNoAnswer) {
			t.Errorf("%s: %v, want no answer", name, s.Err)
		}
	}
	right(t, source(t, r, clock.SourceHTTP), 0)
	waitForGoroutines(t, before)
}

// waitForGoroutines waits for the goroutines of the servers to see their connections end:
// Read's own have ended.
func waitForGoroutines(t *testing.T, before int) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			buf := make([]byte, 1<<16)
			t.Fatalf("%d goroutines, were %d\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
		}
	}
}

// The end of the context ends it, with its cause.
func TestCancelled(t *testing.T) {
	silent := serve(t, func(c net.Conn) { io.Copy(io.Discard, c) })
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(50*time.Millisecond, func() { cancel(cause) })
	start := time.Now()
	c := clock.Clocks{Ports: clock.Ports{clock.SourceHTTP: silent}, Timeout: time.Minute}
	r, err := c.Read(ctx, "localhost", loopback, nil)
	if !errors.Is(err, cause) || time.Since(start) > 5*time.Second {
		t.Errorf("Read ends with %v after %v", err, time.Since(start))
	}
	if s := source(t, r, clock.SourceHTTP); !errors.Is(s.Err, cause) {
		t.Errorf("http: %v", s.Err)
	}
}

// Offsets are from the clock Now, not from the system's.
func TestOtherNow(t *testing.T) {
	c := clock.Clocks{
		Clock: func() time.Time { return time.Now().Add(-90 * time.Minute) },
		Ports: clock.Ports{clock.SourceNTP: serveNTP(t, ntpServer{})},
	}
	r := read(t, c, "localhost")
	right(t, source(t, r, clock.SourceNTP), 90*time.Minute)
	if d := time.Since(r.Local.Time); d < 89*time.Minute {
		t.Errorf("this machine's time is %v", r.Local.Time)
	}
}

// A knock's interval votes as well.
func TestAdd(t *testing.T) {
	now := time.Date(2026, 11, 22, 8, 43, 54, 0, time.UTC)
	r := clock.Report{Schema: 1, Local: clock.LocalClock{Time: now}}
	r.Add(clock.NewReading(clock.SourceKnock, clock.Server, clock.FromKnock(now, -3)))
	if !r.Known || clock.HourOffset(now, r.Skew) != -3 {
		t.Errorf("by the knock alone: %v ± %v (%v)", r.Skew, r.Uncertainty, r.Known)
	}
	r.Add(clock.Reading{Name: clock.SourceHTTP, Of: clock.Server, Offset: -3 * time.Hour, Uncertainty: 10 * time.Millisecond})
	if r.Skew.Round(time.Millisecond) != -3*time.Hour || r.Uncertainty > 11*time.Millisecond {
		t.Errorf("with http: %v ± %v", r.Skew, r.Uncertainty)
	}
	r.Add(clock.Reading{Name: clock.SourceSMTP, Of: clock.Server, Offset: 0, Uncertainty: time.Second})
	for n, want := range []bool{false, false, true} {
		if r.Sources[n].Outvoted != want {
			t.Errorf("%s outvoted: %v", r.Sources[n].Name, !want)
		}
	}
}

// ICMP has the time of the day alone: it agrees with a clock that is days off
// as well as for one that is right.
func TestDaysOff(t *testing.T) {
	knocktest.Need(t)
	web := httptest.NewServer(dated(-72 * time.Hour))
	defer web.Close()
	r := read(t, clock.Clocks{Ports: clock.Ports{clock.SourceHTTP: portOf(web.Listener.Addr().String())}}, "localhost")
	right(t, source(t, r, clock.SourceICMP), -72*time.Hour)
	if !r.Known || !r.Interval().Contains(-72*time.Hour) {
		t.Errorf("skew %v (%v), want three days", r.Skew, r.Known)
	}
}

func TestReadingText(t *testing.T) {
	now := time.Date(2026, 11, 22, 8, 43, 54, 0, time.UTC)
	for want, r := range map[string]clock.Reading{
		"-3:00:00, within 0.013 s":                             {Offset: -3 * time.Hour, Uncertainty: 13 * time.Millisecond},
		"+0.004 s, within 0.001 s":                             {Offset: 4 * time.Millisecond, Uncertainty: time.Millisecond},
		"+0.000 s, within 0.001 s, not synchronised, outvoted": {Uncertainty: time.Millisecond, Note: "not synchronised", Outvoted: true},
		"2 h 44 min to 3 h 44 min behind":                      clock.NewReading(clock.SourceKnock, clock.Server, clock.FromKnock(now, -3)),
		"refused":                                              {Err: clock.ErrRefused},
	} {
		if got := r.Text(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestClockJSON(t *testing.T) {
	now := time.Date(2026, 11, 22, 8, 43, 54, 0, time.UTC)
	r := clock.Report{Schema: 1, Host: "myserver", Address: "203.0.113.7", Local: clock.LocalClock{Time: now}}
	r.Add(clock.Reading{Name: "smtp", Of: clock.Server, Err: clock.ErrRefused, Elapsed: 1500 * time.Microsecond})
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"schema":1,"host":"myserver","address":"203.0.113.7",` +
		`"local":{"time":"2026-11-22T08:43:54Z","offset_ms":null,"uncertainty_ms":null,"source":"system"},` +
		`"sources":[{"name":"smtp","of":"server","offset_ms":null,"uncertainty_ms":null,"error":"refused","outvoted":false,"elapsed_ms":1.5}],` +
		`"skew_ms":null,"uncertainty_ms":null,"hour_offset":null}`
	if string(b) != want {
		t.Errorf("got  %s\nwant %s", b, want)
	}
	r.Add(clock.Reading{Name: "http", Of: clock.Server, Offset: skew, Uncertainty: 12 * time.Millisecond})
	if b, err = json.Marshal(r); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`"offset_ms":-10799623,"uncertainty_ms":12,"error":null`, `"skew_ms":-10799623,"uncertainty_ms":12,"hour_offset":-3}`} {
		if !strings.Contains(string(b), part) {
			t.Errorf("no %s in %s", part, b)
		}
	}
}
