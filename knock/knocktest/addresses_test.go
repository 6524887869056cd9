//go:build linux

package knocktest_test

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"testing"

	"rapport/knock"
	"rapport/knock/knocktest"
)

// connects opens a connection and closes it.
func connects(t testing.TB, to netip.AddrPort) {
	t.Helper()
	c, err := net.DialTimeout("tcp", to.String(), enough)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

// sources are the addresses that SYNs came from, each once, in order.
func sources(c *knocktest.Capture) (all []netip.Addr) {
	for _, s := range c.SYNs() {
		if a := s.Src.Addr(); !slices.Contains(all, a) {
			all = append(all, a)
		}
	}
	return all
}

func TestNAT(t *testing.T) {
	knocktest.Long(t)
	t.Parallel()
	for n := range 4 {
		s := knocktest.NewServer(t, knocktest.Options{Router: true})
		want := max(n, 1)
		if n == 0 {
			s.Router.Masquerade(t)
		} else {
			s.Router.Pool(t, n)
		}
		families(t, s, func(t *testing.T, a, client netip.Addr) {
			seen := s.Capture(t)
			handshake(t, a, sequence(s))
			if got := sources(seen); len(got) != want || slices.Contains(got, client) {
				t.Errorf("the server sees %v, want %d addresses and not %v", got, want, client)
			}
			if n > 1 {
				wantShut(t, s.SSHAddr(a))
			} else {
				wantOpen(t, s.SSHAddr(a))
			}
		})
	}
}

func TestSplitRoute(t *testing.T) {
	t.Parallel()
	s := knocktest.NewServer(t, knocktest.Options{})
	families(t, s, func(t *testing.T, a, client netip.Addr) {
		from := s.SplitRoute(t, a, knocktest.Port(22))
		seen := s.Capture(t)
		handshake(t, a, sequence(s))
		wantShut(t, s.SSHAddr(a))
		if got := sources(seen); !slices.Equal(got, []netip.Addr{client, from}) {
			t.Errorf("the server sees %v, want %v and then %v", got, client, from)
		}
	})
}

func TestBlockHere(t *testing.T) {
	t.Parallel()
	s := knocktest.NewServer(t, knocktest.Options{})
	families(t, s, func(t *testing.T, a, _ netip.Addr) {
		s.BlockHere(t, a, knocktest.Reset, knocktest.Within(knock.DefaultRange))
		seen := s.Capture(t)
		if _, err := banner(netip.AddrPortFrom(a, 10500), enough); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("a blocked port: %v", err)
		}
		if got := seen.SYNs(); len(got) > 0 {
			t.Errorf("%v left", got)
		}
	})
}

func TestNobodyHasUnused(t *testing.T) {
	knocktest.Long(t)
	t.Parallel()
	s := knocktest.NewServer(t, knocktest.Options{})
	families(t, s, func(t *testing.T, a, _ netip.Addr) {
		if got := s.Unused(a); got.Is4() != a.Is4() || got == a {
			t.Errorf("%v next to %v", got, a)
		}
		if _, err := banner(s.SSHAddr(s.Unused(a)), enough); !errors.Is(err, syscall.EHOSTUNREACH) {
			t.Errorf("a connection: %v", err)
		}
	})
}
