package watch_test

import (
	"net/netip"
	"strings"
	"testing"

	"rapport/knock/gate/watch"
	"rapport/knock/knocktest"
)

// FuzzWatch: what is read of the kernel's tables is addresses and ports that
// were asked for, and nothing that cannot be shown.
func FuzzWatch(f *testing.F) {
	f.Add("src=127.0.0.1 ttl: 64 last_seen: 4297704633 oldest_pkt: 2 4297704630, 4297704633\nsrc=fe80::1%\x1b[2J ttl: 64 last_seen: 1 oldest_pkt: 1 1")
	f.Add("   1: 0100000A:0016 0200000A:C36E 01 00000000:00000000\n 5: 0000000000000000000000000100000A:0016 B80D01200000000000000000070000F0:C371 08")
	f.Add("ipv4     2 tcp      6 119 TIME_WAIT src=10.0.0.2 dst=10.0.0.1 sport=50030 dport=22 src=10.0.0.1 dst=10.0.0.2 sport=22 dport=50030")
	f.Fuzz(func(t *testing.T, text string) {
		var addrs []netip.Addr
		for _, e := range watch.ReadRecent(strings.NewReader(text)) {
			addrs = append(addrs, e.Addr)
		}
		sockets := watch.ReadSockets(strings.NewReader(text), []int{22})
		for _, port := range sockets.Listening {
			if port != 22 {
				t.Errorf("%q has a listener on port %d", text, port)
			}
		}
		for _, c := range append(append(sockets.Connections, sockets.Waiting...), watch.ReadConntrack(strings.NewReader(text), []int{22}, []netip.Addr{netip.MustParseAddr("10.0.0.1")})...) {
			addrs = append(addrs, c.Client.Addr())
			if c.Port != 22 {
				t.Errorf("%q has a connection to port %d", text, c.Port)
			}
		}
		for _, a := range addrs {
			knocktest.Printable(t, a.String())
			if !a.IsValid() {
				t.Errorf("%q has no address", text)
			}
		}
	})
}
