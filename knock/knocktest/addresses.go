package knocktest

import (
	"fmt"
	"net/netip"
	"os/exec"
	"testing"
)

// Masquerade makes the server see every client at the router's own address, as
// behind NAT at home.
func (r *Router) Masquerade(t testing.TB) {
	t.Helper()
	r.AddRule(t, "-t nat -A POSTROUTING -o eth1 -j MASQUERADE")
}

// Pool spreads the connections to the server over n addresses, one after the other,
// as carrier NAT does that keeps no client at one address.
func (r *Router) Pool(t testing.TB, n int) {
	t.Helper()
	for k := range n {
		v4, v6 := r.inner.addr4(10+k), r.inner.addr6(10+k)
		r.Run(t, "ip", "addr", "replace", v4.String()+"/24", "dev", "eth1")
		r.Run(t, "ip", "addr", "replace", v6.String()+"/64", "dev", "eth1", "nodad")
		for i, table := range tables {
			r.Run(t, table, "-w", "-t", "nat", "-A", "POSTROUTING", "-o", "eth1", "-p", "tcp",
				"-m", "statistic", "--mode", "nth", "--every", fmt.Sprint(n-k), "--packet", "0",
				"-j", "SNAT", "--to-source", []netip.Addr{v4, v6}[i].String())
		}
	}
}

// SplitRoute makes the test process send to the TCP ports of the server at a from
// another of its addresses, as with a tunnel or an uplink for these ports. The
// kernel's routes show it.
func (s *Server) SplitRoute(t testing.TB, a netip.Addr, ports Ports) (from netip.Addr) {
	t.Helper()
	from = s.NewAddress(t, a)
	table, family := fmt.Sprint(1000+s.link.n), "-4"
	if a.Is6() {
		family = "-6"
	}
	rule := []string{"to", a.String(), "ipproto", "tcp", "dport", fmt.Sprintf("%d-%d", ports.First, ports.Last), "lookup", table}
	ip(t, append([]string{family, "rule", "add"}, rule...)...)
	t.Cleanup(func() {
		if err := tryIP(append([]string{family, "rule", "del"}, rule...)...); err != nil {
			t.Error(err)
		}
	})
	ip(t, family, "route", "add", a.String(), "dev", s.link.name, "src", from.String(), "table", table)
	return from
}

// Unused returns an address of the server's network that nobody has: of IPv4 as a
// is, or of IPv6.
func (s *Server) Unused(a netip.Addr) netip.Addr {
	if a.Is4() {
		return s.link.addr4(77)
	}
	return s.link.addr6(77)
}

// BlockHere makes the test process's own firewall refuse what it sends to the TCP
// ports of the server at a.
func (s *Server) BlockHere(t testing.TB, a netip.Addr, how Refusal, ports Ports) {
	t.Helper()
	table, verdict := tables[0], refusals[how].v4
	if a.Is6() {
		table, verdict = tables[1], refusals[how].v6
	}
	rule := fmt.Sprintf(" OUTPUT -d %s -p tcp --dport %s -j %s", a, ports, verdict)
	run(t, exec.Command("sh", "-c", lookPath(table)+" -w -A"+rule))
	t.Cleanup(func() { run(t, exec.Command("sh", "-c", lookPath(table)+" -w -D"+rule)) })
}
