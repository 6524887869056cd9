package diag_test

import (
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"rapport/diag"
	"rapport/knock"
	"rapport/knock/gate"
	"rapport/knock/gate/script"
	"rapport/knock/hosts"
	"rapport/knock/knocktest"
)

// gateFaults are gates that are not the client's, without their rules and with.
func gateFaults(_ *testing.T) []fault {
	phases := func(p knocktest.Phases) breaking {
		return func(t *testing.T, s *knocktest.Server, _ *patient) { s.ServePhases(t, p) }
	}
	forward := func(t *testing.T, s *knocktest.Server, _ *patient) {
		s.ServePhases(t, knocktest.Phases{Forward: s.Unused(s.Addr4)})
	}
	first := func(rule string) breaking {
		return func(t *testing.T, s *knocktest.Server, _ *patient) { s.AddRule(t, "-I INPUT "+rule) }
	}
	answers := func(t *testing.T, s *knocktest.Server, _ *patient) {
		s.AddRule(t, "-I OUTPUT -p tcp --sport 22 --tcp-flags SYN,ACK SYN,ACK -j DROP")
	}
	oneWay := func(t *testing.T, s *knocktest.Server, p *patient) {
		s.ServePhases(t, knocktest.Phases{})
		s.Run(t, "sh", "-c", "for t in iptables ip6tables; do $t-save | sed 's/^-A INPUT -j phases/-A INPUT -i eth1 -j phases/' | $t-restore; done")
		givesRules(t, s, p)
	}
	other := knocktest.Options{V4: knocktest.Shut, V6: knocktest.Shut}
	with := func(change func(*knocktest.Options)) knocktest.Options {
		o := other
		change(&o)
		return o
	}
	moved := with(func(o *knocktest.Options) { o.SSHPort = 2222 })
	movedStale := with(func(o *knocktest.Options) { o.SSHPort, o.At = 2222, shift(-3*time.Hour) })
	rejects := with(func(o *knocktest.Options) { o.Refusal = knocktest.Reset })
	swapped, reversed := []int{1, 3, 2, 4, 5}, []int{5, 4, 3, 2, 1}
	// It opens at some later pass through the sequence, as on a lossy path.
	slips := []diag.Code{diag.LossyPath, diag.GateDiffers, diag.Unexplained}
	arrives := []diag.Code{diag.Unexplained, diag.KnocksBlocked, diag.AddressChanges}
	maybe := possible(diag.GateDiffers)
	return []fault{
		{name: "a gate of six knocks", server: other, want: diag.Unexplained, breaks: phases(knocktest.Phases{Knocks: 6}), also: maybe},
		{name: "a gate of six knocks, IPv6, that rejects", server: rejects, want: diag.Unexplained, breaks: both(overIPv6, phases(knocktest.Phases{Knocks: 6})), also: maybe},
		{name: "a gate of six knocks, the rules are given", server: other, want: diag.GateDiffers, breaks: both(phases(knocktest.Phases{Knocks: 6}), givesRules)},
		{name: "a gate of six knocks, the rules are given, 3 h behind", server: with(func(o *knocktest.Options) { o.At = shift(-3 * time.Hour) }), want: diag.GateDiffers, or: []diag.Code{diag.HourBehind}, breaks: both(phases(knocktest.Phases{Knocks: 6}), givesRules), also: possible(diag.GateDiffers)},
		{name: "a gate of four knocks", server: other, want: diag.Opens, breaks: phases(knocktest.Phases{Knocks: 4})},
		{name: "a gate of four knocks, the rules are given", server: other, want: diag.Opens, breaks: both(phases(knocktest.Phases{Knocks: 4}), givesRules)},
		{name: "phases two and three are swapped", server: other, among: slips, breaks: phases(knocktest.Phases{Order: swapped})},
		{name: "phases two and three are swapped, the rules are given", server: other, want: diag.GateDiffers, breaks: both(phases(knocktest.Phases{Order: swapped}), givesRules), also: says("its knocks 1 3 2 4 5")},
		{name: "phases two and three are swapped, at a gate that rejects", server: rejects, among: slips, breaks: phases(knocktest.Phases{Order: swapped})},
		{name: "the phases are reversed", server: other, among: slips, breaks: phases(knocktest.Phases{Order: reversed})},
		{name: "the phases are reversed, the rules are given", server: other, want: diag.GateDiffers, breaks: both(phases(knocktest.Phases{Order: reversed}), givesRules), also: says("its knocks 5 4 3 2 1")},
		{name: "a gate for UDP", server: other, want: diag.Unexplained, breaks: phases(knocktest.Phases{Protocol: "udp"}), also: maybe},
		{name: "a gate for UDP, the rules are given", server: other, want: diag.GateDiffers, breaks: both(phases(knocktest.Phases{Protocol: "udp"}), givesRules)},
		{name: "another SSH port", server: moved, want: diag.Unexplained, breaks: phases(knocktest.Phases{}), also: maybe},
		{name: "another SSH port, the rules are given", server: moved, want: diag.GateDiffers, opens: true, breaks: both(phases(knocktest.Phases{}), givesRules)},
		{name: "another SSH port, the rules are given, and one knock of theirs is lost", server: moved, want: diag.GateDiffers, opens: true, breaks: both(phases(knocktest.Phases{}), givesRules, func(t *testing.T, s *knocktest.Server, _ *patient) {
			s.Lose(t, knocktest.Loss{Ports: knocktest.Port(knockPort(2)), Nth: 4})
		})},
		{name: "another SSH port, the rules are given, IPv6", server: moved, want: diag.GateDiffers, opens: true, breaks: both(overIPv6, phases(knocktest.Phases{}), givesRules)},
		{name: "another SSH port, the rules are given, 3 h behind", server: movedStale, want: diag.GateDiffers, or: []diag.Code{diag.HourBehind}, opens: true, breaks: both(phases(knocktest.Phases{}), givesRules), also: possible(diag.GateDiffers)},
		{name: "SSH is forwarded to a host that is gone", server: other, among: []diag.Code{diag.SSHDown, diag.GateDiffers, diag.Unexplained}, breaks: forward},
		{name: "SSH is forwarded to a host that is gone, the rules are given", server: other, want: diag.GateDiffers, or: []diag.Code{diag.SSHDown}, breaks: both(forward, givesRules)},

		{name: "a rule in front of the gate drops high ports", want: diag.Unexplained, breaks: first("-p tcp --dport 1024:65535 -j DROP"), also: maybe},
		{name: "a rule in front of the gate drops high ports, the rules are given", want: diag.GateDiffers, breaks: both(first("-p tcp --dport 1024:65535 -j DROP"), givesRules)},
		{name: "a rule in front of the gate drops SSH, the rules are given", want: diag.GateDiffers, breaks: both(first("-p tcp --dport 22 -j DROP"), givesRules)},
		{name: "the server drops the answers of SSH, the rules are given, 3 h behind", server: knocktest.Options{At: shift(-3 * time.Hour)}, want: diag.GateDiffers, breaks: both(answers, givesRules)},
		{name: "another secret and another SSH port, the rules are given", server: knocktest.Options{NoGate: true, Secret: "b4rf00"}, want: diag.Unexplained, breaks: both(scripted(script.IPTables, nil), entry(func(h *hosts.Host) { h.SSHPort = 2222 }), givesRules), also: func(r diag.Report) bool {
			return strings.Contains(r.Summary(), "another secret") && strings.Contains(r.Summary(), "SSH port 22,")
		}},
		{name: "the rules are given, and a router drops the knocks", server: knocktest.Options{Router: true}, among: arrives, breaks: both(givesRules, func(t *testing.T, s *knocktest.Server, _ *patient) {
			s.Router.Block(t, knocktest.Drop, knocktest.Within(knock.DefaultRange))
		})},
		{name: "the gate is for another interface, the rules are given", server: other, want: diag.Unexplained, breaks: oneWay, also: says("what comes in on eth1")},
		{name: "the gate is for another interface, the rules are given, IPv6, that rejects", server: rejects, want: diag.Unexplained, or: []diag.Code{diag.SSHDown}, breaks: both(overIPv6, oneWay), also: says("what comes in on eth1")},
		{name: "the rules filter private networks, and the knocks get lost behind NAT", server: knocktest.Options{Router: true}, among: arrives, breaks: filtersPrivate, also: saysNot("it is banned")},
		{name: "the rules are given, 3 h behind", server: knocktest.Options{At: shift(-3 * time.Hour)}, want: diag.HourBehind, opens: true, breaks: givesRules},
		{name: "the rules are given, and the IPv6 gate is right", want: diag.Opens, breaks: both(overIPv6, givesRules)},
		{name: "the rules of an earlier hour are given, and it opens", want: diag.Opens, also: says("not those that the server has now"), breaks: func(t *testing.T, s *knocktest.Server, p *patient) {
			s.Refresh(t, shift(-time.Hour))
			givesRules(t, s, p)
			s.Refresh(t, morning)
		}},
	}
}

// givesRules hands the server's rules to the doctor.
func givesRules(t *testing.T, s *knocktest.Server, p *patient) {
	f, err := gate.ReadRules(strings.NewReader(s.Run(t, "iptables-save") + s.Run(t, "ip6tables-save")))
	if err != nil {
		t.Fatal(err)
	}
	p.doctor.Rules = &f
}

// filtersPrivate gives the server a public address and a filter for the private networks of
// its clients, which are behind NAT; the router drops the knocks.
func filtersPrivate(t *testing.T, s *knocktest.Server, p *patient) {
	public := fmt.Sprintf("203.0.113.%d", s.Addr4.As4()[2])
	s.Run(t, "ip", "addr", "add", public+"/32", "dev", "lo")
	s.Router.Run(t, "ip", "route", "add", public, "via", s.Addr4.String())
	if out, err := exec.Command("ip", "route", "add", public, "via", s.Router.Addr4.String()).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	s.Router.Masquerade(t)
	s.Router.Block(t, knocktest.Drop, knocktest.Within(knock.DefaultRange))
	s.Run(t, "iptables", "-w", "-I", "INPUT", "-s", s.Client4.String()+"/24", "-j", "DROP")
	p.host.Address = public
	givesRules(t, s, p)
}

// scripted makes the server's gate the one of rapport's own script, on a host
// that rejects nothing by itself: its closed ports are refused, SSH is dropped.
func scripted(format script.Format, change func(*script.Rules)) func(*testing.T, *knocktest.Server, *patient) {
	return func(t *testing.T, s *knocktest.Server, _ *patient) {
		c := s.NewScript(t)
		r := script.Rules{Format: format, Host: "server", Range: s.Range, SSHPort: s.SSHPort, Window: s.Window, Grace: script.DefaultGrace, SweepGuard: script.DefaultSweepGuard, SecretPath: c.SecretPath()}
		if change != nil {
			change(&r)
		}
		script, err := r.Script()
		if err != nil {
			t.Fatal(err)
		}
		c.Install(t, script)
		c.Run(t, "setup")
	}
}

// usedUp makes the server's gate one with a replay guard for a single address,
// which another client has taken, and hands the rules to the doctor.
func usedUp(format script.Format) func(*testing.T, *knocktest.Server, *patient) {
	return func(t *testing.T, s *knocktest.Server, p *patient) {
		scripted(format, func(r *script.Rules) { r.ReplayGuard = 1 })(t, s, p)
		other := net.Dialer{Timeout: 50 * time.Millisecond, LocalAddr: &net.TCPAddr{IP: s.NewAddress(t, s.Addr4).AsSlice()}}
		for _, port := range s.Ports(t, knock.HourOf(morning)) {
			if c, err := other.Dial("tcp", netip.AddrPortFrom(s.Addr4, port).String()); err == nil {
				c.Close()
			}
		}
		rules := s.Run(t, "iptables-save")
		if format == script.NFT {
			rules = s.Run(t, "nft", "list", "ruleset")
		}
		f, err := gate.ReadRules(strings.NewReader(rules))
		if err != nil {
			t.Fatal(err)
		}
		p.doctor.Rules = &f
	}
}
