//go:build linux

package knocktest_test

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"

	"rapport/knock/knocktest"
)

func TestPhases(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		phases knocktest.Phases
		opens  bool // to the article's handshake
		ports  func(ports []uint16) []uint16
	}{
		{"the article's", knocktest.Phases{}, true, nil},
		{"four", knocktest.Phases{Knocks: 4}, true, func(p []uint16) []uint16 { return p[:4] }},
		{"six", knocktest.Phases{Knocks: 6}, false, nil},
		{"reversed", knocktest.Phases{Order: []int{5, 4, 3, 2, 1}}, false, func(p []uint16) []uint16 { slices.Reverse(p); return p }},
		{"udp", knocktest.Phases{Protocol: "udp"}, false, nil},
		{"a rule in front", knocktest.Phases{Front: []string{"-p tcp --dport 1024:65535 -j DROP"}}, false, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := knocktest.NewServer(t, knocktest.Options{V4: knocktest.Shut, V6: knocktest.Shut, Refusal: knocktest.Reset})
			s.ServePhases(t, tt.phases)
			families(t, s, func(t *testing.T, a, _ netip.Addr) {
				ssh := s.SSHAddr(a)
				wantRefused(t, ssh)
				handshake(t, a, sequence(s))
				if !tt.opens {
					wantRefused(t, ssh)
				} else {
					wantOpen(t, ssh)
				}
				if !s.ForgetPhases() {
					knocktest.Lack(t, "the right to write the lists of xt_recent")
				}
				wantRefused(t, ssh)
				if tt.ports == nil {
					return
				}
				ports := sequence(s).Ports()
				for _, p := range tt.ports(ports[:]) {
					syn(t, netip.AddrPortFrom(a, p))
				}
				wantOpen(t, ssh)
			})
		})
	}
}

func wantRefused(t testing.TB, to netip.AddrPort) {
	t.Helper()
	if line, err := banner(to, enough); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Fatalf("%v says %q, %v; want a refusal", to, line, err)
	}
}

// Services and refusals on the knock ports let the gate see the knocks, or do not.
func TestPortsOfTheGate(t *testing.T) {
	t.Parallel()
	for _, first := range []bool{false, true} {
		s := knocktest.NewServer(t, knocktest.Options{})
		ports := sequence(s).Ports()
		s.ServePort(t, int(ports[1]), first, knocktest.SayAfter(0, "hello\n"))
		s.RefusePort(t, int(ports[3]), first, knocktest.Reset)
		families(t, s, func(t *testing.T, a, _ netip.Addr) {
			if line, err := banner(netip.AddrPortFrom(a, ports[1]), enough); line != "hello\n" {
				t.Errorf("the service says %q, %v", line, err)
			}
			wantRefused(t, netip.AddrPortFrom(a, ports[3]))
			handshake(t, a, sequence(s))
			if first {
				wantShut(t, s.SSHAddr(a))
			} else {
				wantOpen(t, s.SSHAddr(a))
			}
		})
	}
}

// What is forwarded to a host that is gone ends with the router's word for it.
func TestForwardToNobody(t *testing.T) {
	knocktest.Long(t)
	t.Parallel()
	s := knocktest.NewServer(t, knocktest.Options{V4: knocktest.Shut, V6: knocktest.Shut})
	s.ServePhases(t, knocktest.Phases{Forward: s.Unused(s.Addr4)})
	wantShut(t, s.SSHAddr(s.Addr4))
	handshake(t, s.Addr4, sequence(s))
	_, err := net.DialTimeout("tcp", s.SSHAddr(s.Addr4).String(), enough)
	if err == nil || !strings.Contains(err.Error(), "no route to host") {
		t.Errorf("SSH, forwarded: %v", err)
	}
}
