package clock_test

import (
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode"

	"rapport/diag/clock"
)

// Services that mean ill cost neither memory nor more time than was given, and
// each source says in a line that prints why it has no time.
func TestHostileServices(t *testing.T) {
	endless := func(s string) func(net.Conn) {
		return func(c net.Conn) {
			for {
				if _, err := io.WriteString(c, s); err != nil {
					return
				}
			}
		}
	}
	drip := func(start, s string) func(net.Conn) {
		return func(c net.Conn) {
			_, err := io.WriteString(c, start)
			for i := 0; err == nil; i = (i + 1) % len(s) {
				_, err = io.WriteString(c, s[i:i+1])
				time.Sleep(50 * time.Millisecond)
			}
		}
	}
	for name, handle := range map[string]func(net.Conn){
		"one line without end":          endless(strings.Repeat("x", 1<<16)),
		"empty lines without end":       endless(strings.Repeat("\r\n", 1<<12)),
		"nothing but zeros":             endless(strings.Repeat("\x00", 1<<16)),
		"escapes without end":           endless("\x1b[2J\x1b]0;x\a\n"),
		"a greeting without end":        endless("220-hello\r\n"),
		"TLS records without end":       endless("\x16\x03\x01\x40\x00" + strings.Repeat("\x02\x00\x3f\xfc", 1<<12)),
		"a header without end":          endless("HTTP/1.1 200 OK\r\n" + strings.Repeat("X-More: yes\r\n", 1<<12)),
		"a byte now and then":           drip("", "220"),
		"an empty line now and then":    drip("", "\r\n"),
		"a greeting, now and then":      drip("", "220-hello\r\n"),
		"a header line now and then":    drip("HTTP/1.1 200 OK\r\n", "X-More: yes\r\n"),
		"chunks now and then":           drip("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n"),
		"chunks of a size of their own": endless("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n"),
		"TLS that never finishes":       drip("\x16\x03\x03\x00\x7a\x02\x00\x00\x76", "\x03"),
		"it hangs up":                   func(net.Conn) {},
		"it resets":                     func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0) },
		"it says what it is told":       func(c net.Conn) { _, _ = io.Copy(c, c) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			port := serve(t, handle)
			c := clock.Clocks{
				Ports:   clock.Ports{clock.SourceHTTP: port, clock.SourceHTTPS: port, clock.SourceSMTP: port, clock.SourceDaytime: port, clock.SourceTime: port},
				Timeout: time.Second,
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			r := read(t, c, "server.example.org")
			if d := time.Since(start); d > c.Timeout+5*time.Second {
				t.Errorf("it took %v", d)
			}
			runtime.ReadMemStats(&after)
			if used := after.TotalAlloc - before.TotalAlloc; used > 256<<20 {
				t.Errorf("%d MB of memory were used", used>>20)
			}
			for _, s := range []string{clock.SourceHTTP, clock.SourceHTTPS, clock.SourceSMTP, clock.SourceDaytime} {
				got := source(t, r, s)
				if got.Err == nil || strings.ContainsFunc(got.Err.Error()+got.Text()+got.Note, func(c rune) bool { return !unicode.IsPrint(c) }) {
					t.Errorf("%s says %v, %q", s, got.Offset, got.Err)
				}
			}
		})
	}
}

// A page that trickles in costs no more than the time that was given, and the
// Date ahead of it counts.
func TestWebTrickles(t *testing.T) {
	t.Parallel()
	r := askWeb(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "HEAD" {
			w.Header()["Date"] = nil
			return
		}
		dated(skew).ServeHTTP(w, r)
		for range 100 {
			if _, err := io.WriteString(w, "x"); err != nil {
				return
			}
			_ = http.NewResponseController(w).Flush()
			select {
			case <-r.Context().Done():
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	}))
	if r.Err == nil {
		precise(t, r, skew, time.Second)
	} else {
		fails(t, r, "no answer")
	}
	if r.Elapsed > clock.DefaultTimeout+5*time.Second {
		t.Errorf("it took %v", r.Elapsed)
	}
}

// Redirects are not followed, however many and wherever they lead.
func TestWebRedirectLoop(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	r := askWeb(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if r.URL.Path != "/" {
			t.Errorf("asked for %s", r.URL)
		}
		w.Header().Set("Location", "//[::1]/"+r.URL.Path)
		w.Header().Set("Date", time.Now().Add(skew).UTC().Format(http.TimeFormat))
		w.WriteHeader(http.StatusFound)
	}))
	precise(t, r, skew, time.Second)
	if n := asked.Load(); n > 20 {
		t.Errorf("asked %d times", n)
	}
}

// What does not come from the port that was asked is no answer, however much
// of it there is.
func TestNTPFromElsewhere(t *testing.T) {
	t.Parallel()
	asked, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer asked.Close()
	other, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	go func() {
		buf := make([]byte, 512)
		for {
			n, from, err := asked.ReadFrom(buf)
			if err != nil {
				return
			}
			if n >= 48 {
				answer := ntpServer{}.answer(buf[:48], time.Now())
				for range 1000 {
					_, _ = other.WriteTo(answer, from)
				}
			}
		}
	}()
	c := clock.Clocks{Ports: clock.Ports{clock.SourceNTP: portOf(asked.LocalAddr().String())}, Timeout: 500 * time.Millisecond}
	fails(t, source(t, read(t, c, "localhost"), clock.SourceNTP), "no answer")
}
