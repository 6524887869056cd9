package pcap_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket/layers"

	"rapport/knock/arrivals"
)

// TestCut: a capture that is cut tells nothing of what came later: after each packet of a
// handshake that opened, no mistake is found.
func TestCut(t *testing.T) {
	r := &recording{t: t}
	r.shake(ports(t, 0), client4, server4)
	whole := r.write(layers.LinkTypeEthernet, false, false)
	const header, record = 24, 16 + 14 + 40
	for n := 2; n <= 6; n++ {
		got := analyze(t, read(t, whole[:header+n*record+5]))
		if len(got.Clients) != 1 || !slices.Equal(codes(got.Clients[0]), []arrivals.Code{arrivals.CutOff}) || got.Right() {
			t.Errorf("after %d packets: %+v", n, got.Clients)
		}
	}
	r.packets = slices.Delete(r.packets, 1, 2)
	whole = r.write(layers.LinkTypeEthernet, false, false)
	got := analyze(t, read(t, whole[:header+4*record+5])) // after the fifth knock, without the second
	if c := got.Clients[0]; !slices.Equal(codes(c), []arrivals.Code{arrivals.KnockUnsent}) || c.Findings[0].Knocks[0] != 2 {
		t.Errorf("a knock before those that were seen: %s", c.Summary())
	}
	r = &recording{t: t}
	r.shake(ports(t, -3), client4, server4)
	whole = r.write(layers.LinkTypeEthernet, false, false)
	got = analyze(t, read(t, whole[:header+5*record+5]))
	if c := got.Clients[0]; !slices.Equal(codes(c), []arrivals.Code{arrivals.HourBehind}) {
		t.Errorf("another hour shows in what was seen: %s", c.Summary())
	}
}

// TestCutServer: what the client sent after the server's capture was cut may have arrived.
func TestCutServer(t *testing.T) {
	c, s := &recording{t: t}, &recording{t: t}
	c.shake(ports(t, 0), client4, server4)
	for i, p := range c.packets[:4] {
		s.tcp(p.at.Sub(begun)+ms, natted, server4, 40000+uint16(i), ports(t, 0)[i], uint32(100+i), 0, flagSYN, 52, false)
	}
	c.packets = c.packets[:6] // SSH is not answered
	server := s.write(layers.LinkTypeEthernet, false, false)
	for cut, want := range map[int]arrivals.Code{0: arrivals.KnockLost, 9: arrivals.CutOff} {
		got := analyze(t, read(t, c.write(layers.LinkTypeEthernet, false, false)), read(t, server[:len(server)-cut]))
		if len(got.Clients) != 1 || !slices.Equal(codes(got.Clients[0]), []arrivals.Code{want}) {
			t.Errorf("%d bytes cut: %+v", cut, got.Clients)
		}
	}
}

// TestAnsweredOnTheWay: SSH that something between the two accepts is not in.
func TestAnsweredOnTheWay(t *testing.T) {
	c, s := &recording{t: t}, &recording{t: t}
	c.shake(ports(t, 0), client4, server4)
	for i, p := range c.packets[:5] {
		s.tcp(p.at.Sub(begun)+ms, client4, server4, 40000+uint16(i), ports(t, 0)[i], uint32(100+i), 0, flagSYN, 52, false)
	}
	got := analyze(t, read(t, c.write(layers.LinkTypeEthernet, false, false)), read(t, s.write(layers.LinkTypeEthernet, false, false)))
	if one := got.Clients[0]; one.In || !slices.Equal(codes(one), []arrivals.Code{arrivals.SSHLost}) || !strings.Contains(one.Summary(), "something between") {
		t.Errorf("%v %s", one.In, one.Summary())
	}
}

// TestTwice: a handshake is told apart from one that the same address made before.
func TestTwice(t *testing.T) {
	r := &recording{t: t}
	r.shake(ports(t, 0), client4, server4)
	first := len(r.packets)
	r.shake(ports(t, 0), client4, server4)
	for i := range r.packets[first:] {
		r.packets[first+i].at = r.packets[first+i].at.Add(time.Minute)
	}
	r.packets = slices.Delete(r.packets, first+1, first+2) // the second knock of the second one
	got := analyze(t, read(t, r.write(layers.LinkTypeEthernet, false, false)))
	if len(got.Clients) != 2 || !got.Clients[0].In || len(codes(got.Clients[0])) != 0 || !slices.Equal(codes(got.Clients[1]), []arrivals.Code{arrivals.KnockUnsent}) {
		t.Errorf("%+v", got.Clients)
	}
}

// TestLone: who tries SSH without a handshake is told of a client's capture, and of a
// server's while they are few.
func TestLone(t *testing.T) {
	for n, want := range map[int]int{1: 1, 3: 3, 4: 0} {
		r := &recording{t: t}
		for i := range n {
			from := server4.Next()
			for range i {
				from = from.Next()
			}
			r.tcp(time.Duration(i)*ms, from, server4, 40000, 22, uint32(i), 0, flagSYN, 50, false)
		}
		got := analyze(t, read(t, r.write(layers.LinkTypeEthernet, false, false)))
		if len(got.Clients) != want || got.Others != n-want || got.Found() {
			t.Errorf("%d sources: %d told, %d others", n, len(got.Clients), got.Others)
		}
	}
}
