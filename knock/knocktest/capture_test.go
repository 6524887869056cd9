//go:build linux

package knocktest_test

import (
	"errors"
	"net/netip"
	"syscall"
	"testing"

	"rapport/knock/knocktest"
)

func TestCaptureCountsConnections(t *testing.T) {
	t.Parallel()
	s := knocktest.NewServer(t, knocktest.Options{Refusal: knocktest.Reset})
	s.ServeClocks(t, knocktest.Clocks{Daytime: true})
	families(t, s, func(t *testing.T, a, _ netip.Addr) {
		seen, ssh := s.Capture(t), s.SSHAddr(a)
		if _, err := banner(ssh, enough); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Fatalf("SSH, shut: %v", err)
		}
		ask(t, "tcp", netip.AddrPortFrom(a, 13), nil)
		for i := 0; ; i++ {
			if n := seen.Connections(s.SSHPort); n != i {
				t.Errorf("%d connections, want %d", n, i)
			}
			if i == 3 {
				break
			}
			handshake(t, a, sequence(s))
			wantOpen(t, ssh)
		}
		if n := seen.Connections(13); n != 1 {
			t.Errorf("%d connections to daytime, want 1", n)
		}
	})
}
