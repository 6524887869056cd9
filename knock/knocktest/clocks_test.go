//go:build linux

package knocktest_test

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"rapport/knock/knocktest"
)

// ask sends a request, which may be empty, and returns the first packet or all
// of the answer.
func ask(t testing.TB, network string, to netip.AddrPort, request []byte) []byte {
	t.Helper()
	c, err := net.DialTimeout(network, to.String(), enough)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(enough)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write(request); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 512)
	n := 0
	if network == "udp" {
		n, err = c.Read(answer)
	} else {
		answer, err = io.ReadAll(c)
		n = len(answer)
	}
	if err != nil {
		t.Fatal(err)
	}
	return answer[:n]
}

// The request of an NTP client of version 4, with a time of its own.
var ntpRequest = append([]byte{4<<3 | 3}, append(make([]byte, 39), "its time"...)...)

func TestClocksTellTheServersTime(t *testing.T) {
	t.Parallel()
	s := knocktest.NewServer(t, knocktest.Options{NoSSHD: true, NoGate: true})
	shift := -26*time.Hour - 7*time.Second
	s.ServeClocks(t, knocktest.Clocks{HTTP: true, HTTPS: true, NTP: true, SMTP: true, Daytime: true, Time: true, Shift: shift})
	s.Refresh(t, time.Now()) // they stay open
	parse := func(layout, text string) time.Time {
		t.Helper()
		at, err := time.Parse(layout, text)
		if err != nil {
			t.Error(err)
		}
		return at
	}
	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true,
	}}
	date := func(url string) time.Time {
		t.Helper()
		r, err := client.Head(url)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		if age := r.Header.Get("Age"); age != "" {
			t.Errorf("%s has the age %s", url, age)
		}
		return parse(http.TimeFormat, r.Header.Get("Date"))
	}
	era := time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC)
	families(t, s, func(t *testing.T, a, _ netip.Addr) {
		at := func(port uint16) netip.AddrPort { return netip.AddrPortFrom(a, port) }
		for name, tell := range map[string]func() time.Time{
			"HTTP":  func() time.Time { return date("http://" + at(80).String()) },
			"HTTPS": func() time.Time { return date("https://" + at(443).String()) },
			"NTP": func() time.Time {
				p := ask(t, "udp", at(123), ntpRequest)
				if len(p) != 48 || p[0] != 4<<3|4 || string(p[24:32]) != "its time" {
					t.Fatalf("NTP says % x", p)
				}
				seconds, part := binary.BigEndian.Uint32(p[40:]), binary.BigEndian.Uint32(p[44:])
				return era.Add(time.Duration(seconds)*time.Second + time.Duration(part)*time.Second>>32)
			},
			"SMTP": func() time.Time {
				line, _, _ := bytes.Cut(ask(t, "tcp", at(25), []byte("QUIT\r\n")), []byte("\r\n"))
				return parse(time.RFC1123Z, strings.TrimPrefix(string(line), "220 mail.example.org ESMTP Exim 4.96 "))
			},
			"Daytime": func() time.Time {
				return parse(time.ANSIC+"\r\n", string(ask(t, "tcp", at(13), nil)))
			},
			"Time": func() time.Time {
				return era.Add(time.Duration(binary.BigEndian.Uint32(ask(t, "tcp", at(37), nil))) * time.Second)
			},
		} {
			before := time.Now().Add(shift).Truncate(time.Second)
			if told := tell(); told.Before(before) || told.After(time.Now().Add(shift)) {
				t.Errorf("%s tells %v, want %v", name, told, before)
			}
		}
	})
}

func TestClocksBehindACacheAndAGate(t *testing.T) {
	t.Parallel()
	s := knocktest.NewServer(t, knocktest.Options{})
	at := time.Date(2026, 11, 22, 8, 30, 0, 0, time.UTC)
	s.ServeClocks(t, knocktest.Clocks{
		HTTP: true, Clock: func() time.Time { return at }, Shift: time.Hour, Cached: 20 * time.Minute,
	})
	look := func() (date string, age int) {
		t.Helper()
		r, err := http.Get("http://" + s.Addr4.String())
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		age, err = strconv.Atoi(r.Header.Get("Age"))
		if err != nil {
			t.Fatal(err)
		}
		return r.Header.Get("Date"), age
	}
	date, age := look()
	if date != "Sun, 22 Nov 2026 09:10:00 GMT" || age < 1200 || age > 1200+int(enough/time.Second) {
		t.Errorf("Date %s, Age %d", date, age)
	}
	knocktest.Eventually(t, "the answer ages", func() bool {
		d, a := look()
		if d != date {
			t.Fatalf("Date goes from %s to %s", date, d)
		}
		return a > age
	})
	// The gate stands for SSH all the same.
	wantShut(t, s.SSHAddr(s.Addr4))
	handshake(t, s.Addr4, sequence(s))
	wantOpen(t, s.SSHAddr(s.Addr4))
}
