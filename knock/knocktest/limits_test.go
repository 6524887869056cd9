//go:build linux

package knocktest_test

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"rapport/knock"
	"rapport/knock/knocktest"
)

// slowly is handshake with a pause after each knock.
func slowly(t testing.TB, to netip.Addr, seq knock.Sequence, pause time.Duration) {
	t.Helper()
	for _, p := range seq.Ports() {
		syn(t, netip.AddrPortFrom(to, p))
		time.Sleep(pause)
	}
}

func TestLimitStopsFastHandshakes(t *testing.T) {
	knocktest.Long(t)
	t.Parallel()
	for _, onTheWay := range []bool{false, true} {
		s := knocktest.NewServer(t, knocktest.Options{Router: onTheWay})
		limit := knocktest.Limit{Rate: "2/sec", Burst: 2}
		if onTheWay {
			s.Router.LimitSYNs(t, limit)
		} else {
			s.LimitSYNs(t, limit)
		}
		families(t, s, func(t *testing.T, a, _ netip.Addr) {
			handshake(t, a, sequence(s))
			wantShut(t, s.SSHAddr(a))
			slowly(t, a, sequence(s), 700*time.Millisecond)
			wantOpen(t, s.SSHAddr(a))
		})
	}
}

func TestConnectionsAreLimited(t *testing.T) {
	t.Parallel()
	s := knocktest.NewServer(t, knocktest.Options{Router: true})
	s.Router.LimitConnections(t, 3, time.Minute)
	seen := s.Capture(t)
	handshake(t, s.Addr4, sequence(s))
	ports := sequence(s).Ports()
	if got := seen.Ports(); !slices.Equal(got, ports[:3]) {
		t.Errorf("the ports %v arrived, want %v", got, ports[:3])
	}
}

func TestProxyAnswersSYNs(t *testing.T) {
	knocktest.Long(t)
	t.Parallel()
	s := knocktest.NewServer(t, knocktest.Options{Router: true})
	s.Router.ProxySYNs(t)
	families(t, s, func(t *testing.T, a, _ netip.Addr) {
		for _, p := range sequence(s).Ports() {
			connects(t, netip.AddrPortFrom(a, p))
		}
		wantOpen(t, s.SSHAddr(a))
	})
}

// A ban is for who sends many SYNs or one to a trap, and ends when it is lifted.
func TestScannersAreBanned(t *testing.T) {
	knocktest.Long(t)
	t.Parallel()
	for _, ban := range []knocktest.Ban{{SYNs: 9}, {Traps: []int{13}, How: knocktest.Reset, Only: 22}} {
		s := knocktest.NewServer(t, knocktest.Options{})
		s.BanScanners(t, ban)
		families(t, s, func(t *testing.T, a, _ netip.Addr) {
			handshake(t, a, sequence(s))
			wantOpen(t, s.SSHAddr(a))
			if s.Banned(t) {
				t.Error("a handshake is banned")
			}
			for range 5 {
				syn(t, netip.AddrPortFrom(a, 13))
			}
			knocktest.Eventually(t, "the scanner is banned", func() bool { return s.Banned(t) })
			if line, err := banner(s.SSHAddr(a), 300*time.Millisecond); err == nil {
				t.Errorf("SSH says %q to a banned address", line)
			}
			s.LiftBan(t)
			handshake(t, a, sequence(s))
			wantOpen(t, s.SSHAddr(a))
			s.LiftBan(t)
		})
	}
}
