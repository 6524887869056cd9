//go:build linux

package knocktest_test

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"rapport/knock/knocktest"
)

// A stranger whom no host is, of either family, passes the article's gate by
// packets of a Sender, and not by another order.
func TestSenderOpensTheGate(t *testing.T) {
	t.Parallel()
	s := knocktest.NewServer(t, knocktest.Options{})
	x := s.NewSender(t)
	ports := sequence(s).Ports()
	for _, from := range []string{"10.1.2.3", "fd01:2:3:4::5"} {
		a := netip.MustParseAddr(from)
		packets := make([]knocktest.Packet, 0, 6)
		for _, port := range append(slices.Clone(ports[:]), uint16(s.SSHPort)) {
			packets = append(packets, knocktest.Packet{From: a, Port: port})
		}
		slices.Reverse(packets[:5])
		x.Send(packets...)
		if got := x.Answers(); len(got) != 0 {
			t.Errorf("%v: answers to %v after a handshake backwards", a, got)
		}
		slices.Reverse(packets[:5])
		x.Send(packets...)
		if got := x.Answers(); !slices.Equal(got, []netip.Addr{a}) {
			t.Errorf("%v: answers to %v", a, got)
		}
	}
}

func TestSenderKeepsItsPace(t *testing.T) {
	t.Parallel()
	s := knocktest.NewServer(t, knocktest.Options{NoSSHD: true})
	x, seen := s.NewSender(t), s.Capture(t)
	start, from := time.Now(), netip.MustParseAddr("10.1.2.3")
	sent := x.Flood(t.Context(), 1000, 500, func() knocktest.Packet { return knocktest.Packet{From: from, Port: 10000} })
	if d := time.Since(start); sent != 500 || d < 490*time.Millisecond {
		t.Errorf("%d packets in %v, want 500 in half a second", sent, d)
	}
	syns := seen.SYNs()
	if len(syns)+x.Lost() != 500 || syns[0].Src.Addr() != from {
		t.Errorf("%d SYNs have arrived, %d were lost", len(syns), x.Lost())
	}
}

// BenchmarkSender sends SYNs to a server that drops them all, as fast as they
// leave.
func BenchmarkSender(b *testing.B) {
	s := knocktest.NewServer(b, knocktest.Options{NoSSHD: true, V4: knocktest.Shut, V6: knocktest.Shut})
	x := s.NewSender(b)
	for _, from := range []string{"10.1.2.3", "fd01:2:3:4::5"} {
		p := knocktest.Packet{From: netip.MustParseAddr(from), Port: 10000}
		b.Run(from, func(b *testing.B) {
			packets := slices.Repeat([]knocktest.Packet{p}, 64)
			start := time.Now()
			for n := b.N; n > 0; n -= len(packets) {
				x.Send(packets[:min(n, len(packets))]...)
			}
			b.ReportMetric(float64(b.N)/time.Since(start).Seconds(), "SYN/s")
		})
	}
}
