//go:build linux

package knocktest_test

import (
	"errors"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"time"

	"rapport/knock/knocktest"
)

func TestRouterPassesOn(t *testing.T) {
	t.Parallel()
	s := knocktest.NewServer(t, knocktest.Options{Router: true})
	other := knocktest.NewClient(t, s)
	families(t, s, func(t *testing.T, a, client netip.Addr) {
		ssh, seen := s.SSHAddr(a), s.Capture(t)
		wantShut(t, ssh)
		handshake(t, a, sequence(s))
		wantOpen(t, ssh)
		ports := sequence(s).Ports()
		if got, want := seen.Ports(), slices.Concat([]uint16{22}, ports[:], []uint16{22}); !slices.Equal(got, want) {
			t.Errorf("the ports %v arrived, want %v", got, want)
		}
		for _, syn := range seen.SYNs() {
			if syn.Src.Addr() != client {
				t.Errorf("a SYN comes from %v, want %v", syn.Src, client)
			}
		}
		other.Run(t, "sh", "-c", "! nc -z -w 1 "+a.String()+" 22")
		if syns := seen.SYNs(); !slices.Contains([]netip.Addr{other.Addr4, other.Addr6}, syns[len(syns)-1].Src.Addr()) {
			t.Errorf("the other client comes from %v", syns[len(syns)-1].Src)
		}
	})
}

func TestRouterBlocks(t *testing.T) {
	knocktest.Long(t)
	t.Parallel()
	s := knocktest.NewServer(t, knocktest.Options{Router: true})
	for i, tt := range []struct {
		how    knocktest.Refusal
		v4, v6 error // nil: silence
	}{
		{knocktest.Drop, nil, nil},
		{knocktest.Reset, syscall.ECONNREFUSED, syscall.ECONNREFUSED},
		{knocktest.PortUnreachable, syscall.ECONNREFUSED, syscall.ECONNREFUSED},
		{knocktest.AdminProhibited, syscall.EHOSTUNREACH, syscall.EACCES},
		{knocktest.HostUnreachable, syscall.EHOSTUNREACH, syscall.EHOSTUNREACH},
	} {
		t.Run(tt.how.String(), func(t *testing.T) {
			blocked := knocktest.Ports{First: 1000 + 10*i, Last: 1009 + 10*i}
			s.Router.Block(t, tt.how, blocked)
			families(t, s, func(t *testing.T, a, _ netip.Addr) {
				want := tt.v4
				if a.Is6() {
					want = tt.v6
				}
				wait := enough
				if want == nil {
					wait = 200 * time.Millisecond
				}
				seen := s.Capture(t)
				_, err := banner(netip.AddrPortFrom(a, uint16(blocked.Last)), wait)
				if want == nil && !isTimeout(err) || want != nil && !errors.Is(err, want) {
					t.Errorf("a SYN ends in %v, want %v", err, want)
				}
				handshake(t, a, sequence(s))
				wantOpen(t, s.SSHAddr(a))
				if got := seen.Ports(); len(got) != 6 {
					t.Errorf("the ports %v arrived, want those of the gate", got)
				}
			})
		})
	}
	s.Router.Block(t, knocktest.Drop, knocktest.Within(s.Range))
	s.Refresh(t, s.Hour.Start())
	handshake(t, s.Addr4, sequence(s))
	wantShut(t, s.SSHAddr(s.Addr4))
}

func TestRouterIntercepts(t *testing.T) {
	t.Parallel()
	s := knocktest.NewServer(t, knocktest.Options{Router: true})
	s.Router.Intercept(t, knocktest.Within(s.Range), knocktest.Say("tar\n"))
	families(t, s, func(t *testing.T, a, _ netip.Addr) {
		for _, p := range sequence(s).Ports() {
			if line, err := banner(netip.AddrPortFrom(a, p), enough); line != "tar\n" {
				t.Errorf("port %d says %q, %v", p, line, err)
			}
		}
		wantShut(t, s.SSHAddr(a))
	})
}

func TestRouterMovesTheSource(t *testing.T) {
	knocktest.Long(t)
	t.Parallel()
	s := knocktest.NewServer(t, knocktest.Options{Router: true})
	v4, v6 := s.Router.MoveSource(t, knocktest.Port(s.SSHPort))
	families(t, s, func(t *testing.T, a, client netip.Addr) {
		seen := s.Capture(t)
		handshake(t, a, sequence(s))
		wantShut(t, s.SSHAddr(a))
		moved := v4
		if a.Is6() {
			moved = v6
		}
		for i, syn := range seen.SYNs() {
			want := client
			if i == 5 {
				want = moved
			}
			if syn.Src.Addr() != want {
				t.Errorf("SYN %d, to port %d, comes from %v, want %v", i, syn.Dst.Port(), syn.Src, want)
			}
		}
	})
}
