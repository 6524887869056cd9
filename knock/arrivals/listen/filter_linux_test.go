package listen_test

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"golang.org/x/net/bpf"

	"rapport/knock/arrivals/listen"
	"rapport/knock/knocktest"
)

// TestProgram: the filter accepts SYNs to the range and SSH, and answers from there,
// of both families, and nothing else.
func TestProgram(t *testing.T) {
	vm, err := bpf.NewVM(listen.Ports{First: 1000, Last: 2000, SSH: 22}.Program())
	if err != nil {
		t.Fatal(err)
	}
	const syn, rst, ack, fin = 2, 4, 16, 1
	for _, ends := range [][2]string{{"192.0.2.1", "198.51.100.1"}, {"2001:db8::1", "2001:db8::2"}} {
		from, to := netip.MustParseAddr(ends[0]), netip.MustParseAddr(ends[1])
		for _, tt := range []struct {
			source, port uint16
			flags        byte
			want         bool
		}{
			{3000, 1000, syn, true}, {3000, 2000, syn, true}, {3000, 22, syn, true}, {3000, 22, syn | 0xc0, true},
			{3000, 999, syn, false}, {3000, 2001, syn, false}, {3000, 22, ack, false}, {3000, 22, syn | fin, false},
			{22, 3000, syn | ack, true}, {22, 3000, rst | ack, true}, {1500, 3000, rst, true}, {22, 3000, ack, false},
			{3000, 22, syn | ack, false}, {443, 3000, syn | ack, false},
		} {
			p := knocktest.AppendTCP(nil, knocktest.Packet{From: from, SourcePort: tt.source, Port: tt.port, Flags: tt.flags}, to)
			if n, err := vm.Run(p); err != nil || (n > 0) != tt.want {
				t.Errorf("%v: %+v: %d %v", from, tt, n, err)
			}
			if from.Is4() {
				binary.BigEndian.PutUint16(p[6:], 100)
				if n, _ := vm.Run(p); n > 0 {
					t.Errorf("a later fragment is accepted: %+v", tt)
				}
			}
		}
	}
	for _, p := range [][]byte{{}, {0x45}, {0x60}, {0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0}} {
		if n, _ := vm.Run(p); n > 0 {
			t.Errorf("% x is accepted", p)
		}
	}
}
