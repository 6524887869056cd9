package watch_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rapport/knock/gate/watch"
)

func TestReadRecent(t *testing.T) {
	got := watch.ReadRecent(strings.NewReader(`src=127.0.0.1 ttl: 64 last_seen: 4297704633 oldest_pkt: 10 4297704630, 4297704630, 4297704631, 4297704631, 4297704632, 4297704632, 4297704633, 4297704633, 4297704633, 4297704633
src=0000:0000:0000:0000:0000:0000:0000:0001 ttl: 64 last_seen: 4297704634 oldest_pkt: 20 4297704630, 4297704630, 4297704630, 4297704630, 4297704631, 4297704631, 4297704631, 4297704631, 4297704632, 4297704632, 4297704632, 4297704632, 4297704633, 4297704633, 4297704633, 4297704633, 4297704634, 4297704634, 4297704634, 4297704634
src=203.0.113.7 ttl: 0 last_seen: 0 oldest_pkt: 1 0
src=nobody ttl: 64 last_seen: 1 oldest_pkt: 1 1
src=10.0.0.1 ttl: 64 last_seen: -1 oldest_pkt: 1 1
src=10.0.0.1 ttl: 64`))
	want := []watch.RecentEntry{
		{Addr: netip.MustParseAddr("127.0.0.1"), Last: 4297704633, Stamps: 10},
		{Addr: netip.MustParseAddr("::1"), Last: 4297704634, Stamps: 20},
		{Addr: netip.MustParseAddr("203.0.113.7"), Last: 0, Stamps: 1},
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
}

// Only connections to this machine's port count, not those from it.
func TestReadConnections(t *testing.T) {
	got := watch.ReadSockets(strings.NewReader(`  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:0016 00000000:0000 0A 00000000:00000012 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   0: 0100007F:0017 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   1: 0100000A:0016 0200000A:C36E 01 00000000:00000000 02:0000176F 00000000     0        0 2 4 0 20 4 30 10 -1
   2: 0100000A:C36E 0200000A:0016 01 00000000:00000000 02:0000176F 00000000     0        0 3 4 0 20 4 30 10 -1
   2: 0100000A:0016 0400000A:C36E 01 00000000:00000015 00:00000000 00000000     0        0 0 2 0 20 4 30 10 -1
   2: 0100000A:0016 0400000A:C36F 08 00000000:00000016 00:00000000 00000000     0        0 0 2 0 20 4 30 10 -1
   2: 0100000A:0016 0400000A:C370 05 00000000:00000016 00:00000000 00000000     0        0 0 2 0 20 4 30 10 -1
   3: 0100007F:0016 0100007F:C36F 01 00000000:00000000 02:0000176F 00000000     0        0 4 4 0 20 4 30 10 -1
   4: 0000000000000000FFFF00000100000A:0016 0000000000000000FFFF00000300000A:C370 06 0:0 0:0 0 0 0 5
   5: 0000000000000000000000000100000A:0016 B80D01200000000000000000070000F0:C371 08 0:0 0:0 0 0 0 6
`), []int{22, 23, 24})
	conntrack := watch.ReadConntrack(strings.NewReader(`ipv4     2 tcp      6 119 TIME_WAIT src=10.0.0.2 dst=10.0.0.1 sport=50030 dport=22 src=10.0.0.1 dst=10.0.0.2 sport=22 dport=50030 [ASSURED] mark=0 zone=0 use=2
ipv4     2 tcp      6 431999 ESTABLISHED src=10.0.0.1 dst=10.0.0.9 sport=40000 dport=22 src=10.0.0.9 dst=10.0.0.1 sport=22 dport=40000 [ASSURED] mark=0 zone=0 use=2
ipv4     2 tcp      6 431999 ESTABLISHED src=10.0.0.3 dst=10.0.0.9 sport=40001 dport=22 src=10.0.0.9 dst=10.0.0.3 sport=22 dport=40001 [ASSURED] mark=0 zone=0 use=2
ipv4     2 udp      17 29 src=10.0.0.2 dst=10.0.0.1 sport=53 dport=22 src=10.0.0.1 dst=10.0.0.2 sport=22 dport=53 mark=0 zone=0 use=2
ipv6     10 tcp      6 9 CLOSE src=2001:db8::2 dst=2001:db8::1 sport=50031 dport=22 src=2001:db8::1 dst=2001:db8::2 sport=22 dport=50031 [ASSURED] mark=0 zone=0 use=2
`), []int{22}, []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("2001:db8::1")})
	// Port 23 listens on the loopback only; what sshd has closed waits for nobody.
	const want = "{[{10.0.0.2:50030 22} {10.0.0.4:50030 22} {10.0.0.4:50031 22} {10.0.0.4:50032 22} {10.0.0.3:50032 22} {[2001:db8::f000:7]:50033 22}] " +
		"[22] [{10.0.0.4:50030 22} {10.0.0.4:50031 22}] 18}"
	if got := fmt.Sprint(got); got != want {
		t.Errorf("sockets %s, want %s", got, want)
	}
	if got, want := fmt.Sprint(conntrack), "[{10.0.0.2:50030 22} {[2001:db8::2]:50031 22}]"; got != want {
		t.Errorf("conntrack %s, want %s", got, want)
	}
}
