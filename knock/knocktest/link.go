package knocktest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// link is a bridge in the test's network namespace that joins the hosts of one
// server, all in one subnet. The test process has the first address on it.
type link struct {
	net  byte // outer, or inner for what is behind a router
	n    int  // of the subnets 10.net.n.0/24 and fdnet:n::/64
	name string
	last int // the last address in use
}

// The networks of links: the second byte of an IPv4 address in decimal, and the
// same digits in IPv6.
const (
	outer = 99
	inner = 98
)

// newLink makes a bridge with the first free number: the kernel refuses names that
// exist, so servers and processes do not share one.
func newLink(t testing.TB) *link {
	t.Helper()
	for n := 1; n < 255; n++ {
		l := &link{net: outer, n: n, name: fmt.Sprintf("knock%d", n), last: 1}
		// Without an address of its own a bridge has the lowest one of its ports,
		// which would change with each new host.
		err := tryIP("link", "add", l.name, "address", l.mac(1).String(), "type", "bridge",
			"stp_state", "0", "forward_delay", "0", "mcast_snooping", "0")
		if err != nil && strings.Contains(err.Error(), "File exists") {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		removeLink(t, l.name)
		// With duplicate address detection and router advertisements an address has to wait.
		for _, setting := range []string{"disable_ipv6", "accept_ra", "accept_dad", "dad_transmits"} {
			if err := os.WriteFile(filepath.Join("/proc/sys/net/ipv6/conf", l.name, setting), []byte("0"), 0); err != nil {
				t.Fatal(err)
			}
		}
		ip(t, "addr", "add", l.addr4(1).String()+"/24", "dev", l.name)
		ip(t, "addr", "add", l.addr6(1).String()+"/64", "dev", l.name, "nodad")
		ip(t, "link", "set", l.name, "up")
		return l
	}
	t.Fatal("more than 254 servers at a time")
	return nil
}

// configure configures a new host before and after eth0 is made, or a router with
// eth1. It turns the rate limit of ICMP off, which is per peer and second: tests that
// knock twice would meet it.
func (h *Host) configure(t testing.TB, args ...string) {
	t.Helper()
	h.Run(t, "sh", append([]string{"-ec", `
case $1 in
before)
	cd /proc/sys/net/ipv6/conf/default
	echo 0 > disable_ipv6; echo 0 > accept_ra; echo 0 > accept_dad; echo 0 > dad_transmits
	echo 0 > /proc/sys/net/ipv4/icmp_ratelimit
	echo 0 > /proc/sys/net/ipv6/icmp/ratelimit
	ip link set lo up ;;
after)
	ip addr add "$2/24" dev eth0
	ip addr add "$3/64" dev eth0 nodad
	ip link set eth0 up ;;
router)
	echo 1 > /proc/sys/net/ipv4/ip_forward
	echo 1 > /proc/sys/net/ipv6/conf/all/forwarding
	ip addr add "$2/24" dev eth1
	ip addr add "$3/64" dev eth1 nodad
	ip link set eth1 up ;;
esac`, "configure"}, args...)...)
}

// attach gives the host the next addresses of the link, and returns the name of
// its port on the bridge. It returns once packets go both ways.
func (l *link) attach(t testing.TB, h *Host) (port string) {
	t.Helper()
	l.last++
	k := l.last
	if k > 254 {
		t.Fatal("more than 253 hosts on a link")
	}
	h.Addr4, h.Addr6 = l.addr4(k), l.addr6(k)
	port = fmt.Sprintf("%sp%d", l.name, k)
	h.configure(t, "before")
	ip(t, "link", "add", port, "type", "veth", "peer", "name", "eth0", "address", l.mac(k).String(), "netns", fmt.Sprint(h.pid()))
	removeLink(t, port)
	h.configure(t, "after", h.Addr4.String(), h.Addr6.String())
	ip(t, "link", "set", port, "master", l.name, "up")
	h.awaitReached(t)
	return port
}

// removeLink removes a device at the end of the test.
func removeLink(t testing.TB, name string) {
	t.Cleanup(func() {
		if err := tryIP("link", "del", name); err != nil {
			t.Error(err)
		}
	})
}

// awaitReached returns once packets go both ways between the test process and the
// host.
func (h *Host) awaitReached(t testing.TB) {
	t.Helper()
	for _, a := range []netip.Addr{h.Addr4, h.Addr6} {
		Eventually(t, "a host is reached at "+a.String(), func() bool { return refuses(a) })
	}
}

func (l *link) addr4(k int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, l.net, byte(l.n), byte(k)})
}

func (l *link) addr6(k int) netip.Addr {
	return netip.AddrFrom16([16]byte{0: 0xfd, 1: l.net/10<<4 | l.net%10, 3: byte(l.n), 15: byte(k)})
}

// mac is derived from the addresses, so that a neighbour table with an earlier
// host of the same address stays right.
func (l *link) mac(k int) net.HardwareAddr {
	return net.HardwareAddr{2, l.net/10<<4 | l.net%10, 0, 0, byte(l.n), byte(k)}
}

// discard is a port on which nothing listens.
const discard = 9

// refuses reports whether the host refuses a connection, which proves that packets
// reach it and come back.
func refuses(a netip.Addr) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	c, err := new(net.Dialer).DialContext(ctx, "tcp", netip.AddrPortFrom(a, discard).String())
	if err == nil {
		_ = c.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}

// NewClient makes one more client. It is on the link of the test process, reaches
// the server at the same addresses, and has its own source address. It exists
// until the test ends.
func NewClient(t testing.TB, s *Server) *Host {
	t.Helper()
	h := newHost(t)
	s.link.attach(t, h)
	if s.Router != nil {
		for _, args := range s.Router.routes() {
			h.Run(t, "ip", args...)
		}
	}
	return h
}
