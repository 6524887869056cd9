package clock_test

import (
	"encoding/binary"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"rapport/diag/clock"
)

// atNine is a Now for services that say the same at any time.
func atNine() time.Time { return time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC) }

func TestSMTPGreeting(t *testing.T) {
	for _, tt := range []struct {
		greeting string
		want     time.Time
		fails    string
	}{
		{greeting: "220 host ESMTP Exim 4.96 Sun, 22 Nov 2026 08:43:54 +0000\r\n", want: at("08:43:54")},
		{greeting: "220 host ESMTP Exim 4.96 Sun, 22 Nov 2026 09:43:54 +0100\r\n", want: at("08:43:54")},
		{greeting: "220 host ESMTP Exim 4.96 Sun, 22 Nov 2026 03:13:54 -0530\r\n", want: at("08:43:54")},
		{greeting: "220 host ESMTP Sendmail 8.15.2/8.15.2; Sun, 22 Nov 2026 08:43:54 GMT\r\n", want: at("08:43:54")},
		{greeting: "220 host ESMTP Sendmail 8.15.2/8.15.2; Sun, 22 Nov 2026 03:43:54 -0500 (EST)\r\n", want: at("08:43:54")},
		{greeting: "220 host ESMTP Sendmail; Sun, 22 Nov 2026 03:43:54 EST\r\n", want: at("08:43:54")},
		{greeting: "220 host Microsoft ESMTP MAIL Service ready at Sun, 22 Nov 2026 08:43:54 +0000\r\n", want: at("08:43:54")},
		{greeting: "220-host ESMTP Exim 4.96 Sun, 22 Nov 2026 08:43:54 +0000\r\n220-No spam, please.\r\n220 \r\n", want: at("08:43:54")},
		{greeting: "220 host ESMTP Exim 4.96 Sun, 22 Nov 2026 08:43:54 +0000", want: at("08:43:54")},
		{greeting: "220 host ESMTP Postfix (Debian/GNU)\r\n", fails: "no time in the greeting"},
		{greeting: "220 host; Sun, 22 Nov 2026 08:43:54 XYZ\r\n", fails: `no usable time in the greeting: "22 Nov 2026 08:43:54 XYZ"`},
		{greeting: "220 host; Sun, 42 Nov 2026 08:43:54 GMT\r\n", fails: "no usable time"},
		{greeting: "220 host; Sun, 22 Nov 2026 08:43:54 +9900\r\n", fails: "no usable time"},
		{greeting: "220 host; Sun, 22 Nov 0026 08:43:54 GMT\r\n", fails: "more than 150 years"},
		{greeting: "554 no \x1b[2Jservice\r\n", fails: `not a greeting: "554 no ?[2Jservice"`},
		{greeting: "220-" + strings.Repeat("x", 4096) + "\r\n220 Sun, 22 Nov 2026 08:43:54 GMT\r\n", fails: "no time in the greeting"},
		{greeting: "", fails: "closed without an answer"},
	} {
		c := clock.Clocks{Clock: atNine, Ports: clock.Ports{clock.SourceSMTP: serve(t, func(c net.Conn) { c.Write([]byte(tt.greeting)) })}}
		check(t, tt.greeting, source(t, read(t, c, "localhost"), clock.SourceSMTP), tt.want, tt.fails)
	}
}

func TestDaytime(t *testing.T) {
	for _, tt := range []struct {
		answer string
		want   time.Time
		fails  string
	}{
		{answer: "Sun Nov 22 08:43:54 2026 UTC\r\n", want: at("08:43:54")},
		{answer: "Sun Nov 22 08:43:54 UTC 2026\n", want: at("08:43:54")},
		{answer: "Sunday, November 22, 2026 08:43:54-UTC\r\n", want: at("08:43:54")},
		{answer: "22 NOV 2026 09:43:54 +0100\r\n", want: at("08:43:54")},
		{answer: "22 NOV 26 08:43:54 GMT\r\n", want: at("08:43:54")},
		{answer: "Sun, 22 Nov 2026 03:43:54 -0500\r\n", want: at("08:43:54")},
		{answer: "2026-11-22T08:43:54Z\n", want: at("08:43:54")},
		{answer: "2026-11-22T10:43:54+02:00\n", want: at("08:43:54")},
		{answer: "2026-11-22 08:43:54.250 UTC\n", want: at("08:43:54")},
		{answer: "\n61366 26-11-22 08:43:54 00 0 0 123.4 UTC(NIST) * \n", want: at("08:43:54")},
		{answer: "2026-11-22T08:43:54Z", want: at("08:43:54")},
		{answer: "Sun Nov 22 08:43:54 2026\r\n", fails: `no time zone in "Sun Nov 22 08:43:54 2026"`},
		{answer: "22 NOV 26 08:43:54 PST\r\n", fails: "the time zone PST"},
		{answer: "Tuesday, February 22, 1982 17:37:43-PST\r\n", fails: "the time zone PST"},
		{answer: "soon\r\n", fails: `no time in "soon"`},
		{answer: "\x1b[2J\r\n", fails: `no time in "?[2J"`},
		{answer: strings.Repeat("x", 1<<16), fails: "no time in"},
		{answer: "", fails: "closed without an answer"},
	} {
		c := clock.Clocks{Clock: atNine, Ports: clock.Ports{clock.SourceDaytime: serve(t, func(c net.Conn) { c.Write([]byte(tt.answer)) })}}
		check(t, tt.answer, source(t, read(t, c, "localhost"), clock.SourceDaytime), tt.want, tt.fails)
	}
}

// The seconds of the time service start anew in 2036.
func TestTime(t *testing.T) {
	for _, tt := range []struct{ here, there string }{
		{"2026-11-22T09:00:00Z", "2026-11-22T08:43:54Z"},
		{"2026-11-22T09:00:00Z", "1970-01-01T00:00:07Z"},
		{"2026-11-22T09:00:00Z", "2039-01-01T00:00:00Z"},
		{"2036-02-07T06:28:00Z", "2036-02-07T06:28:30Z"},
		{"2036-02-07T06:28:30Z", "2036-02-07T06:28:00Z"},
		{"2040-06-01T00:00:00Z", "2040-06-01T03:00:00Z"},
	} {
		here, _ := time.Parse(time.RFC3339, tt.here)
		there, _ := time.Parse(time.RFC3339, tt.there)
		answer := binary.BigEndian.AppendUint32(nil, uint32(there.Unix()+2208988800))
		c := clock.Clocks{Clock: func() time.Time { return here }, Ports: clock.Ports{clock.SourceTime: serve(t, func(c net.Conn) { c.Write(answer) })}}
		right(t, source(t, read(t, c, "localhost"), clock.SourceTime), there.Sub(here))
	}
	c := clock.Clocks{Ports: clock.Ports{clock.SourceTime: serve(t, func(c net.Conn) { c.Write([]byte("abc")) })}}
	fails(t, source(t, read(t, c, "localhost"), clock.SourceTime), "closed without an answer")
}

// Over IPv6 there is all but ICMP's timestamp.
func TestIPv6(t *testing.T) {
	var c clock.Clocks
	r, err := c.Read(t.Context(), "localhost", netip.IPv6Loopback(), nil)
	if err != nil {
		t.Fatal(err)
	}
	fails(t, source(t, r, clock.SourceICMP), "no such thing over IPv6")
}

func at(clock string) time.Time {
	t, err := time.Parse(time.DateTime, "2026-11-22 "+clock)
	if err != nil {
		panic(err)
	}
	return t
}

// check checks what a source made of a service's words.
func check(t *testing.T, said string, r clock.Reading, want time.Time, why string) {
	t.Helper()
	if why == "" {
		// The service said it just after nine o'clock.
		why := want.Sub(atNine())
		if r.Err != nil || (r.Offset-why-500*time.Millisecond).Abs() > time.Second {
			t.Errorf("%.90q: %v (%v), want %v", said, r.Offset, r.Err, why)
		}
		return
	}
	if r.Err == nil || !strings.Contains(r.Err.Error(), why) {
		t.Errorf("%.90q: %v (%v), want %q", said, r.Offset, r.Err, why)
	}
}
