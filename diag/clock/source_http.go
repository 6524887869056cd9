package clock

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
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

// edges are the headers that show the edge of a content delivery network, and what
// their values contain.
var edges = [...]struct{ header, part, network string }{
	{"Cf-Ray", "", "Cloudflare"},
	{"Server", "cloudflare", "Cloudflare"},
	{"X-Amz-Cf-Id", "", "CloudFront"},
	{"X-Amz-Cf-Pop", "", "CloudFront"},
	{"Server", "cloudfront", "CloudFront"},
	{"X-Fastly-Request-Id", "", "Fastly"},
	{"X-Served-By", "cache-", "Fastly"},
	{"Akamai-Grn", "", "Akamai"},
	{"X-Akamai-Request-Id", "", "Akamai"},
	{"X-Akamai-Transformed", "", "Akamai"},
	{"Server", "akamai", "Akamai"},
	{"X-Azure-Ref", "", "Azure"},
	{"X-Vercel-Id", "", "Vercel"},
	{"X-Nf-Request-Id", "", "Netlify"},
	{"X-Sucuri-Id", "", "Sucuri"},
	{"X-Iinfo", "", "Imperva"},
	{"Cdn-Requestid", "", "Bunny"},
	{"Server", "bunnycdn", "Bunny"},
	{"Server", "keycdn", "KeyCDN"},
	{"Server", "google frontend", "Google"},
}

// whoseEdge names the network whose edge sent these headers, if one did. An edge
// sets the Date itself.
func whoseEdge(h http.Header) string {
	for _, e := range edges {
		if v := h.Get(e.header); v != "" && strings.Contains(strings.ToLower(v), e.part) {
			return e.network
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
	for _, name := range []string{"X-Cache", "X-Cache-Status", "X-Proxy-Cache"} {
		if v := h.Get(name); strings.Contains(strings.ToLower(v), "hit") {
			return name + ": " + v
		}
	}
	if via := h.Get("Via"); via != "" {
		return "Via: " + via
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
	conn, err := dial(w.ctx, "tcp", w.address(w.source))
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
	w.conn = conn
	w.head.R = conn
	w.in = bufio.NewReader(&w.head)
}

func (w *webClock) request() *http.Request {
	host := w.host
	if ip, err := netip.ParseAddr(host); err == nil && ip.Is6() {
		host = "[" + ip.WithZone("").String() + "]"
	}
	if port := w.port(w.source); port != usualPorts[w.source] {
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
