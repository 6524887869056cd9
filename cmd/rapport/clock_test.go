package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"rapport/knock/knocktest"
)

// clock against hosts on loopback with the usual ports: .7 is three hours
// behind, .8 is right, .9 has nothing but the kernel's ICMP, and .10 a web server
// that contradicts that.
func TestClock(t *testing.T) {
	t.Parallel()
	knocktest.Need(t)
	webServer(t, "127.0.0.7:80", -3*time.Hour)
	mailServer(t, "127.0.0.7:25", -3*time.Hour)
	webServer(t, "127.0.0.8:80", 0)
	webServer(t, "127.0.0.10:80", -3*time.Hour)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/clock",
		RequireExplicitExec: true,
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
	})
}

func listen(t *testing.T, address string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func webServer(t *testing.T, address string, skew time.Duration) {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", time.Now().Add(skew).UTC().Format(http.TimeFormat))
	}))
	s.Listener.Close()
	s.Listener = listen(t, address)
	s.Start()
	t.Cleanup(s.Close)
}

func mailServer(t *testing.T, address string, skew time.Duration) {
	t.Helper()
	knocktest.Listen(t, address, func(c net.Conn) {
		fmt.Fprintf(c, "220 mail ESMTP Exim 4.96 %s\r\n", time.Now().Add(skew).UTC().Format(time.RFC1123Z))
		_, _ = io.Copy(io.Discard, io.LimitReader(c, 64))
	})
}
