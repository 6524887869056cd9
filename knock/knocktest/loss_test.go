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

func TestLose(t *testing.T) {
	t.Parallel()
	// A server that resets tells by its silence what got lost.
	s := knocktest.NewServer(t, knocktest.Options{NoSSHD: true, Refusal: knocktest.Reset})
	tests := []struct {
		loss knocktest.Loss
		lost []int // of the SYNs 1 to 8 to the port
	}{
		{knocktest.Loss{Nth: 3}, []int{3}},
		{knocktest.Loss{Nth: 1}, []int{1}},
		{knocktest.Loss{Nth: 2, Every: 3}, []int{2, 5, 8}},
		{knocktest.Loss{Nth: 1, Every: 4}, []int{1, 5}},
	}
	const first = 1000 // a port for each
	for i, tt := range tests {
		tt.loss.Ports = knocktest.Port(first + i)
		s.Lose(t, tt.loss)
	}
	lost := func(a netip.Addr, port int) (numbers []int) {
		for n := 1; n <= 8; n++ {
			_, err := banner(netip.AddrPortFrom(a, uint16(port)), 100*time.Millisecond)
			switch {
			case isTimeout(err):
				numbers = append(numbers, n)
			case !errors.Is(err, syscall.ECONNREFUSED):
				t.Fatal(err)
			}
		}
		return numbers
	}
	families(t, s, func(t *testing.T, a, _ netip.Addr) {
		for i, tt := range tests {
			if got := lost(a, first+i); !slices.Equal(got, tt.lost) {
				t.Errorf("%+v: the SYNs %v got lost, want %v", tt.loss, got, tt.lost)
			}
		}
	})
	s.Lose(t, knocktest.Loss{Nth: 2, Every: 8})
	families(t, s, func(t *testing.T, a, _ netip.Addr) {
		if got := lost(a, 1); !slices.Equal(got, []int{2}) {
			t.Errorf("of all ports, the SYNs %v got lost", got)
		}
	})
}
