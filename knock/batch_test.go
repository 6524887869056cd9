package knock_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"rapport/knock"
	"rapport/knock/knocktest"
)

// handshakeOf is a sequence as the packets of a batch, with a probe at the end.
func handshakeOf(s knock.Sequence, from time.Duration) (all []knock.Packet) {
	for k, port := range s.Ports() {
		all = append(all, knock.Packet{At: from + time.Duration(k)*20*time.Millisecond, Port: port})
	}
	return append(all, knock.Packet{At: from + knock.Knocks*20*time.Millisecond, Probe: true})
}

func TestBatch(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		server knocktest.Options
		shut   knock.SSHState
		want   knock.SSHState // what the probe after the right hour finds
	}{
		{"drop", knocktest.Options{}, "", knock.SSHOpen},
		{"reset", knocktest.Options{Refusal: knocktest.Reset}, knock.SSHRefused, knock.SSHOpen},
		{"icmp", knocktest.Options{Refusal: knocktest.PortUnreachable}, knock.SSHUnreachable, knock.SSHOpen},
		{"sshd down", knocktest.Options{NoSSHD: true}, "", knock.SSHRefused},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.server.At = at
			s := knocktest.NewServer(t, tt.server)
			h := knock.HourOf(at)
			var packets []knock.Packet
			for i, hour := range []knock.Hour{h.Add(-2), h.Add(-1), h, h.Add(1)} {
				packets = append(packets, handshakeOf(knock.Derive(hour, s.Range, s.Secret), time.Duration(i)*200*time.Millisecond)...)
			}
			sent := 0
			var c knock.Client
			r, err := c.SendBatch(t.Context(), s.SSHAddr(s.Addr4), packets, knock.BatchOptions{Shut: tt.shut}, func(r knock.PacketReport) {
				if r.Answer == knock.Pending {
					sent++
				}
			})
			if want := 3*(knock.Knocks+1) - 1; err != nil || r.Hit != want || r.SSH.State != tt.want {
				t.Errorf("%v, hit %d with SSH %s; want %d, %s", err, r.Hit, r.SSH.State, want, tt.want)
			}
			// After SSH has answered only the one connection to it is made.
			if sent != 3*(knock.Knocks+1) || r.Sent > sent+1 || r.Connections > 1 {
				t.Errorf("%d sent, %d reported, %d connections", r.Sent, sent, r.Connections)
			}
		})
	}
}

// The kernel repeats the SYN of the first probe after a second, just when another candidate has opened
// SSH: that one's own probe counts. Where no probe comes after it, the first one does.
func TestBatchOfARepeatedProbe(t *testing.T) {
	t.Parallel()
	for _, own := range []bool{true, false} {
		t.Run(fmt.Sprintf("with a probe of its own: %v", own), func(t *testing.T) {
			t.Parallel()
			s := knocktest.NewServer(t, knocktest.Options{At: at})
			opens := handshakeOf(knock.Derive(knock.HourOf(at), s.Range, s.Secret), 890*time.Millisecond)
			opens[knock.Knocks].At = 1100 * time.Millisecond
			packets, want := append([]knock.Packet{{Probe: true}}, opens...), knock.Knocks+1
			if !own {
				packets, want = packets[:want], 0
			}
			var c knock.Client
			r, err := c.SendBatch(t.Context(), s.SSHAddr(s.Addr4), packets, knock.BatchOptions{Wait: 2 * time.Second}, nil)
			if err != nil || r.Hit != want || r.SSH.State != knock.SSHOpen {
				t.Errorf("%v, hit %d with SSH %s; want %d", err, r.Hit, r.SSH.State, want)
			}
		})
	}
}

// Sockets are closed, knocks first, and every SYN is sent once, in order.
func TestBatchOfManyPackets(t *testing.T) {
	s := knocktest.NewServer(t, knocktest.Options{At: at})
	capture := s.Capture(t)
	var packets []knock.Packet
	var want []uint16
	for i := range 300 {
		port := uint16(20000 + i)
		packet := knock.Packet{At: time.Duration(i) * 200 * time.Microsecond, Port: port}
		if i%30 == 29 {
			packet.Probe, port = true, uint16(s.SSHPort)
		}
		packets, want = append(packets, packet), append(want, port)
	}
	var c knock.Client
	r, err := c.SendBatch(t.Context(), s.SSHAddr(s.Addr4), packets, knock.BatchOptions{Sockets: 4}, nil)
	if err != nil || r.Hit != -1 || r.Sent != len(packets) || r.Connections != 0 {
		t.Errorf("%v %+v", err, r)
	}
	time.Sleep(500 * time.Millisecond) // the kernel would repeat a SYN after a second
	if got := capture.Ports(); !slices.Equal(got, want) {
		t.Errorf("%d SYNs, want %d: %v", len(got), len(want), got)
	}
}

func TestBatchIsCancelled(t *testing.T) {
	t.Parallel()
	s := knocktest.NewServer(t, knocktest.Options{At: at})
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	packets := []knock.Packet{{Port: 20000}, {At: time.Minute, Port: 20001}}
	var c knock.Client
	r, err := c.SendBatch(ctx, s.SSHAddr(s.Addr4), packets, knock.BatchOptions{}, func(knock.PacketReport) { cancel(why) })
	if !errors.Is(err, why) || r.Sent != 1 {
		t.Errorf("%v %+v", err, r)
	}
}
