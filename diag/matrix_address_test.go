package diag_test

import (
	"net"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"rapport/diag"
	"rapport/diag/check"
	"rapport/knock"
	"rapport/knock/knocktest"
)

// named gives the server a name with the addresses that pick returns.
func named(f knock.Family, pick func(s *knocktest.Server) []netip.Addr) breaking {
	return func(t *testing.T, s *knocktest.Server, p *patient) {
		p.host.Address, p.host.Family = "many.test", f
		p.doctor.Client.Resolver = knocktest.NewResolver(t, map[string][]netip.Addr{"many.test": pick(s)})
	}
}

// seemsNear makes this machine take a server behind a router for one on its own link, as it does
// with a tunnel that a bridge leads into.
func seemsNear(t *testing.T, s *knocktest.Server, _ *patient) {
	links, err := net.Interfaces()
	i := slices.IndexFunc(links, func(l net.Interface) bool {
		all, _ := l.Addrs()
		return slices.ContainsFunc(all, func(a net.Addr) bool { return strings.HasPrefix(a.String(), s.Client4.String()+"/") })
	})
	if err != nil || i < 0 {
		t.Fatal("no link has this machine's address", err)
	}
	near := s.Addr4.As4()
	near[3] = 200
	for _, args := range [][]string{
		{"addr", "add", netip.AddrFrom4(near).String() + "/24", "dev", links[i].Name, "noprefixroute"},
		{"neigh", "replace", s.Addr4.String(), "lladdr", "02:00:00:00:00:01", "dev", links[i].Name, "nud", "permanent"},
	} {
		if out, err := exec.CommandContext(t.Context(), "ip", args...).CombinedOutput(); err != nil {
			t.Fatalf("ip %v: %v: %s", args, err, out)
		}
	}
}

// addressFaults are networks where not all packets come from or go to one address.
func addressFaults(_ *testing.T) []fault {
	stale := shift(-3 * time.Hour)
	router := func(how func(*knocktest.Router, *testing.T)) breaking {
		return func(t *testing.T, s *knocktest.Server, _ *patient) { how(s.Router, t) }
	}
	masquerade := router(func(r *knocktest.Router, t *testing.T) { r.Masquerade(t) })
	pool := func(n int) breaking { return router(func(r *knocktest.Router, t *testing.T) { r.Pool(t, n) }) }
	moves := func(ports knocktest.Ports) breaking {
		return router(func(r *knocktest.Router, t *testing.T) { r.MoveSource(t, ports) })
	}
	splits := func(ports knocktest.Ports) breaking {
		return func(t *testing.T, s *knocktest.Server, p *patient) {
			a, _ := netip.ParseAddr(p.host.Address)
			s.SplitRoute(t, a, ports)
		}
	}
	routed := func(o knocktest.Options) knocktest.Options { o.Router = true; return o }
	hidden := []diag.Code{diag.Unexplained, diag.AddressChanges, diag.KnocksBlocked}
	// By luck the addresses of a pool come in the order that opens it.
	pooled := append([]diag.Code{diag.LossyPath, diag.HourBehind}, hidden...)
	half := knocktest.Ports{First: 10000, Last: 10500}
	tells := func(r diag.Report) bool { // the other family's state
		c, _ := r.Check(check.Family)
		return c.Status == check.Warn || c.Status == check.Fail
	}
	here4 := func(s *knocktest.Server) netip.Addr { return s.Addr4 }
	here6 := func(s *knocktest.Server) netip.Addr { return s.Addr6 }
	nobody4 := func(s *knocktest.Server) netip.Addr { return s.Unused(s.Addr4) }
	nobody6 := func(s *knocktest.Server) netip.Addr { return s.Unused(s.Addr6) }
	noRoute6 := func(*knocktest.Server) netip.Addr { return netip.MustParseAddr("2001:db8::1") }
	addrs := func(all ...func(*knocktest.Server) netip.Addr) func(*knocktest.Server) []netip.Addr {
		return func(s *knocktest.Server) (list []netip.Addr) {
			for _, f := range all {
				list = append(list, f(s))
			}
			return list
		}
	}
	return []fault{
		{name: "NAT", server: knocktest.Options{Router: true}, want: diag.Opens, breaks: masquerade},
		{name: "NAT, IPv6, at a gate that rejects", server: knocktest.Options{Router: true, Refusal: knocktest.Reset}, want: diag.Opens, breaks: both(overIPv6, masquerade)},
		{name: "NAT, 3 h behind", server: routed(knocktest.Options{At: stale}), want: diag.HourBehind, opens: true, breaks: masquerade},
		{name: "NAT by connection, two addresses", server: knocktest.Options{Router: true}, among: pooled, breaks: pool(2), also: possible(diag.AddressChanges)},
		{name: "NAT by connection, four addresses, IPv6", server: knocktest.Options{Router: true}, among: pooled, breaks: both(overIPv6, pool(4)), also: possible(diag.AddressChanges)},
		{name: "NAT by connection, 3 h behind", server: routed(knocktest.Options{At: stale}), among: pooled, breaks: pool(3), also: possible(diag.AddressChanges)},
		{name: "NAT by connection, the rules are given", server: knocktest.Options{Router: true}, among: pooled, breaks: both(pool(3), givesRules), also: possible(diag.AddressChanges)},
		{name: "NAT by port, a half of the range", server: knocktest.Options{Router: true}, among: hidden, breaks: moves(half), also: possible(diag.AddressChanges)},
		{name: "NAT by port, SSH, at a gate that rejects", server: knocktest.Options{Router: true, Refusal: knocktest.Reset}, among: hidden, breaks: moves(knocktest.Port(22)), also: possible(diag.AddressChanges)},
		{name: "NAT by port, SSH, the rules are given", server: knocktest.Options{Router: true}, among: hidden, breaks: both(moves(knocktest.Port(22)), givesRules), also: possible(diag.AddressChanges)},

		{name: "a route of its own for SSH here", want: diag.AddressChanges, breaks: splits(knocktest.Port(22))},
		{name: "a route of its own for SSH here, IPv6", want: diag.AddressChanges, breaks: both(overIPv6, splits(knocktest.Port(22)))},
		{name: "a route of its own for a half of the range here", want: diag.AddressChanges, breaks: splits(half)},
		{name: "a route of its own for SSH here, at a gate that rejects, 3 h behind", server: knocktest.Options{At: stale, Refusal: knocktest.Reset}, want: diag.AddressChanges, breaks: splits(knocktest.Port(22))},
		{name: "a route of its own for other ports here", want: diag.Opens, breaks: splits(knocktest.Ports{First: 20000, Last: 30000})},

		{name: "the first address of the name is dead", want: diag.HostUnreachable, breaks: named(knock.Family4, addrs(nobody4, here4)), also: all(saysNot("not tried"), saysNot("running"))},
		{name: "the IPv6 address of the name is dead", want: diag.FamilyMismatch, opens: true, breaks: named(knock.Family6, addrs(nobody6, here4))},
		{name: "the IPv6 address of the name has no route", want: diag.FamilyMismatch, opens: true, breaks: named(knock.Family6, addrs(noRoute6, here4)), also: saysNot("the gate too")},
		{name: "the IPv4 address of the name is dead", want: diag.FamilyMismatch, opens: true, breaks: named(knock.Family4, addrs(here6, nobody4))},
		{name: "the IPv6 address of the name is dead, 3 h behind", server: knocktest.Options{At: stale}, want: diag.HourBehind, or: []diag.Code{diag.FamilyMismatch}, opens: true, breaks: named(knock.Family6, addrs(nobody6, here4))},
		{name: "sshd listens over IPv4 alone", server: knocktest.Options{SSHD: []string{"AddressFamily inet"}}, want: diag.FamilyMismatch, opens: true, breaks: named(knock.Family6, addrs(here6, here4))},
		{name: "a router rejects IPv6", server: knocktest.Options{Router: true}, want: diag.FamilyMismatch, opens: true, breaks: both(named(knock.Family6, addrs(here6, here4)), router(func(r *knocktest.Router, t *testing.T) {
			r.Run(t, "ip6tables", "-w", "-A", "FORWARD", "-p", "tcp", "-j", "REJECT", "--reject-with", "icmp6-adm-prohibited")
		}))},
		{name: "a firewall here rejects the knocks over IPv4", want: diag.FamilyMismatch, opens: true, breaks: both(named(knock.Family4, addrs(here4, here6)), func(t *testing.T, s *knocktest.Server, _ *patient) {
			s.BlockHere(t, s.Addr4, knocktest.AdminProhibited, knocktest.Within(knock.DefaultRange))
		})},
		{name: "a proxy accepts the knocks over IPv4", server: knocktest.Options{Router: true}, want: diag.FamilyMismatch, opens: true, breaks: both(named(knock.Family4, addrs(here4, here6)), router(func(r *knocktest.Router, t *testing.T) {
			r.Intercept(t, knocktest.Within(knock.DefaultRange), knocktest.Hold)
			r.Run(t, "ip6tables", "-w", "-t", "nat", "-F", "PREROUTING")
		}))},
		{name: "a tarpit on 22 over IPv4", server: knocktest.Options{Router: true}, want: diag.FamilyMismatch, opens: true, breaks: both(named(knock.Family4, addrs(here4, here6)), router(func(r *knocktest.Router, t *testing.T) {
			r.Intercept(t, knocktest.Port(22), knocktest.Hold)
			r.Run(t, "ip6tables", "-w", "-t", "nat", "-F", "PREROUTING")
		}))},
		{name: "a firewall here rejects the knocks, and IPv6 has no gate", server: knocktest.Options{V6: knocktest.Shut}, want: diag.KnocksBlocked, breaks: both(named(knock.Family4, addrs(here4, here6)), func(t *testing.T, s *knocktest.Server, _ *patient) {
			s.BlockHere(t, s.Addr4, knocktest.AdminProhibited, knocktest.Within(knock.DefaultRange))
		})},
		{name: "all addresses of the name are dead", want: diag.HostUnreachable, breaks: named(knock.FamilyAuto, addrs(nobody4, nobody6))},
		{name: "the second address of the name is dead", want: diag.Opens, breaks: named(knock.Family4, addrs(here4, nobody4))},

		{name: "IPv6 is open to all", server: knocktest.Options{V6: knocktest.Unguarded}, want: diag.Opens, breaks: named(knock.Family4, addrs(here4, here6)), also: tells},
		{name: "IPv6 is open to all, and is the family that is asked", server: knocktest.Options{V6: knocktest.Unguarded}, want: diag.AlreadyOpen, breaks: named(knock.Family6, addrs(here6, here4)), also: says("answers over IPv6 with no knock")},
		{name: "IPv4 is open to all", server: knocktest.Options{V4: knocktest.Unguarded}, want: diag.Opens, breaks: named(knock.Family6, addrs(here4, here6)), also: tells},
		{name: "IPv6 is open to all, 3 h behind", server: knocktest.Options{V6: knocktest.Unguarded, At: stale}, want: diag.HourBehind, or: []diag.Code{diag.FamilyMismatch}, opens: true, breaks: named(knock.Family4, addrs(here4, here6)), also: tells},
		{name: "a gate for IPv4 alone that rejects", server: knocktest.Options{V6: knocktest.Shut, Refusal: knocktest.Reset}, want: diag.FamilyMismatch, opens: true, breaks: named(knock.Family6, addrs(here4, here6))},
		{name: "the client is banned over IPv4 with a rejection", want: diag.FamilyMismatch, opens: true, breaks: both(named(knock.Family4, addrs(here4, here6)), func(t *testing.T, s *knocktest.Server, _ *patient) {
			s.Run(t, "iptables", "-I", "INPUT", "-s", s.Client4.String(), "-j", "REJECT")
		})},
		{name: "IPv6 is asked for, the gate is for IPv4 alone, and sshd has a penalty", server: knocktest.Options{V6: knocktest.Shut, NoSSHD: true}, want: diag.FamilyMismatch, opens: true, breaks: both(named(knock.Family6, addrs(here4, here6)), serves(knocktest.Say(knocktest.Penalty)))},
		{name: "IPv4 is asked for, the gate is for IPv6 alone, and sshd is full", server: knocktest.Options{V4: knocktest.Shut, NoSSHD: true}, want: diag.FamilyMismatch, opens: true, breaks: both(named(knock.Family4, addrs(here4, here6)), serves(knocktest.Say(knocktest.MaxStartups)))},
		{name: "IPv6 is asked for, the gate is for IPv4 alone, and sshd is stopped", server: knocktest.Options{V6: knocktest.Shut, NoSSHD: true}, want: diag.FamilyMismatch, opens: true, breaks: named(knock.Family6, addrs(here4, here6))},
		{name: "a gate for both families, and sshd is stopped", server: knocktest.Options{NoSSHD: true}, want: diag.SSHDown, breaks: named(knock.Family4, addrs(here4, here6))},
		{name: "a gate for both families, and sshd is stuck, IPv6", server: knocktest.Options{NoSSHD: true}, want: diag.SSHSilent, breaks: both(named(knock.Family6, addrs(here4, here6)), serves(knocktest.Hold))},
		{name: "nothing, on a link of this machine, 800 ms away", server: far(800, knocktest.Options{}), want: diag.Opens, breaks: seemsNear},
		{name: "nothing, on a link of this machine, 1200 ms away", server: far(1200, knocktest.Options{}), want: diag.Opens, breaks: seemsNear},
		{name: "3 h behind, on a link of this machine, 500 ms away", server: far(500, knocktest.Options{At: stale}), want: diag.HourBehind, opens: true, breaks: seemsNear},
	}
}
