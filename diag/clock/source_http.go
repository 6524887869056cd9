package clock

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"rapport/knock"
)

// Bounds for what a web server sends.
const (
	maxHead = 64 << 10 // header lines
	maxBody = 4 << 10  // of an answer to GET: beyond it the connection is given up
)

// web reads the Date of the host's web server, and then the fraction of a second.
// It speaks HTTP/1.1 on a connection of its own: no proxies, no redirects, and no
// goroutine that outlives it.
func (a *asker) web(ctx context.Context, source string) (Interval, string, error) {
	w := webClock{asker: a, ctx: ctx, source: source, method: http.MethodHead}
	defer w.close()
	first, err := w.first()
	if err != nil {
		return Interval{}, "", err
	}
	if rough := first.interval(); believable(rough) == nil {
		r := NewReading(source, Server, rough)
		r.rough = true
		a.rough(r)
	}
	i, err := w.refine(first)
	return i, "", err
}

// webClock is a web server's clock.
type webClock struct {
	*asker
	ctx    context.Context
	source string // SourceHTTP or SourceHTTPS
	method string
	query  bool // ask for what no cache has

	conn net.Conn // nil where the last answer ended it
	head io.LimitedReader
	in   *bufio.Reader
}

// dated is an answer: its Date, and the times of this machine around it.
type dated struct {
	date     time.Time
	from, to time.Time
	reuse    bool // the connection can be used again
	header   http.Header
}

func (d dated) interval() Interval { return withinSecond(d.date, d.from, d.to) }

// first gets the first answer: by HEAD, else by GET, since some servers lack HEAD;
// and with a random query if a cache answered.
func (w *webClock) first() (dated, error) {
	d, err := w.ask()
	if err != nil && w.ctx.Err() == nil && w.conn != nil {
		w.close()
		w.method = http.MethodGet
		d, err = w.ask()
	}
	if err != nil {
		return d, err
	}
	if cdn := whoseEdge(d.header); cdn != "" {
		return d, fmt.Errorf("the edge of %s answered, whose clock is not the server's", cdn)
	}
	if cached(d.header) != "" {
		w.query = true
		if d, err = w.ask(); err != nil {
			return d, err
		}
	}
	if why := cached(d.header); why != "" {
		return d, fmt.Errorf("a cache answered: %s", knock.Clean(why, 80))
	}
	return d, nil
}

// edges are content delivery networks, with the headers that show one of their edges:
// a name, or a name and what its value contains.
var edges = [...]struct {
	network string
	headers []string
}{
	{"Cloudflare", []string{"Cf-Ray", "Server: cloudflare"}},
	{"CloudFront", []string{"X-Amz-Cf-Id", "X-Amz-Cf-Pop", "Server: cloudfront"}},
	{"Fastly", []string{"X-Fastly-Request-Id", "X-Served-By: cache-"}},
	{"Akamai", []string{"Akamai-Grn", "X-Akamai-Request-Id", "X-Akamai-Transformed", "Server: akamai"}},
	{"Azure", []string{"X-Azure-Ref"}},
	{"Vercel", []string{"X-Vercel-Id"}},
	{"Netlify", []string{"X-Nf-Request-Id"}},
	{"Sucuri", []string{"X-Sucuri-Id"}},
	{"Imperva", []string{"X-Iinfo"}},
	{"Bunny", []string{"Cdn-Requestid", "Server: bunnycdn"}},
	{"KeyCDN", []string{"Server: keycdn"}},
	{"Google", []string{"Server: google frontend"}},
}

// whoseEdge names the network whose edge sent these headers, if one did. An edge
// sets the Date itself.
func whoseEdge(h http.Header) string {
	for _, e := range edges {
		for _, header := range e.headers {
			name, part, _ := strings.Cut(header, ": ")
			if v := h.Get(name); v != "" && strings.Contains(strings.ToLower(v), part) {
				return e.network
			}
		}
	}
	return ""
}

// cached returns the header that shows that an answer came from a cache, or from a
// proxy that may be one. Its Date is then an older one.
func cached(h http.Header) string {
	if age := strings.TrimSpace(h.Get("Age")); age != "" && age != "0" {
		return "Age: " + age
	}
	for _, name := range []string{"X-Cache", "X-Cache-Status", "X-Proxy-Cache", "Via"} {
		if v := h.Get(name); strings.Contains(strings.ToLower(v), "hit") || name == "Via" && v != "" {
			return name + ": " + v
		}
	}
	return ""
}

// ask asks once, on the open connection or on a new one.
func (w *webClock) ask() (dated, error) {
	if w.conn == nil {
		if err := w.connect(); err != nil {
			return dated{}, err
		}
	}
	d := dated{from: w.now()}
	w.head.N = maxHead
	if err := w.request().Write(w.conn); err != nil {
		return d, err
	}
	if _, err := w.in.Peek(1); err != nil {
		return d, err
	}
	d.to = w.now()
	resp, err := w.response()
	if err != nil {
		return d, err
	}
	d.header = resp.Header
	n, err := io.Copy(io.Discard, io.LimitReader(resp.Body, maxBody))
	d.reuse = err == nil && !resp.Close && n < maxBody && w.in.Buffered() == 0
	text := resp.Header.Get("Date")
	if text == "" {
		return d, errors.New("no Date in its answer")
	}
	if d.date, err = http.ParseTime(text); err != nil {
		return d, fmt.Errorf("its Date is none: %q", knock.Clean(text, 60))
	}
	if !d.reuse {
		w.close()
	}
	return d, nil
}

// response reads the header lines of the answer, past interim ones.
func (w *webClock) response() (*http.Response, error) {
	for {
		resp, err := http.ReadResponse(w.in, &http.Request{Method: w.method})
		switch {
		case err != nil && w.head.N <= 0:
			return nil, fmt.Errorf("its header lines are longer than %d KiB", maxHead>>10)
		case err != nil:
			return nil, err
		case resp.StatusCode == http.StatusSwitchingProtocols || resp.StatusCode >= 200:
			return resp, nil
		}
	}
}

func (w *webClock) connect() error {
	conn, err := w.dial(w.ctx, "tcp", w.address(w.source).String())
	if err != nil {
		return err
	}
	if w.source == SourceHTTPS {
		// Only the clock is read, so the server's identity does not matter; and a
		// wrong clock makes valid certificates fail.
		c := &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, NextProtos: []string{"http/1.1"}}
		if _, err := netip.ParseAddr(w.host); err != nil {
			c.ServerName = w.host
		}
		t := tls.Client(conn, c)
		if err := t.Handshake(); err != nil {
			conn.Close()
			return fmt.Errorf("no TLS: %w", err)
		}
		conn = t
	}
	w.use(conn)
	return nil
}

// use makes conn the connection to ask on.
func (w *webClock) use(conn net.Conn) {
	w.conn, w.head.R = conn, conn
	w.in = bufio.NewReader(&w.head)
}

func (w *webClock) request() *http.Request {
	host := w.host
	if ip, err := netip.ParseAddr(host); err == nil && ip.Is6() {
		host = "[" + ip.WithZone("").String() + "]"
	}
	if port := w.address(w.source).Port(); port != usualPorts[w.source] {
		host = fmt.Sprintf("%s:%d", host, port)
	}
	r := &http.Request{
		Method: w.method,
		URL:    &url.URL{Scheme: "http", Host: host, Path: "/"},
		Host:   host,
		Header: http.Header{"User-Agent": {"rapport"}, "Accept": {"*/*"}, "Cache-Control": {"no-cache"}, "Pragma": {"no-cache"}},
	}
	if w.query {
		r.URL.RawQuery = "rapport=" + rand.Text()
	}
	return r
}

func (w *webClock) close() {
	if w.conn != nil {
		w.conn.Close()
		w.conn = nil
	}
}

// How the start of the server's second is found.
const (
	edgeTime = 2500 * time.Millisecond // at most; two edges pass in it for certain
	edgeAsks = 16                      // at most; about 8 are usual
	edgeGoal = 15 * time.Millisecond   // what is left between two questions at the edge
	edgeRest = 50 * time.Millisecond   // what is left for the last answer
)

// refine finds the fraction of a second: it asks again around the moments at which
// the Date changes. If a later question fails, the result so far stands.
func (w *webClock) refine(first dated) (Interval, error) {
	end := first.to.Add(edgeTime)
	if deadline, ok := w.ctx.Deadline(); ok {
		if left := first.to.Add(time.Until(deadline) - edgeRest); left.Before(end) {
			end = left
		}
	}
	known := first.interval()
	rtt := first.to.Sub(first.from)
	var step time.Duration
	moved := false // the Date, at least once
	for n, fresh := 1, true; n < edgeAsks && first.reuse; n++ {
		left := known.High - known.Low - rtt - coarse // no answer can resolve the rest
		if left <= edgeGoal {
			break
		}
		now := w.now()
		if fresh || left <= step+step/2 {
			step = stepSize(left, edgesLeft(now, end, known.Low), edgeAsks-n)
		}
		// Ask when the server's second changes if its clock is ahead by split: the
		// answer shows on which side of split it is.
		split := known.High - coarse - rtt/2 - min(step, left)
		at := nextSecond(now.Add(rtt/2 + split)).Add(-split - rtt/2)
		if at.After(end) || !knock.Wait(w.ctx, at.Sub(now)) {
			break
		}
		d, err := w.ask()
		if err != nil {
			break
		}
		rtt = min(rtt, d.to.Sub(d.from))
		fresh = d.interval().Low > known.Low
		moved = moved || !d.date.Equal(first.date)
		if known = known.common(d.interval()); known.Low > known.High {
			return known, contradiction(first, d)
		}
		if !d.reuse {
			break
		}
	}
	// A Date that never moved is asked for once more, over a second after the first.
	at := first.to.Add(time.Second + 2*coarse + first.to.Sub(first.from))
	if moved || at.After(end) || !knock.Wait(w.ctx, at.Sub(w.now())) {
		return known, nil
	}
	if d, err := w.ask(); err == nil {
		if known = known.common(d.interval()); known.Low > known.High {
			return known, contradiction(first, d)
		}
	}
	return known, nil
}

// contradiction explains two answers that no single clock can give.
func contradiction(first, last dated) error {
	if passed := last.from.Sub(first.from); first.date.Equal(last.date) && passed > time.Second {
		return fmt.Errorf("a cache answered: the same Date after %.1f s", passed.Seconds())
	}
	return errors.New("its Dates contradict each other: more than one clock answers, or it was set just now")
}

// edgesLeft returns how many changes of the server's second come before end, at
// least one, if its clock is ahead by low or more.
func edgesLeft(now, end time.Time, low time.Duration) int {
	edge := nextSecond(now.Add(low)).Add(-low)
	return max(1, 1+int(end.Sub(edge)/time.Second))
}

// stepSize divides the interval that is left, so that the remaining changes of the
// second lead to the goal with few questions, and no more than asks.
func stepSize(left time.Duration, edges, asks int) time.Duration {
	parts := math.Ceil(math.Pow(float64(left)/float64(edgeGoal), 1/float64(edges)))
	parts = min(parts, float64(asks/edges)+1)
	return left / time.Duration(max(parts, 2))
}

// nextSecond returns the first whole second at or after t.
func nextSecond(t time.Time) time.Time {
	if whole := t.Truncate(time.Second); whole.Before(t) {
		return whole.Add(time.Second)
	}
	return t
}
