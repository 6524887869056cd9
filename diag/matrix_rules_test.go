package diag_test

import (
	"fmt"
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

// rulesFaults are those of rules that are given, and that tell clients by their addresses.
func rulesFaults(t *testing.T) []fault {
	stale := shift(-3 * time.Hour)
	// CLIENT in a rule is the client's address.
	given := func(rules ...string) breaking {
		return both(func(t *testing.T, s *knocktest.Server, p *patient) {
			program, client := "iptables", s.Client4.String()
			if strings.Contains(p.host.Address, ":") {
				program, client = "ip6tables", s.Client6.String()
			}
			for _, r := range rules {
				s.Run(t, "sh", "-c", program+" -w "+strings.ReplaceAll(r, "CLIENT", client))
			}
		}, givesRules)
	}
	noGate := knocktest.Options{NoGate: true}
	strictly := func(at time.Time) knocktest.Options {
		return knocktest.Options{V4: knocktest.Shut, V6: knocktest.Shut, At: at}
	}
	far := func(o knocktest.Options, p knocktest.Path) knocktest.Options { o.Path = p; return o }
	oneNetwork := given("-I INPUT ! -s 198.51.100.0/24 -p tcp --dport 22 -j DROP")
	fail2ban := func(address string) []string {
		return []string{"-N f2b-sshd", "-A f2b-sshd -s " + address + " -j REJECT", "-I INPUT -p tcp --dport 22 -j f2b-sshd"}
	}
	maybeNAT := []diag.Code{diag.Unexplained, diag.KnocksBlocked, diag.AddressChanges}
	return []fault{
		{name: "SSH is for one network alone, the rules are given", want: diag.GateDiffers, breaks: oneNetwork, also: says("198.51.100.0/24")},
		{name: "SSH is for one network alone, the rules are given, 3 h behind", server: knocktest.Options{At: stale}, want: diag.GateDiffers, or: []diag.Code{diag.HourBehind}, breaks: oneNetwork, also: says("2026-11-22-05")},
		{name: "SSH is for one network alone, the rules are given, at a gate that rejects", server: knocktest.Options{Refusal: knocktest.Reset}, want: diag.GateDiffers, breaks: oneNetwork},
		{name: "SSH is for one network alone, the rules are given, and every tenth packet is lost", server: knocktest.Options{Path: knocktest.Path{Delay: 10 * time.Millisecond, Loss: 0.05, Seed: 3}}, want: diag.GateDiffers, breaks: oneNetwork},
		{name: "SSH is for one network alone, the rules are given, IPv6", want: diag.GateDiffers, breaks: both(overIPv6, given("-I INPUT ! -s 2001:db8::/32 -p tcp --dport 22 -j DROP")), also: says("2001:db8::/32")},
		{name: "the knocks are for two networks alone, the rules are given", want: diag.GateDiffers, also: says("the rules decide: -A FRIENDS -s 198.51.100.0/24 -j RETURN"),
			breaks: given("-N FRIENDS", "-A FRIENDS -s 198.51.100.0/24 -j RETURN", "-A FRIENDS -s 203.0.113.0/24 -j RETURN", "-A FRIENDS -j DROP", "-I INPUT -p tcp --dport 10000:10999 -j FRIENDS")},
		{name: "a block of the client's network, the rules are given", want: diag.GateDiffers, breaks: given("-I INPUT -s CLIENT/8 -j DROP"), also: says("/8 -j DROP")},
		{name: "a set of networks is let in, the rules are given", server: knocktest.Options{NoGate: true}, want: diag.GateDiffers, breaks: nftSet("!= { 198.51.100.0/24, 203.0.113.0/24 }")},
		{name: "a set of networks is shut out, the rules are given", server: knocktest.Options{NoGate: true}, want: diag.GateDiffers, breaks: nftSet("{ 198.51.100.0/24, CLIENT/24 }")},
		{name: "a set of addresses is shut out, the rules are given", server: knocktest.Options{NoGate: true}, want: diag.Banned, breaks: nftSet("{ 198.51.100.7, CLIENT }")},
		{name: "fail2ban bans this address, the rules are given", want: diag.Banned, breaks: given(fail2ban("CLIENT")...), also: says("f2b-sshd")},
		{name: "fail2ban bans this address, the rules are given, IPv6", want: diag.Banned, breaks: both(overIPv6, given(fail2ban("CLIENT")...))},
		{name: "fail2ban bans another address, the rules are given", want: diag.Opens, breaks: given(fail2ban("198.51.100.7")...)},
		{name: "fail2ban bans another address, the rules are given, another secret is set here", want: diag.Unexplained, also: saysNot("198.51.100.7"), breaks: both(given(fail2ban("198.51.100.7")...), func(_ *testing.T, _ *knocktest.Server, p *patient) { p.secret = "b4rf00" })},
		{name: "fail2ban bans the NAT, the rules are given", server: knocktest.Options{Router: true}, among: append(maybeNAT, diag.Banned), breaks: bansNAT, also: says("the rules shut out")},
		{name: "fail2ban bans the NAT, the rules are given, 3 h behind", server: knocktest.Options{Router: true, At: stale}, want: diag.HourBehind, breaks: bansNAT, also: says("the rules shut out")},
		{name: "a strict gate, 3 h behind", server: strictly(stale), want: diag.HourBehind, opens: true, breaks: strictGate, also: func(r diag.Report) bool { return r.Verdict.Change.Strict }},
		{name: "a strict gate, 1 h behind", server: strictly(shift(-time.Hour)), want: diag.HourBehind, opens: true, breaks: strictGate},
		{name: "a strict gate, 1 h behind, 200 ms away", server: far(strictly(shift(-time.Hour)), knocktest.Path{Delay: 100 * time.Millisecond}), want: diag.HourBehind, opens: true, breaks: strictGate},
		{idle: true, name: "a strict gate, and packets overtake each other", server: far(strictly(morning), knocktest.Path{Delay: 20 * time.Millisecond, Jitter: 30 * time.Millisecond}), want: diag.Opens, or: []diag.Code{diag.LossyPath, diag.RateLimited}, breaks: strictGate},
		{name: "a strict gate, 3 h behind, IPv6", server: strictly(stale), want: diag.HourBehind, opens: true, breaks: both(overIPv6, strictGate)},
		{name: "a strict gate, and a wrong skew is set here", server: strictly(morning), want: diag.HourBehind, opens: true, breaks: both(strictGate, entry(func(h *hosts.Host) { h.Skew = 2 * time.Hour }))},
		{name: "a strict gate, another secret", server: func(o knocktest.Options) knocktest.Options { o.Secret = "b4rf00"; return o }(strictly(morning)), want: diag.Unexplained, breaks: strictGate, also: says("that many candidates in one pass open nothing")},
		{name: "strict is left over, another secret", server: knocktest.Options{Secret: "b4rf00"}, want: diag.Unexplained, breaks: entry(func(h *hosts.Host) { h.Strict = true }), also: says("needs what is set here: strict")},
		{name: "strict is left over, 3 h behind", server: knocktest.Options{At: stale}, want: diag.HourBehind, opens: true, breaks: entry(func(h *hosts.Host) { h.Strict = true })},
		{name: "strict, a gap of 500 ms and a sweep guard of 10 are left over, 3 h behind", server: knocktest.Options{At: stale}, want: diag.HourBehind, or: []diag.Code{diag.Unexplained}, opens: true, breaks: entry(func(h *hosts.Host) { h.Strict, h.Gap, h.SweepGuard = true, 500*time.Millisecond, 10 })},
		{name: "a gap of 90 ms is left over, another secret", server: knocktest.Options{Secret: "b4rf00"}, want: diag.Unexplained, breaks: entry(func(h *hosts.Host) { h.Gap = 90 * time.Millisecond }), also: all(says("left out for lack of time"), says("needs what is set here: a gap of 90 ms"))},
		{name: "a sweep guard of 500 is left over, another secret, at the gate of rapport rules", server: knocktest.Options{NoGate: true, Secret: "b4rf00"}, want: diag.Unexplained, breaks: both(scripted(script.NFT, nil), entry(func(h *hosts.Host) { h.SweepGuard = 500 })), also: says("a sweep_guard of 500")},
		{name: "a strict gate, the rules are given, 3 h behind", server: knocktest.Options{V4: knocktest.Shut, V6: knocktest.Shut, At: stale}, want: diag.HourBehind, opens: true, breaks: both(strictGate, givesRules)},
		{name: "SSH is open to this address", want: diag.AlreadyOpen, also: says("a rule that lets this network in"), breaks: func(t *testing.T, s *knocktest.Server, _ *patient) {
			s.Run(t, "iptables", "-w", "-I", "INPUT", "-s", s.Client4.String(), "-p", "tcp", "--dport", "22", "-j", "ACCEPT")
		}},
		{name: "rules with another SSH port are given, of yesterday, and top port one less", server: knocktest.Options{Range: knocktest.NewRange(t, 10000, 10998)}, want: diag.RangeMismatch, opens: true, breaks: func(t *testing.T, _ *knocktest.Server, p *patient) {
			old := knocktest.NewServer(t, knocktest.Options{At: shift(-20 * time.Hour), NoSSHD: true, SSHPort: 2222, V4: knocktest.Shut, V6: knocktest.Shut})
			old.ServePhases(t, knocktest.Phases{})
			givesRules(t, old, p)
		}},
		{name: "rules with another SSH port are given, 3 h behind", server: knocktest.Options{At: stale}, want: diag.HourBehind, opens: true, breaks: func(t *testing.T, _ *knocktest.Server, p *patient) {
			old := knocktest.NewServer(t, knocktest.Options{At: stale, NoSSHD: true, SSHPort: 2222, V4: knocktest.Shut, V6: knocktest.Shut})
			old.ServePhases(t, knocktest.Phases{})
			givesRules(t, old, p)
		}},
		{name: "a set of nft with a timeout bans this address, the rules are given", server: noGate, want: diag.Banned, breaks: nftBan(""), also: all(sureOf(sure), says("@banned drop"))},
		{name: "a set of nft with a timeout bans this address, the rules are given, 3 h behind", server: knocktest.Options{NoGate: true, At: stale}, want: diag.Banned, breaks: nftBan("")},
		{name: "a set of nft to which a rule adds bans this address, the rules are given", server: noGate, want: diag.Banned, breaks: nftBan("tcp dport 23 add @banned { ip saddr timeout 10m }"), also: says("for another 9 min")},
		{name: "a set of nft bans this address no longer, the rules are given, 3 h behind", server: knocktest.Options{NoGate: true, At: stale}, want: diag.HourBehind, opens: true, breaks: both(nftBan(""), func(t *testing.T, s *knocktest.Server, _ *patient) {
			s.Run(t, "nft", "flush", "set", "inet", "guard", "banned")
		})},
		{name: "an ipset bans this address, it and the rules are given", want: diag.Banned, breaks: ipsetBan(true), also: all(sureOf(sure), says("--match-set f2b-sshd src"))},
		{name: "an ipset bans this address, the rules alone are given", among: append(maybeNAT, diag.Banned), breaks: ipsetBan(false), also: all(possible(diag.Banned), says("the list f2b-sshd holds, and they do not show it; on the server: ipset save"))},
		{name: "a recent list bans this address, the rules are given", among: append(maybeNAT, diag.Banned), also: all(possible(diag.Banned), says("cat /proc/net/xt_recent/BAN")), breaks: func(t *testing.T, s *knocktest.Server, p *patient) {
			given("-I INPUT -m recent --name BAN --rcheck --seconds 600 -j DROP")(t, s, p)
			s.Run(t, "sh", "-c", "echo +"+s.Client4.String()+" >/proc/net/xt_recent/BAN")
		}},
		{name: "SSH is open to this address, the rules are given", want: diag.AlreadyOpen, breaks: given("-I INPUT -s CLIENT -p tcp --dport 22 -j ACCEPT"), also: says("let this address in")},
	}
}

// nftBan makes nft drop SSH by a set with timeouts that holds the client, in front of the gate of
// rapport's own script, and hands the rules to the doctor. first is a rule before that.
func nftBan(first string) breaking {
	return func(t *testing.T, s *knocktest.Server, p *patient) {
		scripted(script.NFT, nil)(t, s, p)
		s.Run(t, "nft", "add", "table", "inet", "guard")
		s.Run(t, "nft", "add", "set", "inet", "guard", "banned", "{ type ipv4_addr ; flags timeout ; }")
		s.Run(t, "nft", "add", "element", "inet", "guard", "banned", "{ "+s.Client4.String()+" timeout 10m }")
		s.Run(t, "nft", "add", "chain", "inet", "guard", "in", "{ type filter hook input priority -5 ; }")
		if first != "" {
			s.Run(t, "nft", "add", "rule", "inet", "guard", "in", first)
		}
		s.Run(t, "nft", "add", "rule", "inet", "guard", "in", "tcp dport 22 ip saddr @banned drop")
		readsRules(t, p, s.Run(t, "nft", "list", "ruleset"))
	}
}

// ipsetBan makes a rule reject SSH by a set of ipset that holds the client, as fail2ban does, and
// hands the rules to the doctor, with the members or without.
func ipsetBan(members bool) breaking {
	return func(t *testing.T, s *knocktest.Server, p *patient) {
		knocktest.Need(t, "ipset")
		s.Run(t, "ipset", "create", "f2b-sshd", "hash:ip", "timeout", "600")
		s.Run(t, "ipset", "add", "f2b-sshd", s.Client4.String())
		s.Run(t, "iptables", "-w", "-I", "INPUT", "-p", "tcp", "--dport", "22", "-m", "set", "--match-set", "f2b-sshd", "src", "-j", "REJECT")
		text := s.Run(t, "iptables-save")
		if members {
			text += s.Run(t, "ipset", "save")
		}
		readsRules(t, p, text)
	}
}

// readsRules hands the doctor rules.
func readsRules(t *testing.T, p *patient, text string) {
	f, err := gate.ReadRules(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	p.doctor.Rules = &f
}

// nftSet makes nft drop SSH by the source in front of the gate of rapport's own script, and
// hands the rules to the doctor.
func nftSet(match string) breaking {
	return func(t *testing.T, s *knocktest.Server, p *patient) {
		scripted(script.NFT, nil)(t, s, p)
		s.Run(t, "nft", "add", "table", "inet", "geo")
		set, elements, negated := "{ type ipv4_addr ; flags interval ; }", match, ""
		if rest, ok := strings.CutPrefix(match, "!= "); ok {
			elements, negated = rest, "!="
		}
		s.Run(t, "nft", "add", "set", "inet", "geo", "known", set)
		s.Run(t, "nft", "add", "element", "inet", "geo", "known", strings.ReplaceAll(elements, "CLIENT", s.Client4.String()))
		s.Run(t, "nft", "add", "chain", "inet", "geo", "in", "{ type filter hook input priority -5 ; }")
		s.Run(t, "nft", "add", "rule", "inet", "geo", "in", strings.Join(strings.Fields(fmt.Sprintf("tcp dport 22 ip saddr %s @known drop", negated)), " "))
		readsRules(t, p, s.Run(t, "nft", "list", "ruleset"))
	}
}

// bansNAT puts a NAT before the client, whose address fail2ban bans.
func bansNAT(t *testing.T, s *knocktest.Server, p *patient) {
	s.Router.Masquerade(t)
	outer := strings.Fields(s.Router.Run(t, "sh", "-c", "ip -4 -o addr show dev eth1 | awk '{print $4}' | cut -d/ -f1"))[0]
	s.Run(t, "iptables", "-w", "-N", "f2b-sshd")
	s.Run(t, "iptables", "-w", "-A", "f2b-sshd", "-s", outer, "-j", "DROP")
	s.Run(t, "iptables", "-w", "-I", "INPUT", "-p", "tcp", "--dport", "22", "-j", "f2b-sshd")
	givesRules(t, s, p)
}

// strictGate starts over on a wrong or repeated knock in the range.
func strictGate(t *testing.T, s *knocktest.Server, _ *patient) {
	add := func(format string, args ...any) { s.AddRule(t, fmt.Sprintf(format, args...)) }
	add("-N strict")
	for k := 1; k <= knock.Knocks; k++ {
		add("-N into%d", k)
		for j := 1; j <= knock.Knocks; j++ {
			if j != k {
				add("-A into%d -m recent --name S%d --remove", k, j)
			}
		}
		add("-A into%d -m recent --name S%d --set", k, k)
	}
	ports := s.Ports(t, s.Hour)
	for k := knock.Knocks; k >= 1; k-- {
		after := ""
		if k > 1 {
			after = fmt.Sprintf(" -m recent --rcheck --name S%d --seconds 5", k-1)
		}
		add("-A strict -p tcp --dport %d -m state --state NEW%s -g into%d", ports[k-1], after, k)
	}
	add("-N over")
	for j := 1; j <= knock.Knocks; j++ {
		add("-A over -m recent --name S%d --remove", j)
	}
	add("-A strict -p tcp --dport %d:%d -m state --state NEW -g over", s.Range.Bottom(), s.Range.Top())
	add("-I INPUT -p tcp --dport 22 -m state --state NEW -m recent --rcheck --name S5 --seconds 5 -j ACCEPT")
	add("-I INPUT -p tcp --dport 1024:65535 -m state --state NEW -j strict")
}
