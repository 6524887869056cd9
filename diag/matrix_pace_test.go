package diag_test

import (
	"fmt"
	"testing"
	"time"

	"rapport/diag"
	"rapport/knock"
	"rapport/knock/gate/script"
	"rapport/knock/knocktest"
)

// paceFaults are networks and gates for which a handshake or a scan is too fast.
func paceFaults(t *testing.T) []fault {
	stale := shift(-3 * time.Hour)
	two, one := knocktest.Limit{Rate: "2/sec", Burst: 2}, knocktest.Limit{Rate: "1/sec", Burst: 3}
	resets := knocktest.Limit{Rate: "2/sec", Burst: 2, How: knocktest.Reset}
	server := func(l knocktest.Limit) breaking {
		return func(t *testing.T, s *knocktest.Server, _ *patient) { s.LimitSYNs(t, l) }
	}
	router := func(l knocktest.Limit) breaking {
		return func(t *testing.T, s *knocktest.Server, _ *patient) { s.Router.LimitSYNs(t, l) }
	}
	limited := func(most int, forget time.Duration) breaking {
		return func(t *testing.T, s *knocktest.Server, _ *patient) { s.Router.LimitConnections(t, most, forget) }
	}
	proxied := func(t *testing.T, s *knocktest.Server, _ *patient) { s.Router.ProxySYNs(t) }
	bans := func(b knocktest.Ban) breaking {
		return func(t *testing.T, s *knocktest.Server, _ *patient) { s.BanScanners(t, b) }
	}
	lift := func(t *testing.T, s *knocktest.Server) { s.LiftBan(t) }
	oneSSH := func(t *testing.T, s *knocktest.Server, _ *patient) {
		s.AddRule(t, "-I INPUT -p tcp --syn --dport 22 -m connlimit --connlimit-above 1 -j DROP")
	}
	fewSSH := func(t *testing.T, s *knocktest.Server, _ *patient) { // ufw limit
		s.AddRule(t, "-I INPUT -p tcp --syn --dport 22 -m recent --name few --update --seconds 30 --hitcount 6 -j REJECT")
		s.AddRule(t, "-I INPUT -p tcp --syn --dport 22 -m recent --name few --set")
	}
	limitedSSH := func(rate string, burst int, target string) breaking {
		return func(t *testing.T, s *knocktest.Server, _ *patient) {
			s.AddRule(t, fmt.Sprintf("-I INPUT -p tcp --syn --dport 22 -m hashlimit --hashlimit-above %s --hashlimit-burst %d --hashlimit-mode srcip --hashlimit-name fewer -j %s", rate, burst, target))
		}
	}
	behindLimit := func(rate int, target string) breaking {
		return func(t *testing.T, s *knocktest.Server, _ *patient) {
			s.AddRule(t, fmt.Sprintf("-I portknock_accept -p tcp --syn -m hashlimit --hashlimit-above %d/min --hashlimit-burst %d --hashlimit-mode srcip --hashlimit-name behind -j %s", rate, rate, target))
		}
	}
	offset := func(n int) func(diag.Report) bool {
		return func(r diag.Report) bool { o := r.Verdict.Detail.HourOffset; return o != nil && *o == n }
	}
	unlimit := func(t *testing.T, s *knocktest.Server) { // the rule of limitedSSH is the first
		s.Run(t, "sh", "-c", "iptables -w -D INPUT 1; ip6tables -w -D INPUT 1")
	}
	routed := knocktest.Options{Router: true}
	rejects := func(o knocktest.Options) knocktest.Options { o.Refusal = knocktest.Reset; return o }
	scanned := []diag.Code{diag.Banned}
	http := knocktest.Clocks{HTTP: true}
	guard := func(n int) func(*script.Rules) { return func(r *script.Rules) { r.SweepGuard = n } }
	return []fault{
		{name: "2 SYNs a second at the server", want: diag.RateLimited, opens: true, breaks: server(two)},
		{name: "2 SYNs a second at the server, IPv6", want: diag.RateLimited, opens: true, breaks: both(overIPv6, server(two))},
		{name: "2 SYNs a second at a gate that rejects", server: rejects(knocktest.Options{}), want: diag.RateLimited, opens: true, breaks: server(two)},
		{name: "3 SYNs a second, 4 at once, at a gate that resets, IPv6", server: rejects(knocktest.Options{}), want: diag.RateLimited, opens: true, breaks: both(overIPv6, server(knocktest.Limit{Rate: "3/sec", Burst: 4}))},
		{name: "2 SYNs a second at the server, others are reset", want: diag.RateLimited, opens: true, breaks: server(resets)},
		{name: "2 SYNs a second at the server, the rules are given", want: diag.RateLimited, opens: true, breaks: both(server(two), givesRules)},
		{idle: true, name: "2 SYNs a second at the server, a window of 12 s that is not known, behind a router", server: knocktest.Options{Window: 12 * time.Second, Router: true}, among: []diag.Code{diag.RateLimited, diag.Unexplained}, breaks: server(two)},
		{idle: true, name: "1 SYN a second, 3 at once, at the server", want: diag.RateLimited, opens: true, breaks: server(one)},
		{idle: true, name: "2 SYNs a second on the way", server: routed, want: diag.RateLimited, opens: true, breaks: router(two)},
		{idle: true, name: "2 SYNs a second on the way, 200 ms away", server: knocktest.Options{Path: knocktest.Path{Delay: 100 * time.Millisecond}}, want: diag.RateLimited, opens: true, breaks: router(two)},
		{idle: true, name: "2 SYNs a second at the server, 2 h behind", server: knocktest.Options{At: shift(-2 * time.Hour)}, want: diag.RateLimited, or: []diag.Code{diag.HourBehind}, opens: true, breaks: server(two)},
		{idle: true, name: "10 SYNs a second at the server, 2 h behind", server: knocktest.Options{At: shift(-2 * time.Hour)}, want: diag.HourBehind, or: []diag.Code{diag.RateLimited}, opens: true, breaks: server(knocktest.Limit{Rate: "10/sec", Burst: 10})},
		{name: "10 SYNs a second, 10 at once, at the server", want: diag.Opens, breaks: server(knocktest.Limit{Rate: "10/sec", Burst: 10})},
		{idle: true, name: "two unanswered connections on the way, for a second", server: routed, want: diag.RateLimited, opens: true, breaks: limited(2, time.Second)},
		{name: "three unanswered connections on the way, for long", server: routed, among: []diag.Code{diag.Unexplained, diag.KnocksBlocked, diag.RateLimited}, breaks: limited(3, 2*time.Minute)},
		// For some milliseconds connlimit counts the SYN before the knocks too, which the gate has
		// dropped: then the first attempt opens the gate, and its probe is one too many.
		{name: "one connection to SSH at a time", want: diag.Opens, or: []diag.Code{diag.LossyPath}, breaks: oneSSH},
		{idle: true, name: "one connection to SSH at a time, 3 h behind", server: knocktest.Options{At: stale}, want: diag.HourBehind, opens: true, breaks: oneSSH},
		{idle: true, name: "2 SYNs a second at the server, and sshd is stuck", server: knocktest.Options{NoSSHD: true}, want: diag.SSHSilent, opens: true, breaks: both(server(two), serves(knocktest.Hold))},
		{name: "6 connections to SSH in 30 s, others are rejected, 3 h behind", server: knocktest.Options{At: stale}, among: []diag.Code{diag.RateLimited}, also: says("limits connections to SSH"), breaks: fewSSH},
		{name: "6 connections to SSH in 30 s, others are rejected, 1 h behind, IPv6", server: knocktest.Options{At: shift(-time.Hour)}, among: []diag.Code{diag.RateLimited}, also: says("limits connections to SSH"), breaks: both(overIPv6, fewSSH)},
		{name: "6 connections to SSH in 30 s, others are rejected, 3 h behind (http)", server: knocktest.Options{At: stale}, clocks: knocktest.Clocks{HTTP: true, Shift: -3 * time.Hour}, among: []diag.Code{diag.RateLimited}, also: says("the server is 3 h 0 min behind"), breaks: fewSSH},
		{name: "6 connections to SSH in 30 s, others are rejected, another secret, at a gate that rejects", server: rejects(knocktest.Options{Secret: "b4rf00"}), among: []diag.Code{diag.RateLimited, diag.Banned}, breaks: fewSSH},
		{name: "6 connections to SSH a minute, others are reset, top port one more", server: knocktest.Options{Range: knocktest.NewRange(t, 10000, 11000)}, among: []diag.Code{diag.RateLimited}, also: says("limits connections to SSH"), breaks: limitedSSH("6/min", 5, "REJECT --reject-with tcp-reset")},
		{name: "20 connections to SSH a minute, others are rejected, another secret, at a gate that rejects", server: rejects(knocktest.Options{Secret: "b4rf00"}), among: []diag.Code{diag.RateLimited, diag.Banned}, breaks: limitedSSH("20/min", 5, "REJECT")},
		{name: "10 connections to SSH a minute, others are rejected, another secret, at a gate that rejects", server: rejects(knocktest.Options{Secret: "b4rf00"}), among: []diag.Code{diag.RateLimited, diag.Banned}, breaks: limitedSSH("10/min", 5, "REJECT")},
		{name: "20 connections to SSH a minute, others are dropped, 1 h behind", server: knocktest.Options{At: shift(-time.Hour)}, among: []diag.Code{diag.Unexplained, diag.RateLimited, diag.HourBehind}, also: possible(diag.RateLimited), breaks: limitedSSH("20/min", 5, "DROP")},
		{name: "6 connections to SSH a minute, others are dropped, 3 h behind", server: knocktest.Options{At: stale}, among: []diag.Code{diag.Unexplained, diag.RateLimited}, also: possible(diag.RateLimited), breaks: limitedSSH("6/min", 5, "DROP")},
		{idle: true, name: "20 connections to SSH a minute, others are rejected, 3 h behind", server: knocktest.Options{At: stale}, want: diag.HourBehind, opens: true, breaks: limitedSSH("20/min", 5, "REJECT"), heal: unlimit},
		{idle: true, name: "20 connections to SSH a minute, others are rejected, 3 h behind (http)", server: knocktest.Options{At: stale}, clocks: knocktest.Clocks{HTTP: true, Shift: -3 * time.Hour}, want: diag.ServerBehind, opens: true, breaks: limitedSSH("20/min", 5, "REJECT"), heal: unlimit},
		{idle: true, name: "4 connections to SSH a minute, others are rejected, 1 h behind", server: knocktest.Options{At: shift(-time.Hour)}, want: diag.HourBehind, or: []diag.Code{diag.RateLimited}, breaks: limitedSSH("4/min", 4, "REJECT"), heal: unlimit, also: says("limits connections to SSH")},
		{name: "4 connections to SSH a minute, others are dropped, 1 h behind", server: knocktest.Options{At: shift(-time.Hour)}, among: []diag.Code{diag.Unexplained, diag.RateLimited, diag.HourBehind}, breaks: limitedSSH("4/min", 4, "DROP"), also: possible(diag.RateLimited)},
		{name: "4 connections to SSH a minute behind the gate, others are dropped, 1 h behind", server: knocktest.Options{At: shift(-time.Hour)}, want: diag.HourBehind, opens: true, breaks: behindLimit(4, "DROP"), heal: func(t *testing.T, s *knocktest.Server) { // the four are used up
			s.Run(t, "sh", "-c", "iptables -w -D portknock_accept 1; ip6tables -w -D portknock_accept 1")
		}, also: offset(-1)},
		{idle: true, name: "6 connections to SSH a minute, others are rejected, 1 h behind", server: knocktest.Options{At: shift(-time.Hour)}, want: diag.HourBehind, or: []diag.Code{diag.RateLimited}, breaks: limitedSSH("6/min", 6, "REJECT"), heal: unlimit, also: says("limits connections to SSH")},
		{name: "6 connections to SSH a minute, others are dropped, 1 h behind", server: knocktest.Options{At: shift(-time.Hour)}, among: []diag.Code{diag.Unexplained, diag.RateLimited, diag.HourBehind}, breaks: limitedSSH("6/min", 6, "DROP"), also: possible(diag.RateLimited)},
		{name: "6 connections to SSH a minute behind the gate, others are dropped, 1 h behind", server: knocktest.Options{At: shift(-time.Hour)}, want: diag.HourBehind, opens: true, breaks: behindLimit(6, "DROP"), also: offset(-1)},
		{idle: true, name: "10 connections to SSH a minute, others are rejected, 1 h behind", server: knocktest.Options{At: shift(-time.Hour)}, want: diag.HourBehind, or: []diag.Code{diag.RateLimited}, breaks: limitedSSH("10/min", 10, "REJECT"), heal: unlimit, also: says("limits connections to SSH")},
		{name: "10 connections to SSH a minute, others are dropped, 1 h behind", server: knocktest.Options{At: shift(-time.Hour)}, among: []diag.Code{diag.Unexplained, diag.RateLimited, diag.HourBehind}, breaks: limitedSSH("10/min", 10, "DROP"), also: possible(diag.RateLimited)},
		{name: "10 connections to SSH a minute behind the gate, others are dropped, 1 h behind", server: knocktest.Options{At: shift(-time.Hour)}, want: diag.HourBehind, opens: true, breaks: behindLimit(10, "DROP"), also: offset(-1)},
		{idle: true, name: "4 connections to SSH a minute, others are reset, 1 h behind", server: knocktest.Options{At: shift(-time.Hour)}, want: diag.HourBehind, or: []diag.Code{diag.RateLimited}, breaks: limitedSSH("4/min", 4, "REJECT --reject-with tcp-reset"), heal: unlimit, also: says("limits connections to SSH")},
		{name: "6 connections to SSH a minute behind the gate, others are rejected, 1 h behind, IPv6", server: knocktest.Options{At: shift(-time.Hour)}, want: diag.HourBehind, opens: true, breaks: both(overIPv6, behindLimit(6, "REJECT")), also: offset(-1)},
		{name: "3 connections to SSH a minute, others are dropped", want: diag.Opens, breaks: limitedSSH("3/min", 3, "DROP")},
		{name: "3 connections to SSH a minute, others are dropped, IPv6", want: diag.Opens, breaks: both(overIPv6, limitedSSH("3/min", 3, "DROP"))},
		{name: "3 connections to SSH a minute, others are rejected", want: diag.Opens, breaks: limitedSSH("3/min", 3, "REJECT")},
		{name: "3 connections to SSH a minute, others are dropped, behind a router", server: routed, want: diag.Opens, breaks: limitedSSH("3/min", 3, "DROP")},
		{name: "a SYN proxy on the way", server: routed, want: diag.Opens, breaks: proxied},
		{name: "a SYN proxy on the way, 3 h behind", server: knocktest.Options{Router: true, At: stale}, among: []diag.Code{diag.KnocksIntercepted, diag.Unexplained}, breaks: proxied, also: possible(diag.Unexplained)},

		// A plain knock sends seven SYNs, and a diagnosis eight before it sees what they did.
		{name: "a ban after 7 SYNs", among: []diag.Code{diag.Unexplained, diag.Banned, diag.LossyPath}, breaks: bans(knocktest.Ban{SYNs: 7}), also: possible(diag.Banned)},
		{name: "a ban after 8 SYNs behind a router", server: knocktest.Options{Router: true}, want: diag.Opens, breaks: bans(knocktest.Ban{SYNs: 8})},
		{name: "a ban after 8 SYNs behind a router, a web server, IPv6", server: knocktest.Options{Router: true}, clocks: http, want: diag.Opens, breaks: both(overIPv6, bans(knocktest.Ban{SYNs: 8}))},
		{name: "a ban that resets after 8 SYNs, at a gate that rejects", server: rejects(knocktest.Options{}), want: diag.Opens, breaks: bans(knocktest.Ban{SYNs: 8, How: knocktest.Reset})},
		{name: "a ban after 8 SYNs", want: diag.Opens, breaks: bans(knocktest.Ban{SYNs: 8})},
		{name: "a ban after 9 SYNs", want: diag.Opens, breaks: bans(knocktest.Ban{SYNs: 9})},
		{name: "a ban after 10 SYNs", want: diag.Opens, breaks: bans(knocktest.Ban{SYNs: 10})},
		{name: "a ban after 10 SYNs, 1 h behind", server: knocktest.Options{At: shift(-time.Hour)}, among: []diag.Code{diag.Unexplained, diag.Banned}, breaks: bans(knocktest.Ban{SYNs: 10}), also: possible(diag.Banned)},
		{name: "a ban after 15 SYNs, a web server", clocks: http, want: diag.Opens, breaks: bans(knocktest.Ban{SYNs: 15})},
		{name: "a ban after 15 SYNs, 1 h behind, a web server", server: knocktest.Options{At: shift(-time.Hour)}, clocks: http, among: []diag.Code{diag.Unexplained, diag.Banned}, breaks: bans(knocktest.Ban{SYNs: 15}), also: possible(diag.Banned)},
		{name: "a ban after 60 SYNs, 1 h behind", server: knocktest.Options{At: shift(-time.Hour)}, want: diag.HourBehind, opens: true, breaks: bans(knocktest.Ban{SYNs: 60}), heal: lift},
		{name: "a ban after 60 SYNs, 3 h behind, at a gate that rejects", server: rejects(knocktest.Options{At: stale}), want: diag.HourBehind, or: scanned, breaks: bans(knocktest.Ban{SYNs: 60}), heal: lift},
		{name: "a ban after 30 SYNs, another secret, at a gate that rejects", server: rejects(knocktest.Options{Secret: "b4rf00"}), want: diag.Banned, breaks: bans(knocktest.Ban{SYNs: 30})},
		{name: "a ban after 30 SYNs, another secret, a web server", server: knocktest.Options{Secret: "b4rf00"}, clocks: http, among: []diag.Code{diag.Banned, diag.Unexplained}, also: possible(diag.Banned), breaks: bans(knocktest.Ban{SYNs: 30})},
		{name: "a ban after 30 SYNs, another secret, a web server, IPv6", server: knocktest.Options{Secret: "b4rf00"}, clocks: http, among: []diag.Code{diag.Banned, diag.Unexplained}, also: possible(diag.Banned), breaks: both(overIPv6, bans(knocktest.Ban{SYNs: 30}))},
		{name: "a ban after 30 SYNs, another secret, nothing else answers", server: knocktest.Options{Secret: "b4rf00"}, among: []diag.Code{diag.Unexplained, diag.Banned}, breaks: bans(knocktest.Ban{SYNs: 30}), also: possible(diag.Banned)},
		{name: "a ban that rejects after 12 SYNs, 3 h behind", server: knocktest.Options{At: stale}, want: diag.Banned, or: []diag.Code{diag.HourBehind}, breaks: bans(knocktest.Ban{SYNs: 12, How: knocktest.PortUnreachable}), heal: lift, also: saysNot("gate opened")},
		{name: "a ban that resets after 12 SYNs, 3 h behind", server: knocktest.Options{At: stale}, want: diag.Banned, or: []diag.Code{diag.HourBehind}, breaks: bans(knocktest.Ban{SYNs: 12, How: knocktest.Reset}), heal: lift, also: saysNot("gate opened")},
		{name: "a ban from SSH that rejects after 12 SYNs, another secret", server: knocktest.Options{Secret: "b4rf00"}, among: []diag.Code{diag.RateLimited, diag.Banned, diag.SSHDown, diag.Unexplained}, breaks: bans(knocktest.Ban{SYNs: 12, How: knocktest.Reset, Only: 22})},
		{name: "a ban for asking daytime or time", want: diag.Opens, breaks: bans(knocktest.Ban{Traps: []int{13, 37}})},
		{name: "a ban for asking mail or the web, IPv6", want: diag.Opens, breaks: both(overIPv6, bans(knocktest.Ban{Traps: []int{25, 443}}))},
		{name: "a ban for asking daytime or time, 3 h behind", server: knocktest.Options{At: stale}, want: diag.HourBehind, opens: true, breaks: bans(knocktest.Ban{Traps: []int{13, 37}}), heal: lift},
		{name: "this client is banned in silence", among: []diag.Code{diag.Unexplained, diag.Banned, diag.KnocksBlocked}, breaks: bannedInSilence},
		{name: "this client is banned in silence, the rules are given", want: diag.Banned, or: []diag.Code{diag.GateDiffers}, breaks: both(bannedInSilence, givesRules)},
		{name: "another secret, at the gate of rapport rules", server: knocktest.Options{NoGate: true, Secret: "b4rf00"}, want: diag.Unexplained, breaks: scripted(script.IPTables, nil)},
		{name: "3 h behind, at the gate of rapport rules, the guard is known", server: knocktest.Options{NoGate: true, At: stale}, want: diag.HourBehind, opens: true, breaks: both(scripted(script.IPTables, nil), guardKnown(script.DefaultSweepGuard))},
		{name: "2 h behind, at the gate of rapport rules, the guard is known, IPv6", server: knocktest.Options{NoGate: true, At: shift(-2 * time.Hour)}, want: diag.HourBehind, opens: true, breaks: both(overIPv6, scripted(script.NFT, nil), guardKnown(script.DefaultSweepGuard))},
		{name: "1 h behind, the guard is known, and a knock of that hour is lost, IPv6", server: knocktest.Options{NoGate: true, At: shift(-time.Hour)}, want: diag.HourBehind, opens: true, breaks: both(overIPv6, scripted(script.NFT, nil), guardKnown(script.DefaultSweepGuard), losesThird(shift(-time.Hour)))},
		{name: "the guard is known, and the third knock is lost, once", server: knocktest.Options{NoGate: true}, want: diag.LossyPath, breaks: both(scripted(script.IPTables, nil), guardKnown(script.DefaultSweepGuard), losesThird(morning))},
		{name: "1 h behind, a sweep guard of 10 is known, 40 ms away", server: knocktest.Options{NoGate: true, At: shift(-time.Hour), Path: knocktest.Path{Delay: 20 * time.Millisecond}}, want: diag.HourBehind, opens: true, breaks: both(scripted(script.NFT, guard(10)), guardKnown(10))},
		{name: "20 h behind, a sweep guard of 10 is known", server: knocktest.Options{NoGate: true, At: shift(-20 * time.Hour)}, want: diag.HourBehind, opens: true, breaks: both(scripted(script.NFT, guard(10)), guardKnown(10))},
		{name: "1 h behind, a sweep guard of 5 is known", server: knocktest.Options{NoGate: true, At: shift(-time.Hour)}, want: diag.HourBehind, opens: true, breaks: both(scripted(script.NFT, guard(5)), guardKnown(5))},
		{name: "3 h behind, the guard is known, and a knock of that hour is lost", server: knocktest.Options{NoGate: true, At: stale}, want: diag.HourBehind, opens: true, breaks: both(scripted(script.IPTables, nil), guardKnown(script.DefaultSweepGuard), losesThird(stale))},
		{name: "3 h behind, a sweep guard of 10", server: knocktest.Options{NoGate: true, At: stale}, want: diag.HourBehind, opens: true, breaks: scripted(script.IPTables, guard(10))},
		{name: "refresh 3 h ago (http), a sweep guard of 10, IPv6", server: knocktest.Options{NoGate: true, At: stale}, clocks: http, want: diag.RulesStale, opens: true, breaks: both(overIPv6, scripted(script.NFT, guard(10)))},
		{idle: true, name: "20 h behind, a sweep guard of 10, 40 ms away", server: knocktest.Options{NoGate: true, At: shift(-20 * time.Hour), Path: knocktest.Path{Delay: 20 * time.Millisecond}}, want: diag.HourBehind, opens: true, breaks: scripted(script.NFT, guard(10))},
		{name: "top port one more, a sweep guard of 20", server: knocktest.Options{NoGate: true, Range: knocktest.NewRange(t, 10000, 11000)}, want: diag.RangeMismatch, opens: true, breaks: scripted(script.NFT, guard(20))},
		{name: "26 h behind, at the gate of rapport rules", server: knocktest.Options{NoGate: true, At: shift(-26 * time.Hour)}, want: diag.HourBehind, opens: true, breaks: scripted(script.IPTables, nil)},
	}
}

// guardKnown sets the gate's sweep guard in the hosts entry.
func guardKnown(n int) breaking {
	return func(_ *testing.T, _ *knocktest.Server, p *patient) { p.host.SweepGuard = n }
}

// losesThird loses the first packet to the third port of that time's hour.
func losesThird(at time.Time) breaking {
	return func(t *testing.T, s *knocktest.Server, _ *patient) {
		ports := s.Ports(t, knock.HourOf(at))
		s.Lose(t, knocktest.Loss{Ports: knocktest.Port(int(ports[2])), Nth: 1})
	}
}

// bannedInSilence makes the server drop all that this client sends.
func bannedInSilence(t *testing.T, s *knocktest.Server, _ *patient) {
	s.Run(t, "iptables", "-I", "INPUT", "-s", s.Client4.String(), "-j", "DROP")
}
