package pcap_test

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket/layers"

	"rapport/knock/arrivals"
)

// says records a packet with data.
func (r *recording) says(at time.Duration, from, to netip.Addr, source, port uint16, text string) {
	r.tcp(at, from, to, source, port, 10, 107, flagACK|8, 60, false)
	p := &r.packets[len(r.packets)-1]
	p.data = append(p.data, text...)
	if from.Is4() {
		binary.BigEndian.PutUint16(p.data[2:], uint16(len(p.data)))
	} else {
		binary.BigEndian.PutUint16(p.data[4:], uint16(len(p.data)-40))
	}
}

// TestSilentServer: where a capture has the whole connection, and the server sent no data for
// a while, that is found; where it has SYNs alone, or ends too early, nothing is.
func TestSilentServer(t *testing.T) {
	const flagFIN = 1
	for _, ends := range [][2]netip.Addr{{client4, server4}, {client6, server6}} {
		me, there := ends[0], ends[1]
		for name, tt := range map[string]struct {
			more func(r *recording)
			want bool
		}{
			"SYNs alone": {func(r *recording) { r.tcp(9*time.Second, me, there, 1, 443, 1, 0, flagSYN, 64, true) }, false},
			"silence": {func(r *recording) {
				r.tcp(81*ms, me, there, 40005, 22, 106, 10, flagACK, 64, true)
				r.says(82*ms, me, there, 40005, 22, "SSH-2.0-client\r\n")
				r.tcp(83*ms, there, me, 22, 40005, 10, 122, flagACK, 60, false)
				r.tcp(5080*ms, me, there, 40005, 22, 106, 10, flagFIN|flagACK, 64, true)
			}, true},
			"the client left at once": {func(r *recording) {
				r.tcp(81*ms, me, there, 40005, 22, 106, 10, flagACK, 64, true)
				r.tcp(1080*ms, me, there, 40005, 22, 106, 10, flagFIN|flagACK, 64, true)
				r.tcp(9*time.Second, me, there, 1, 443, 1, 0, flagSYN, 64, true)
			}, false},
			"a banner": {func(r *recording) {
				r.tcp(81*ms, me, there, 40005, 22, 106, 10, flagACK, 64, true)
				r.says(90*ms, there, me, 22, 40005, "SSH-2.0-server\r\n")
				r.tcp(5080*ms, me, there, 40005, 22, 106, 10, flagFIN|flagACK, 64, true)
			}, false},
		} {
			r := &recording{t: t}
			r.shake(ports(t, 0), me, there)
			tt.more(r)
			got := analyze(t, read(t, r.write(layers.LinkTypeEthernet, false, false)))
			if len(got.Clients) != 1 || !got.Clients[0].In {
				t.Fatalf("%s: %+v", name, got.Clients)
			}
			c := got.Clients[0]
			if c.Has(arrivals.SSHSilent) != tt.want || len(c.Findings) > 0 && !tt.want {
				t.Errorf("%s, %v: %s", name, me, c.Line())
			}
			if tt.want && (!strings.Contains(c.Line(), "got in; the server said nothing for 5.0 s") || !slices.Equal(codes(c), []arrivals.Code{arrivals.SSHSilent})) {
				t.Errorf("%s: %s", name, c.Line())
			}
		}
	}
}
