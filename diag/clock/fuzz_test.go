package clock

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"
	"time"
	"unicode"
)

// What a stranger sends is a time, or an error of one printable line.
func plain(t *testing.T, err error) {
	t.Helper()
	if err = explain(t.Context(), err); err != nil && strings.ContainsFunc(err.Error(), func(c rune) bool { return !unicode.IsPrint(c) }) {
		t.Errorf("not one printable line: %q", err)
	}
}

func FuzzGreeting(f *testing.F) {
	f.Add([]byte("220 host ESMTP Exim 4.96 Sun, 22 Nov 2026 08:43:54 +0000\r\n"))
	f.Add([]byte("220-host\r\n220 Sendmail 8.15.2/8.15.2; Sun, 22 Nov 2026 03:43:54 EST\r\n"))
	f.Add([]byte("554 no\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		greeting, err := readGreeting(bytes.NewReader(b))
		plain(t, err)
		if len(greeting) > maxGreeting {
			t.Errorf("%d bytes were read", len(greeting))
		}
		_, err = greetingTime(greeting)
		plain(t, err)
	})
}

func FuzzDaytime(f *testing.F) {
	for _, s := range []string{
		"Sun Nov 22 08:43:54 2026 UTC\r\n", "Sunday, November 22, 2026 08:43:54-PST", "2026-11-22T10:43:54+02:00",
		"61366 26-11-22 08:43:54 00 0 0 123.4 UTC(NIST) *", "Sun Nov 22 08:43:54 2026",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		_, err := daytimeTime(s)
		plain(t, err)
	})
}

func FuzzTime37(f *testing.F) {
	f.Add([]byte{0xee, 0x8a, 0x1b, 0x2c}, int64(1795336800))
	f.Add([]byte{0, 0, 0, 1}, int64(2085978500))
	f.Fuzz(func(t *testing.T, b []byte, now int64) {
		if len(b) != 4 || now < 0 || now > 1<<40 {
			return
		}
		told := time37Time([4]byte(b), time.Unix(now, 0)).Unix()
		if uint32(told+2208988800) != binary.BigEndian.Uint32(b) || told-now > 1<<31 || told-now < -1<<31 {
			t.Errorf("%x at %d is %d", b, now, told)
		}
	})
}

func FuzzTimestampReply(f *testing.F) {
	now := time.Date(2026, 11, 22, 23, 59, 59, 999e6, time.UTC)
	request := [icmpTimestampLen]byte{4: 1, 2, 3, 4}
	putTimestampRequest(&request, now)
	f.Add(timestampReply(request, 86399999, 86399999))
	f.Add(timestampReply(request, 86399999, 1)) // midnight passes there meanwhile
	f.Add(timestampReply(request, 1, 2))
	f.Add(timestampReply(request, 1<<31|7, 1<<31|7))
	f.Add(request[:]) // on loopback the request is received too
	f.Fuzz(func(t *testing.T, b []byte) {
		i, err := readTimestampReply(b, request, now, now.Add(5*time.Millisecond))
		plain(t, err)
		if err == nil && (i.Low > i.High || i.Low < -day || i.High > day+time.Second) {
			t.Errorf("%x is %v", b, i)
		}
	})
}

func FuzzNTP(f *testing.F) {
	valid := make([]byte, 48)
	valid[0], valid[1] = 4<<3|4, 2
	binary.BigEndian.PutUint32(valid[32:], 0xee8a1b2c)
	binary.BigEndian.PutUint32(valid[40:], 0xee8a1b2c)
	f.Add(valid, true)
	f.Add(append([]byte{4<<3 | 4, 0}, valid[2:]...), true)
	f.Add(valid, false)
	f.Add(valid[:20], false)
	f.Fuzz(func(t *testing.T, b []byte, origin bool) {
		base := time.Date(2026, 11, 22, 8, 43, 54, 0, time.UTC)
		r, err := queryNTP(&cannedNTP{answer: b, origin: origin}, func() time.Time { return base })
		plain(t, err)
		if err == nil {
			i := around(r.ClockOffset, r.RTT/2+ntpFloor)
			if err := believable(i); err == nil && i.Low > i.High {
				t.Errorf("%x is %v", b, i)
			}
			_ = r.Validate()
		}
	})
}

// cannedNTP answers with a message, which quotes the question if origin is set.
type cannedNTP struct {
	net.Conn
	answer []byte
	origin bool
	asked  []byte
}

func (c *cannedNTP) Write(b []byte) (int, error) {
	c.asked = bytes.Clone(b)
	return len(b), nil
}

func (c *cannedNTP) Read(b []byte) (int, error) {
	answer := bytes.Clone(c.answer)
	if c.origin && len(answer) >= 32 {
		copy(answer[24:32], c.asked[40:48])
	}
	return copy(b, answer), nil
}

func (c *cannedNTP) SetDeadline(time.Time) error { return nil }
func (c *cannedNTP) Close() error                { return nil }

func FuzzWebAnswer(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nDate: Sun, 22 Nov 2026 08:43:54 GMT\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.0 301 No\r\nDate: Sunday, 22-Nov-26 08:43:54 GMT\r\nLocation: /x\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 200 OK\r\nAge: 17\r\nVia: 1.1 \x1b\r\n\r\n"))
	f.Add([]byte("SSH-2.0-OpenSSH_9.2p1\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, method := range []string{"HEAD", "GET"} {
			w := webClock{asker: &asker{host: "server.example.org", now: time.Now}, ctx: t.Context(), method: method}
			w.use(cannedWeb{r: bytes.NewReader(b)})
			d, err := w.ask()
			plain(t, err)
			_, _ = whoseEdge(d.header), cached(d.header)
		}
	})
}

// cannedWeb answers every question with the same bytes.
type cannedWeb struct {
	net.Conn
	r io.Reader
}

func (c cannedWeb) Read(b []byte) (int, error)  { return c.r.Read(b) }
func (c cannedWeb) Write(b []byte) (int, error) { return len(b), nil }
func (c cannedWeb) Close() error                { return nil }
