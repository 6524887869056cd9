package knocktest

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"rapport/knock"
)

// Clocks are services that tell the server's time, on their usual ports and open
// to everybody.
type Clocks struct {
	HTTP    bool // the Date of answers on port 80, RFC 9110, section 6.6.1
	HTTPS   bool // the same on 443, with a self-signed certificate
	NTP     bool // udp/123, RFC 5905; synchronized, stratum 2
	SMTP    bool // a greeting on port 25 with the date, as Exim writes it
	Daytime bool // tcp/13, RFC 867, in the format of inetd, UTC
	Time    bool // tcp/37, RFC 868

	Clock knock.Clock   // what the server's clock would show if it were right
	Shift time.Duration // what the server's clock is ahead of that

	// Cached, if not zero, puts a cache in front of HTTP: every answer was made at
	// one time, that long before ServeClocks was called. Its Date stays, its Age in
	// seconds grows.
	Cached time.Duration
}

// now is the time by the server's clock.
func (c Clocks) now() time.Time { return c.Clock.Now().Add(c.Shift) }

// ServeClocks runs the services until the test ends, outside the gate. It can be
// called again for other services.
func (s *Server) ServeClocks(t testing.TB, c Clocks) {
	t.Helper()
	var open openPorts
	tcp := func(wanted bool, port int, handle func(net.Conn)) {
		t.Helper()
		if wanted {
			open.tcp = append(open.tcp, fmt.Sprint(port))
			serve(t, s.listen(t, port), handle)
		}
	}
	tcp(c.SMTP, 25, func(conn net.Conn) {
		fmt.Fprintf(conn, "220 mail.example.org ESMTP Exim 4.96 %s\r\n", c.now().UTC().Format(time.RFC1123Z))
		_, _ = bufio.NewReader(conn).ReadString('\n') // QUIT, or the connection ended
		_, _ = io.WriteString(conn, "221 mail.example.org closing connection\r\n")
	})
	tcp(c.Daytime, 13, func(conn net.Conn) {
		fmt.Fprintf(conn, "%s\r\n", c.now().UTC().Format(time.ANSIC))
	})
	tcp(c.Time, 37, func(conn net.Conn) {
		_ = binary.Write(conn, binary.BigEndian, uint32(c.now().Unix()+since1900))
	})
	if c.HTTP {
		s.serveHTTP(t, 80, c.handler(), (*httptest.Server).Start)
		open.tcp = append(open.tcp, "80")
	}
	if c.HTTPS {
		s.serveHTTP(t, 443, c.handler(), (*httptest.Server).StartTLS)
		open.tcp = append(open.tcp, "443")
	}
	if c.NTP {
		open.udp = append(open.udp, "123")
		s.serveUDP(t, 123, c.ntp)
	}
	if err := s.gate("open", s.at, open); err != nil {
		t.Fatal(err)
	}
	s.open.tcp = append(s.open.tcp, open.tcp...) // again at each refresh
	s.open.udp = append(s.open.udp, open.udp...)
}

// handler answers every request.
func (c Clocks) handler() http.Handler {
	started := time.Now()
	made := c.now().Add(-c.Cached)
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		date := c.now()
		if c.Cached != 0 {
			date = made
			age := c.Cached + time.Since(started)
			w.Header().Set("Age", fmt.Sprint(int(age/time.Second)))
		}
		w.Header().Set("Date", date.UTC().Format(http.TimeFormat))
		_, _ = io.WriteString(w, "It works.\n") // the client may have hung up
	})
}

// serveHTTP serves a port until the test is over.
func (s *Server) serveHTTP(t testing.TB, port int, handler http.Handler, start func(*httptest.Server)) {
	t.Helper()
	server := &httptest.Server{
		Listener: s.listen(t, port),
		Config:   &http.Server{Handler: handler, ErrorLog: log.New(io.Discard, "", 0)},
	}
	start(server)
	t.Cleanup(server.Close)
}

// since1900 is the time from the epoch of RFC 868 and NTP to that of Unix, in
// seconds.
const since1900 = 2208988800

// ntp answers a client's request; RFC 5905, figure 8, has the packet.
func (c Clocks) ntp(request []byte) []byte {
	if len(request) < 48 || request[0]&7 != 3 { // mode: client
		return nil
	}
	stamp := func(t time.Time) uint64 {
		return uint64(t.Unix()+since1900)<<32 | uint64(t.Nanosecond())<<32/1e9
	}
	received := c.now()
	a := make([]byte, 48)
	a[0] = request[0]&0x38 | 4                    // no leap second, the client's version, mode: server
	a[1], a[2], a[3] = 2, request[2], 0xe9        // stratum, poll interval, precision of 2^-23 s
	binary.BigEndian.PutUint32(a[4:], 1<<16/1000) // root delay, 1 ms
	binary.BigEndian.PutUint32(a[8:], 1<<16/1000) // root dispersion
	copy(a[12:], []byte{192, 0, 2, 1})            // reference
	binary.BigEndian.PutUint64(a[16:], stamp(received.Add(-time.Minute)))
	copy(a[24:], request[40:48])
	binary.BigEndian.PutUint64(a[32:], stamp(received))
	binary.BigEndian.PutUint64(a[40:], stamp(c.now()))
	return a
}
