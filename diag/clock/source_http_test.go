package clock_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"rapport/diag/clock"
)

// askWeb asks a web server in memory for its clock, in time that is exact.
func askWeb(t *testing.T, h http.Handler) (r clock.Reading) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r = source(t, read(t, clock.Clocks{Only: []string{clock.SourceHTTP}, Ports: clock.Ports{clock.SourceHTTP: 8080}, Dial: webInMemory(t, h)}, "server.example.org"), clock.SourceHTTP)
	})
	return r
}

// webInMemory runs a web server in the test's bubble, and returns how to connect to it.
func webInMemory(t *testing.T, h http.Handler) func(context.Context, string, string) (net.Conn, error) {
	l := memoryListener{make(chan net.Conn), make(chan struct{})}
	s := &http.Server{Handler: h}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return func(context.Context, string, string) (net.Conn, error) {
		here, there := net.Pipe()
		l.conns <- there
		return here, nil
	}
}

// memoryListener accepts connections within the process.
type memoryListener struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (l memoryListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l memoryListener) Close() error   { close(l.closed); return nil }
func (l memoryListener) Addr() net.Addr { return &net.TCPAddr{} }

func askHTTP(t *testing.T, port uint16) clock.Reading {
	t.Helper()
	return source(t, read(t, clock.Clocks{Ports: clock.Ports{clock.SourceHTTP: port}}, "server.example.org"), clock.SourceHTTP)
}

// with adds header lines to answers with the right Date.
func with(lines ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for n := 0; n < len(lines); n += 2 {
			w.Header().Set(lines[n], lines[n+1])
		}
		dated(skew).ServeHTTP(w, r)
	}
}

// The edge of the second is found wherever it is, with few questions, and
// nothing but the host's own page is asked for.
func TestWebEdge(t *testing.T) {
	t.Parallel()
	for _, fraction := range []time.Duration{0, 3, 250, 377, 500, 750, 990, 999} {
		t.Run(fmt.Sprint(fraction), func(t *testing.T) {
			t.Parallel()
			skew := -3*time.Hour + fraction*time.Millisecond
			var asked atomic.Int32
			r := askWeb(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				if r.Method != "HEAD" || r.URL.String() != "/" || r.Host != "server.example.org:8080" || r.Header.Get("Cache-Control") != "no-cache" {
					t.Errorf("asked %s %s of %s", r.Method, r.URL, r.Host)
				}
				dated(skew).ServeHTTP(w, r)
			}))
			precise(t, r, skew, 50*time.Millisecond)
			if n := asked.Load(); n > 16 {
				t.Errorf("asked %d times", n)
			}
			t.Logf("%v ± %v with %d questions in %v", r.Offset-skew, r.Uncertainty, asked.Load(), r.Elapsed)
		})
	}
}

// What the first answer tells is known at once, and gives way to the better reading.
func TestWebTellsTheSecondFirst(t *testing.T) {
	t.Parallel()
	var got []clock.Reading
	synctest.Test(t, func(t *testing.T) {
		on := func(r clock.Reading) { got = append(got, r) }
		c := clock.Clocks{Only: []string{clock.SourceHTTP}, Dial: webInMemory(t, dated(skew)), Rough: on}
		if _, err := c.Read(t.Context(), "server.example.org", loopback, on); err != nil {
			t.Fatal(err)
		}
	})
	if len(got) != 2 || got[0].Uncertainty <= got[1].Uncertainty {
		t.Fatalf("got %v", got)
	}
	var report clock.Report
	for _, r := range got {
		precise(t, r, skew, time.Second)
		report.Add(r)
	}
	if len(report.Sources) != 1 || report.Uncertainty != got[1].Uncertainty {
		t.Errorf("the report has %v", report.Sources)
	}
}

// A slow host costs precision, not correctness.
func TestWebSlow(t *testing.T) {
	t.Parallel()
	r := askWeb(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(60 * time.Millisecond)
		dated(skew).ServeHTTP(w, r)
	}))
	precise(t, r, skew, 150*time.Millisecond)
}

// Where the server ends each connection, or the time is short, one question has
// to do.
func TestWebOnce(t *testing.T) {
	t.Parallel()
	r := askWeb(t, with("Connection", "close"))
	precise(t, r, skew, time.Second)

	synctest.Test(t, func(t *testing.T) {
		c := clock.Clocks{Only: []string{clock.SourceHTTP}, Dial: webInMemory(t, dated(skew)), Timeout: 300 * time.Millisecond}
		precise(t, source(t, read(t, c, "localhost"), clock.SourceHTTP), skew, time.Second)
	})
}

// A server that cannot do HEAD is asked by GET, and its page not read to the end.
func TestWebGet(t *testing.T) {
	t.Parallel()
	var sent atomic.Int64
	r := askWeb(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "HEAD" {
			w.Header()["Date"] = nil
			return
		}
		dated(skew).ServeHTTP(w, r)
		for range 1 << 14 {
			n, err := w.Write(make([]byte, 1<<12))
			sent.Add(int64(n))
			if err != nil {
				return
			}
		}
	}))
	precise(t, r, skew, 600*time.Millisecond)
	if n := sent.Load(); n >= 1<<26 {
		t.Errorf("%d bytes of the page were read", n)
	}
	// A small page leaves the connection as it was.
	precise(t, askWeb(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "HEAD" {
			w.Header()["Date"] = nil
			return
		}
		dated(skew).ServeHTTP(w, r)
		io.WriteString(w, "hello")
	})), skew, 50*time.Millisecond)
}

// A Date from a cache or of a network's edge is no reading.
func TestWebNotTheServer(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		h    http.Handler
		want string
	}{
		"age":        {with("Age", "17"), "a cache answered: Age: 17"},
		"hit":        {with("X-Cache", "HIT from proxy.example.org"), "a cache answered: X-Cache: HIT from proxy.example.org"},
		"via":        {with("Via", "1.1 varnish"), "a cache answered: Via: 1.1 varnish"},
		"cloudflare": {with("CF-RAY", "8a1b2c3d4e5f-AMS", "Age", "3"), "the edge of Cloudflare answered"},
		"fastly":     {with("X-Served-By", "cache-ams21021-AMS"), "the edge of Fastly answered"},
		"akamai":     {with("Server", "AkamaiGHost"), "the edge of Akamai answered"},
		"frozen": {http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Date", "Sun, 22 Nov 2026 08:43:54 GMT")
		}), "a cache answered: the same Date after "},
		"frozen, and each connection ends": {frozenAndClosed(), "a cache answered: the same Date after "},
		"two clocks":                       {twoClocks(), "its Dates contradict each other"},
		"no date":                          {http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Header()["Date"] = nil }), "no Date in its answer"},
		"bad date":                         {http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Date", "soon") }), `its Date is none: "soon"`},
		"year 9999": {http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Date", "Fri, 31 Dec 9999 23:59:59 GMT")
		}), "more than 150 years"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fails(t, askWeb(t, tt.h), tt.want)
		})
	}
}

func frozenAndClosed() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", "Sun, 22 Nov 2026 08:43:54 GMT")
		w.Header().Set("Connection", "close")
	})
}

// twoClocks is two servers behind one address, whose clocks differ.
func twoClocks() http.Handler {
	var n atomic.Int64
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		dated(time.Duration(n.Add(1)%2)*10*time.Second).ServeHTTP(w, r)
	})
}

// A query that no cache has gets past one.
func TestWebPastCache(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	queries := map[string]bool{}
	r := askWeb(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery == "" {
			w.Header().Set("Age", "3600")
			dated(skew-time.Hour).ServeHTTP(w, r)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if queries[r.URL.RawQuery] {
			t.Errorf("asked %q twice", r.URL.RawQuery)
		}
		queries[r.URL.RawQuery] = true
		dated(skew).ServeHTTP(w, r)
	}))
	precise(t, r, skew, 50*time.Millisecond)
}

// A redirect has a Date, and is not followed.
func TestWebRedirect(t *testing.T) {
	t.Parallel()
	var followed atomic.Bool
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed.Store(true) }))
	defer elsewhere.Close()
	r := askWeb(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", time.Now().Add(skew).UTC().Format(http.TimeFormat))
		http.Redirect(w, r, elsewhere.URL, http.StatusMovedPermanently)
	}))
	precise(t, r, skew, 50*time.Millisecond)
	if followed.Load() {
		t.Error("the redirect was followed")
	}
}

// What is no web server costs neither memory nor time.
func TestWebHostile(t *testing.T) {
	t.Parallel()
	date := "HTTP/1.1 200 OK\r\nDate: Sun, 22 Nov 2026 08:43:54 GMT\r\n"
	forever := func(start, line string) func(net.Conn) {
		return func(c net.Conn) {
			if _, err := io.WriteString(c, start); err != nil {
				return
			}
			for {
				if _, err := io.WriteString(c, line); err != nil {
					return
				}
			}
		}
	}
	for name, tt := range map[string]struct {
		handle func(net.Conn)
		want   string
	}{
		"header lines without end": {forever(date, "X-More: "+strings.Repeat("x", 1000)+"\r\n"), "longer than 64 KiB"},
		"a line without end":       {forever(date+"X-More: ", strings.Repeat("x", 1000)), "longer than 64 KiB"},
		"interim answers":          {forever("", "HTTP/1.1 103 Early Hints\r\n\r\n"), "longer than 64 KiB"},
		"SSH":                      {says(func() string { return "SSH-2.0-OpenSSH_9.2p1\r\n" }), "malformed"},
		"escapes":                  {says(func() string { return "\x1b[2J\r\n\r\n" }), "malformed"},
		"nothing":                  {says(func() string { return "" }), "closed without an answer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := askHTTP(t, serve(t, tt.handle))
			fails(t, r, tt.want)
			if r.Err != nil && strings.ContainsAny(r.Err.Error(), "\x1b\r\n") {
				t.Errorf("the error has what must not be on a terminal: %q", r.Err)
			}
		})
	}
}

// What is no TLS says so.
func TestWebNoTLS(t *testing.T) {
	s := httptest.NewServer(dated(0))
	defer s.Close()
	c := clock.Clocks{Ports: clock.Ports{clock.SourceHTTPS: portOf(s.Listener.Addr().String())}}
	fails(t, source(t, read(t, c, "localhost"), clock.SourceHTTPS), "no TLS")
}
