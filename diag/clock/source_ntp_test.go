package clock_test

import (
	"encoding/binary"
	"fmt"
	"net"
	"testing"
	"time"

	"rapport/diag/clock"
)

// ntpServer answers as an NTP server whose clock is ahead by skew; the rest is
// what may be wrong with it.
type ntpServer struct {
	skew       time.Duration
	leap       byte
	stratum    byte   // 2 if zero
	kiss       string // declines with this code
	wrongReply bool   // answers a question that nobody asked
	short      bool
	precision  int8 // as a power of two
	lost       int  // the first so many questions get no answer
}

// serveNTP runs it on loopback and returns its port.
func serveNTP(t *testing.T, s ntpServer) uint16 {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		buf := make([]byte, 512)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			if s.lost--; n >= 48 && s.lost < 0 {
				conn.WriteTo(s.answer(buf[:48], time.Now()), from)
			}
		}
	}()
	return portOf(conn.LocalAddr().String())
}

// answer is the message of RFC 5905, 7.3.
func (s ntpServer) answer(request []byte, now time.Time) []byte {
	b := make([]byte, 48)
	b[0] = s.leap<<6 | 4<<3 | 4
	b[1] = 2
	if s.stratum != 0 {
		b[1] = s.stratum
	}
	b[2], b[3] = byte(s.precision), byte(s.precision)
	copy(b[12:16], "\x7f\x00\x00\x01")
	if s.kiss != "" {
		b[1] = 0
		copy(b[12:16], s.kiss)
	}
	there := now.Add(s.skew)
	putNTP(b[16:], there.Add(-time.Minute))
	copy(b[24:32], request[40:48])
	if s.wrongReply {
		b[24]++
	}
	putNTP(b[32:], there)
	putNTP(b[40:], there)
	if s.short {
		return b[:40]
	}
	return b
}

func putNTP(b []byte, t time.Time) {
	binary.BigEndian.PutUint32(b, uint32(t.Unix()+2208988800))
	binary.BigEndian.PutUint32(b[4:], uint32(uint64(t.Nanosecond())<<32/1e9))
}

// What a host's own NTP service says of its clock: any clock counts, a
// synchronised one or not, but not an answer that is none.
func TestServerNTP(t *testing.T) {
	for name, tt := range map[string]struct {
		server ntpServer
		note   string
		fails  string
	}{
		"ahead":               {server: ntpServer{skew: 41 * time.Minute}},
		"behind":              {server: ntpServer{skew: skew}},
		"after 2036":          {server: ntpServer{skew: 12 * 365 * 24 * time.Hour}},
		"leap says unsynced":  {server: ntpServer{skew: skew, leap: 3}, note: "not synchronised"},
		"stratum 16":          {server: ntpServer{skew: skew, stratum: 16}, note: "not synchronised"},
		"precision":           {server: ntpServer{skew: skew, precision: -128}},
		"a lost question":     {server: ntpServer{skew: skew, lost: 1}},
		"kiss":                {server: ntpServer{kiss: "RATE"}, fails: `kiss code "RATE"`},
		"kiss with an escape": {server: ntpServer{kiss: "\x1b[2J"}, fails: "it declined to answer"},
		"wrong origin":        {server: ntpServer{wrongReply: true}, fails: "didn't match"},
		"short":               {server: ntpServer{short: true}, fails: "invalid"},
	} {
		t.Run(name, func(t *testing.T) {
			r := source(t, read(t, clock.Clocks{Ports: clock.Ports{clock.SourceNTP: serveNTP(t, tt.server)}}, "localhost"), clock.SourceNTP)
			if tt.fails != "" {
				fails(t, r, tt.fails)
				return
			}
			right(t, r, tt.server.skew)
			if r.Note != tt.note {
				t.Errorf("note %q, want %q", r.Note, tt.note)
			}
		})
	}
}

// This machine's clock comes from servers that are synchronised, and agree.
func TestLocalNTP(t *testing.T) {
	at := func(s ntpServer) string { return fmt.Sprintf("127.0.0.1:%d", serveNTP(t, s)) }
	c := clock.Clocks{NTP: []string{
		at(ntpServer{skew: 2 * time.Second}), at(ntpServer{skew: 2 * time.Second, lost: 1}), at(ntpServer{skew: time.Hour}),
		at(ntpServer{leap: 3}), at(ntpServer{stratum: 16}), "127.0.0.1:1",
	}}
	r := read(t, c, "localhost")
	if !r.Local.Known || (r.Local.Offset-2*time.Second).Abs() > r.Local.Uncertainty {
		t.Errorf("this machine is off by %+v, want 2 s", r.Local)
	}
	local := r.Sources[:len(c.NTP)]
	for n, outvoted := range []bool{false, false, true} {
		if local[n].Outvoted != outvoted || local[n].Of != clock.Local || local[n].Name != "ntp "+c.NTP[n] {
			t.Errorf("%+v, outvoted want %v", local[n], outvoted)
		}
	}
	fails(t, local[3], "not synchronised")
	fails(t, local[4], "not synchronised")
	fails(t, local[5], "refused")
	if r.Known && r.Skew.Abs() > time.Second {
		t.Errorf("local sources set the server's clock: %v", r.Skew)
	}
}
