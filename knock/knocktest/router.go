package knocktest

import (
	"fmt"
	"net"
	"net/netip"
	"testing"

	"rapport/knock"
)

// Router is a host between a server and everybody else, with addresses of its
// own on both sides. It forwards everything, both ways, until one of its
// methods changes that for the rest of the test.
type Router struct {
	*Host // Addr4 and Addr6 are those that clients see

	inner link // towards the server: the router is 1 on it, the server 2
}

// newRouter makes a router on the link, not yet joined to a server.
func newRouter(t testing.TB, l *link) *Router {
	t.Helper()
	r := &Router{Host: newHost(t), inner: link{n: l.n, net: inner}}
	l.attach(t, r.Host)
	return r
}

// join joins the server's host to the router, over the path, and makes both
// known to each other and to the test process.
func (r *Router) join(t testing.TB, h *Host, p Path) {
	t.Helper()
	h.Addr4, h.Addr6 = r.inner.addr4(2), r.inner.addr6(2)
	h.configure(t, "before")
	if p == (Path{}) {
		ip(t, "link", "add", "eth1", "address", r.inner.mac(1).String(), "netns", fmt.Sprint(r.pid()),
			"type", "veth", "peer", "name", "eth0", "address", r.inner.mac(2).String(), "netns", fmt.Sprint(h.pid()))
	} else {
		p.relay(t, r.Host, h)
	}
	near4, near6 := r.inner.addr4(1).String(), r.inner.addr6(1).String()
	r.configure(t, "router", near4, near6)
	h.configure(t, "after", h.Addr4.String(), h.Addr6.String())
	h.Run(t, "ip", "route", "add", "default", "via", near4)
	h.Run(t, "ip", "route", "add", "default", "via", near6)
	for _, args := range r.routes() {
		ip(t, args...)
	}
	h.awaitReached(t)
}

// routes are the arguments of ip for a host's routes to the server. The routes
// vanish with the link.
func (r *Router) routes() [2][]string {
	return [2][]string{
		{"route", "add", r.inner.addr4(0).String() + "/24", "via", r.Addr4.String()},
		{"route", "add", r.inner.addr6(0).String() + "/64", "via", r.Addr6.String()},
	}
}

// Block stops TCP to the ports of the server. The router answers from its own
// address; only a reset comes from the server's.
func (r *Router) Block(t testing.TB, how Refusal, ports Ports) {
	t.Helper()
	for i, verdict := range [...]string{refusals[how].v4, refusals[how].v6} {
		r.Run(t, "sh", "-c", fmt.Sprintf("%s -w -A FORWARD -i eth0 -p tcp --dport %s -j %s", tables[i], ports, verdict))
	}
}

// Intercept makes the router accept every TCP connection to the ports of the
// server, as transparent proxies and tarpits do, and calls handle for it, which may
// be [Hold] or [Say]. For the client the server has accepted.
func (r *Router) Intercept(t testing.TB, ports Ports, handle func(net.Conn)) {
	t.Helper()
	l := r.listen(t, 0)
	serve(t, l, handle)
	_, port, _ := net.SplitHostPort(l.Addr().String())
	for _, table := range tables {
		r.Run(t, table, "-w", "-t", "nat", "-A", "PREROUTING", "-i", "eth0", "-p", "tcp", "--dport", ports.String(),
			"-j", "REDIRECT", "--to-ports", port)
	}
}

// MoveSource changes the source address of packets to the TCP ports of the server
// to this address of the router, for every client, as carrier NAT with many
// addresses does.
func (r *Router) MoveSource(t testing.TB, ports Ports) (v4, v6 netip.Addr) {
	t.Helper()
	v4, v6 = r.inner.addr4(3), r.inner.addr6(3)
	r.Run(t, "ip", "addr", "replace", v4.String()+"/24", "dev", "eth1")
	r.Run(t, "ip", "addr", "replace", v6.String()+"/64", "dev", "eth1", "nodad")
	for i, table := range tables {
		r.Run(t, table, "-w", "-t", "nat", "-A", "POSTROUTING", "-o", "eth1", "-p", "tcp", "--dport", ports.String(),
			"-j", "SNAT", "--to-source", []netip.Addr{v4, v6}[i].String())
	}
	return v4, v6
}

// tables are the programs of the two families.
var tables = [...]string{"iptables", "ip6tables"}

// Ports are ports from First to Last, both included.
type Ports struct{ First, Last int }

// Port returns one port.
func Port(n int) Ports { return Ports{n, n} }

// Within returns the ports of a range.
func Within(r knock.Range) Ports { return Ports{r.Bottom(), r.Top()} }

// String writes them for iptables.
func (p Ports) String() string { return fmt.Sprintf("%d:%d", p.First, p.Last) }

// Loss says which of the SYNs that arrive at a host are lost.
type Loss struct {
	Ports Ports // the destination ports that count; all when zero
	Nth   int   // the first that is lost, from 1
	Every int   // and each that many later, at least Nth; only one when zero
}

// Lose loses SYNs that arrive at the host, before its other rules. It counts each
// family separately, from the call on. On a router it works on forwarded SYNs. A
// SYN that the sender repeats counts again.
func (h *Host) Lose(t testing.TB, l Loss) {
	t.Helper()
	if l.Ports == (Ports{}) {
		l.Ports = Ports{1, 65535}
	}
	if l.Every == 0 {
		l.Every = 1 << 30 // more than any test sends
	}
	for _, table := range tables {
		h.Run(t, table, "-w", "-t", "raw", "-A", "PREROUTING", "-p", "tcp", "--syn", "--dport", l.Ports.String(),
			"-m", "statistic", "--mode", "nth", "--every", fmt.Sprint(l.Every), "--packet", fmt.Sprint(l.Nth-1), "-j", "DROP")
	}
}
