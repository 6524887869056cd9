package diag_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"rapport/diag"
	"rapport/knock"
	"rapport/knock/gate"
	"rapport/knock/gate/script"
	"rapport/knock/knocktest"
)

// shell runs commands on the server.
func shell(commands string) breaking {
	return func(t *testing.T, s *knocktest.Server, _ *patient) { s.Run(t, "sh", "-ec", commands) }
}

// limitsICMP is the kernel's usual limit of ICMP errors, which tests turn off else: see icmp_ratelimit
// in icmp(7).
const limitsICMP = "echo 1000 > /proc/sys/net/ipv4/icmp_ratelimit; echo 1000 > /proc/sys/net/ipv6/icmp/ratelimit"

// routerLimits makes the router limit its ICMP errors, and reject these ports.
func routerLimits(how knocktest.Refusal, ports ...knocktest.Ports) breaking {
	return func(t *testing.T, s *knocktest.Server, _ *patient) {
		s.Router.Run(t, "sh", "-ec", limitsICMP)
		for _, p := range ports {
			s.Router.Block(t, how, p)
		}
	}
}

// firewalld rejects behind the gate, in a table of its own, all but the web.
func firewalld(how string) breaking {
	return shell("nft add table inet fw; nft add chain inet fw in '{ type filter hook input priority 10 ; policy accept ; }'; nft add rule inet fw in ct state established,related accept; nft add rule inet fw in tcp dport '!=' 80 reject with " + how)
}

// ufw rejects behind the gate, in a chain of its own.
func ufw(v4, v6 string) breaking {
	return shell("iptables -w -I portknock_accept 1 -p tcp -j REJECT --reject-with " + v4 + "; ip6tables -w -I portknock_accept 1 -p tcp -j REJECT --reject-with " + v6)
}

// bansWrongKnocks bans for a minute, from all ports, whoever sends a SYN to a port of the range that the
// gate does not expect.
func bansWrongKnocks(how string) breaking {
	return func(t *testing.T, s *knocktest.Server, _ *patient) {
		var own []string
		for _, port := range s.Ports(t, s.Hour) {
			own = append(own, fmt.Sprint(port))
		}
		s.AddRule(t, "-I INPUT -p tcp -m recent --name TRAPPED --rcheck --seconds 60 -j "+how)
		s.AddRule(t, "-A INPUT -p tcp --syn --dport 10000:10999 -m multiport ! --dports "+strings.Join(own, ",")+" -m recent --name TRAPPED --set -j DROP")
	}
}

// outage loses all that comes to the server for a while.
func outage(after, length time.Duration) breaking {
	return func(t *testing.T, s *knocktest.Server, _ *patient) {
		ctx, stop := context.WithCancel(t.Context())
		rule := func(op string) {
			for _, program := range []string{"iptables", "ip6tables"} {
				_ = s.Command(context.Background(), program, "-w", "-t", "raw", op, "PREROUTING", "-j", "DROP").Run()
			}
		}
		if after == 0 {
			rule("-I")
		}
		var running sync.WaitGroup
		running.Go(func() {
			if after > 0 && knock.Wait(ctx, after) {
				rule("-I")
			}
			knock.Wait(ctx, length)
			rule("-D")
		})
		t.Cleanup(func() { stop(); running.Wait() })
	}
}

// sweeps sends more to wrong ports than a sweep guard forgives.
func sweeps(t *testing.T, _ *knocktest.Server, p *patient) {
	addr, err := netip.ParseAddr(p.host.Address)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for n := range 2 * script.DefaultSweepGuard {
		all.Go(func() {
			if c, err := net.DialTimeout("tcp", netip.AddrPortFrom(addr, uint16(10005+11*n)).String(), 20*time.Millisecond); err == nil {
				c.Close()
			}
		})
	}
	all.Wait()
}

// givesNFT hands the doctor what nft prints.
func givesNFT(t *testing.T, s *knocktest.Server, p *patient) {
	f, err := gate.ReadRules(strings.NewReader(s.Run(t, "nft", "list", "ruleset")))
	if err != nil {
		t.Fatal(err)
	}
	p.doctor.Rules = &f
}

// firewallFaults are those of firewalls besides the gate: of routers that limit their ICMP errors as the
// kernel does, of rules behind the gate, of rules without one, and of traps; and what else these hid.
func firewallFaults(t *testing.T) []fault {
	hour := time.Hour
	stale := shift(-3 * hour)
	old, routed, shut := knocktest.Options{At: stale}, knocktest.Options{Router: true}, knocktest.Options{V4: knocktest.Shut, V6: knocktest.Shut}
	oldRouted := knocktest.Options{At: stale, Router: true}
	http, high := knocktest.Clocks{HTTP: true}, knocktest.Ports{First: 1024, Last: 65535}
	prohibited := routerLimits(knocktest.AdminProhibited, high)
	bothAddrs := func(s *knocktest.Server) []netip.Addr { return []netip.Addr{s.Addr4, s.Addr6} }
	secret := func(_ *testing.T, _ *knocktest.Server, p *patient) { p.secret = "b4rf00" }
	notStrict := func(r diag.Report) bool { return !r.Verdict.Change.Strict }
	limitsHere, emptied := shell(limitsICMP), shell("iptables -w -F portknocking; ip6tables -w -F portknocking")
	noGate := knocktest.Options{NoGate: true}
	twice := time.Date(2026, 11, 22, 19, 20, 0, 0, time.UTC) // the last two ports of this hour are one
	return []fault{
		{name: "a router that limits its ICMP errors rejects all high ports", server: routed, want: diag.KnocksBlocked, breaks: prohibited},
		{name: "a router that limits its ICMP errors rejects all high ports, IPv6", server: routed, want: diag.KnocksBlocked, breaks: both(overIPv6, prohibited)},
		{name: "a router that limits its ICMP errors rejects all high ports, a web server", server: routed, clocks: http, want: diag.KnocksBlocked, breaks: prohibited},
		{name: "a router that limits its ICMP errors rejects all high ports, the rules are given", server: routed, want: diag.KnocksBlocked, breaks: both(prohibited, givesRules)},
		{name: "a router that limits its ICMP errors rejects all high ports, 40 ms before the server", server: knocktest.Options{Path: knocktest.Path{Delay: 20 * time.Millisecond}}, want: diag.KnocksBlocked, breaks: routerLimits(knocktest.PortUnreachable, high)},
		{name: "a router that limits its ICMP errors rejects all but the web", server: routed, clocks: http, want: diag.KnocksBlocked, breaks: routerLimits(knocktest.PortUnreachable, knocktest.Ports{First: 1, Last: 79}, knocktest.Ports{First: 81, Last: 65535})},
		{name: "a router that limits its ICMP errors rejects all high ports over IPv4", server: routed, want: diag.FamilyMismatch, opens: true, breaks: both(named(knock.Family4, bothAddrs), func(t *testing.T, s *knocktest.Server, _ *patient) {
			s.Router.Run(t, "sh", "-ec", limitsICMP+"; iptables -w -A FORWARD -i eth0 -p tcp --dport 1024:65535 -j REJECT --reject-with icmp-admin-prohibited")
		})},
		{name: "a router that limits its ICMP errors rejects one knock, 3 h behind", server: oldRouted, want: diag.HourBehind, opens: true, breaks: routerLimits(knocktest.AdminProhibited, knocktest.Port(knockPort(3)))},
		{name: "a gate that limits its ICMP errors", server: knocktest.Options{Refusal: knocktest.PortUnreachable}, want: diag.Opens, breaks: limitsHere},
		{name: "a gate that limits its ICMP errors, 3 h behind", server: knocktest.Options{Refusal: knocktest.PortUnreachable, At: stale}, want: diag.HourBehind, opens: true, breaks: limitsHere},
		{name: "a gate that limits its ICMP errors, 3 h behind, IPv6", server: knocktest.Options{Refusal: knocktest.AdminProhibited, At: stale}, want: diag.HourBehind, opens: true, breaks: both(overIPv6, limitsHere)},
		{name: "a gate that limits its ICMP errors, and sshd is stopped", server: knocktest.Options{Refusal: knocktest.PortUnreachable, NoSSHD: true}, want: diag.SSHDown, breaks: limitsHere},

		{name: "firewalld rejects SSH behind the gate", want: diag.GateDiffers, breaks: firewalld("icmpx type admin-prohibited")},
		{name: "firewalld rejects SSH behind the gate, IPv6", want: diag.GateDiffers, breaks: both(overIPv6, firewalld("icmpx type admin-prohibited"))},
		{name: "firewalld rejects SSH behind the gate, a web server", clocks: http, want: diag.GateDiffers, breaks: firewalld("icmpx type admin-prohibited")},
		{name: "firewalld rejects SSH behind the gate, 40 ms away, and limits its ICMP errors", server: knocktest.Options{Path: knocktest.Path{Delay: 20 * time.Millisecond}}, want: diag.GateDiffers, breaks: both(limitsHere, firewalld("icmpx type admin-prohibited"))},
		{name: "firewalld rejects SSH behind the gate, the rules are given", want: diag.GateDiffers, breaks: both(firewalld("icmpx type admin-prohibited"), givesRules)},
		{name: "firewalld rejects SSH behind the gate, 3 h behind", server: old, among: []diag.Code{diag.RateLimited, diag.GateDiffers}, also: possible(diag.GateDiffers), breaks: firewalld("icmpx type admin-prohibited")},
		{name: "ufw rejects SSH behind the gate", want: diag.GateDiffers, breaks: ufw("icmp-port-unreachable", "icmp6-port-unreachable")},
		{name: "ufw rejects SSH behind the gate, IPv6, that resets", server: knocktest.Options{Refusal: knocktest.Reset}, among: []diag.Code{diag.RateLimited, diag.GateDiffers, diag.Banned}, breaks: both(overIPv6, ufw("icmp-host-prohibited", "icmp6-adm-prohibited"))},
		{name: "ufw resets SSH behind the gate", want: diag.SSHDown, breaks: ufw("tcp-reset", "tcp-reset")},

		{name: "there is no gate, SSH is shut, the rules are given", server: shut, want: diag.GateDiffers, breaks: givesRules},
		{name: "there is no gate, SSH is shut, the rules are given, a web server", server: shut, clocks: http, want: diag.GateDiffers, breaks: givesRules},
		{name: "there is no gate, SSH is shut and rejects, the rules are given", server: knocktest.Options{V4: knocktest.Shut, V6: knocktest.Shut, Refusal: knocktest.AdminProhibited}, want: diag.GateDiffers, breaks: givesRules},
		{name: "the gate's chain is empty, the rules are given", want: diag.GateDiffers, breaks: both(emptied, givesRules)},
		{name: "the gate's chain is empty, the rules are given, IPv6", want: diag.GateDiffers, breaks: both(overIPv6, emptied, givesRules)},
		{name: "the gate's chain is empty over IPv4 alone, the rules are given", want: diag.GateDiffers, breaks: both(shell("iptables -w -F portknocking"), givesRules), also: says("no gate for IPv4")},

		{name: "the first wrong knock bans for a minute with a reset, 3 h behind", server: old, want: diag.Banned, breaks: bansWrongKnocks("REJECT --reject-with tcp-reset")},
		{name: "the first wrong knock bans for a minute with a rejection, 3 h behind, a web server", server: old, clocks: http, want: diag.Banned, breaks: bansWrongKnocks("REJECT")},
		{name: "the first wrong knock bans for a minute with a reset, another secret, IPv6", server: knocktest.Options{Secret: "b4rf00"}, want: diag.Banned, breaks: both(overIPv6, bansWrongKnocks("REJECT --reject-with tcp-reset"))},
		{name: "a wrong knock bans for a minute", want: diag.Opens, breaks: bansWrongKnocks("DROP")},

		{name: "clock 20 min behind (ntp), refresh 3 h ago", server: old, clocks: knocktest.Clocks{NTP: true, Shift: -20 * time.Minute}, want: diag.RulesStale, opens: true, also: all(saysNot("though its clock is right"), says("timedatectl"))},
		{name: "clock 29 min ahead (http), refresh 3 h ago, IPv6", server: old, clocks: knocktest.Clocks{HTTP: true, Shift: 29 * time.Minute}, want: diag.RulesStale, opens: true, breaks: overIPv6, also: saysNot("though its clock is right")},
		{name: "rules of UTC+1, a right clock (http), future not asked for", server: knocktest.Options{At: shift(hour)}, clocks: http, want: diag.Unexplained, also: all(possible(diag.HourAhead), says("--future"))},
		{name: "rules of UTC+1, a right clock (ntp), future not asked for", server: knocktest.Options{At: shift(hour)}, clocks: knocktest.Clocks{NTP: true, Shift: 10 * time.Millisecond}, want: diag.Unexplained, also: all(possible(diag.HourAhead), says("--future"))},
		{name: "rules of UTC+2, a right clock (http), future not asked for, at a gate that rejects", server: knocktest.Options{At: shift(2 * hour), Refusal: knocktest.Reset}, clocks: http, want: diag.Unexplained, also: all(possible(diag.HourAhead), says("--future"))},

		{name: "the sweep guard ignores this address, the rules are given", server: noGate, want: diag.Banned, breaks: both(scripted(script.NFT, nil), sweeps, givesNFT)},
		{name: "the sweep guard ignores this address, the rules are given, IPv6", server: noGate, want: diag.Banned, breaks: both(overIPv6, scripted(script.NFT, nil), sweeps, givesNFT)},
		{name: "the guard is used up (nft), top port one less, the rules are given", server: knocktest.Options{NoGate: true, Range: knocktest.NewRange(t, 10000, 10998)}, among: []diag.Code{diag.SequenceUsed, diag.RangeMismatch}, also: possible(diag.SequenceUsed), breaks: usedUp(script.NFT)},
		{name: "the guard is used up (iptables), top port one less, the rules are given", server: knocktest.Options{NoGate: true, Range: knocktest.NewRange(t, 10000, 10998)}, among: []diag.Code{diag.SequenceUsed, diag.RangeMismatch, diag.Unexplained}, also: possible(diag.SequenceUsed), breaks: usedUp(script.IPTables)},
		{name: "this machine 2 h ahead (ntp elsewhere), another secret", server: knocktest.Options{At: shift(-2 * hour), Secret: "b4rf00"}, want: diag.Unexplained, breaks: asksAnother(-2 * hour), also: says("set this machine's clock")},
		{name: "this machine 2 h ahead (ntp elsewhere), the server 3 h behind (http)", server: knocktest.Options{At: shift(-5 * hour)}, clocks: knocktest.Clocks{HTTP: true, Shift: -5 * hour}, want: diag.ClientAhead, opens: true, breaks: asksAnother(-2 * hour), also: all(saysNot("no source tells"), says("the server's clock is 3 h 0 min behind too"))},
		{name: "this machine 2 h ahead (ntp elsewhere), and refresh 3 h ago (http)", server: knocktest.Options{At: shift(-5 * hour)}, clocks: knocktest.Clocks{HTTP: true, Shift: -2 * hour}, want: diag.ClientAhead, or: []diag.Code{diag.RulesStale}, opens: true, breaks: asksAnother(-2 * hour), also: says("though its clock is right")},
		{name: "clock 45 min ahead (ntp), and the gate is in this hour", clocks: knocktest.Clocks{NTP: true, Shift: 45 * time.Minute}, want: diag.Opens, also: says("set it before the rules are refreshed")},

		{idle: true, name: "everything is lost for the first 1.5 s, 3 h behind", server: old, want: diag.HourBehind, opens: true, breaks: outage(0, 1500*time.Millisecond), also: notStrict},
		{idle: true, name: "everything is lost for 0.6 s, 3 h behind", server: old, want: diag.HourBehind, opens: true, breaks: outage(800*time.Millisecond, 600*time.Millisecond), also: notStrict},
		{idle: true, name: "everything is lost for the first 1.5 s", want: diag.Opens, or: []diag.Code{diag.LossyPath}, breaks: outage(0, 1500*time.Millisecond)},
		{name: "the last two ports are one", at: twice, server: knocktest.Options{At: twice}, want: diag.Opens},
		{name: "the last two ports are one, 3 h behind", at: twice.Add(3 * hour), server: knocktest.Options{At: twice}, want: diag.HourBehind, opens: true},
		{name: "the last two ports are one, 1 h behind, IPv6, at a gate that rejects", at: twice.Add(hour), server: knocktest.Options{At: twice, Refusal: knocktest.Reset}, want: diag.HourBehind, opens: true, breaks: overIPv6},
		{idle: true, name: "another user behind the same NAT keeps it open, and the secret is wrong here", among: []diag.Code{diag.Unexplained, diag.AlreadyOpen, diag.Opens, diag.HourBehind}, breaks: both(others(3*time.Second), secret)},
	}
}
