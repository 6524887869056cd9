//go:build linux

package knocktest_test

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"rapport/knock/knocktest"
)

func TestPathDelays(t *testing.T) {
	t.Parallel()
	const delay = 60 * time.Millisecond
	s := knocktest.NewServer(t, knocktest.Options{Path: knocktest.Path{Delay: delay}})
	families(t, s, func(t *testing.T, a, _ netip.Addr) {
		handshake(t, a, sequence(s))
		start := time.Now()
		c, err := net.DialTimeout("tcp", s.SSHAddr(a).String(), enough)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if took := time.Since(start); took < 2*delay || took > 2*delay+enough/4 {
			t.Errorf("connecting took %v, want little more than %v", took, 2*delay)
		}
		// The router itself is at the near end.
		router := s.Router.Addr4
		if a.Is6() {
			router = s.Router.Addr6
		}
		if _, err := banner(netip.AddrPortFrom(router, 22), enough); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("the router says %v", err)
		}
	})
}

// echoes sends the letters of the alphabet one by one as NTP requests through
// the path, and returns those that are answered, in order of arrival. It waits
// for n of them, and then for more that are not to come.
func echoes(t testing.TB, path knocktest.Path, n int) (answered string) {
	t.Helper()
	s := knocktest.NewServer(t, knocktest.Options{NoSSHD: true, Path: path})
	s.ServeClocks(t, knocktest.Clocks{NTP: true})
	c, err := net.Dial("udp", netip.AddrPortFrom(s.Addr4, 123).String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for letter := byte('a'); letter <= 'z'; letter++ {
		request := slices.Clone(ntpRequest)
		request[40] = letter
		if _, err := c.Write(request); err != nil {
			t.Fatal(err)
		}
	}
	answer := make([]byte, 100)
	for {
		wait := enough
		if len(answered) >= n {
			wait = 300 * time.Millisecond
		}
		_ = c.SetReadDeadline(time.Now().Add(wait))
		if _, err := c.Read(answer); errors.Is(err, os.ErrDeadlineExceeded) {
			return answered
		} else if err != nil {
			t.Fatal(err)
		}
		answered += string(answer[24])
	}
}

func TestPathFates(t *testing.T) {
	knocktest.Long(t)
	t.Parallel()
	const letters = "abcdefghijklmnopqrstuvwxyz"
	got := echoes(t, knocktest.Path{Jitter: 50 * time.Millisecond, Duplicate: 1}, 4*26)
	for _, l := range letters {
		if n := strings.Count(got, string(l)); n != 4 {
			t.Errorf("%c, duplicated both ways, comes back %d times", l, n)
		}
	}
	if slices.IsSorted([]byte(got)) {
		t.Error("with jitter, no packet overtakes another")
	}

	// Jitter may meet a part of the packets only.
	got = echoes(t, knocktest.Path{Jitter: 50 * time.Millisecond, Late: 1e-9}, 26)
	if got != letters {
		t.Errorf("with jitter for none, %q comes back", got)
	}

	// The seed decides what gets lost.
	lossy := knocktest.Path{Loss: 0.3, Seed: 1}
	got = echoes(t, lossy, 1)
	if len(got) == 26 || !slices.IsSorted([]byte(got)) {
		t.Errorf("with loss alone come through %q", got)
	}
	if again := echoes(t, lossy, len(got)); again != got {
		t.Errorf("%q come through with one seed, and %q with the same", got, again)
	}
}
