package diag_test

import (
	"testing"
	"time"

	"rapport/diag"
	"rapport/knock/gate/script"
	"rapport/knock/knocktest"
)

// paceFaults are networks and gates for which a handshake or a scan is too fast.
func paceFaults(_ *testing.T) []fault {
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
	routed := knocktest.Options{Router: true}
	rejects := func(o knocktest.Options) knocktest.Options { o.Refusal = knocktest.Reset; return o }
	scanned := []diag.Code{diag.Banned}
	http := knocktest.Clocks{HTTP: true}
	return []fault{
		{name: "2 SYNs a second at the server", want: diag.RateLimited, opens: true, breaks: server(two)},
		{name: "2 SYNs a second at the server, IPv6", want: diag.RateLimited, opens: true, breaks: both(overIPv6, server(two))},
		{name: "2 SYNs a second at a gate that rejects", server: rejects(knocktest.Options{}), want: diag.RateLimited, opens: true, breaks: server(two)},
		{name: "2 SYNs a second at the server, others are reset", want: diag.RateLimited, opens: true, breaks: server(resets)},
		{idle: true, name: "1 SYN a second, 3 at once, at the server", want: diag.RateLimited, opens: true, breaks: server(one)},
		{idle: true, name: "2 SYNs a second on the way", server: routed, want: diag.RateLimited, opens: true, breaks: router(two)},
		{idle: true, name: "2 SYNs a second on the way, 200 ms away", server: knocktest.Options{Path: knocktest.Path{Delay: 100 * time.Millisecond}}, want: diag.RateLimited, opens: true, breaks: router(two)},
		{idle: true, name: "2 SYNs a second at the server, 2 h behind", server: knocktest.Options{At: shift(-2 * time.Hour)}, want: diag.RateLimited, or: []diag.Code{diag.HourBehind}, opens: true, breaks: server(two)},
		{idle: true, name: "10 SYNs a second at the server, 2 h behind", server: knocktest.Options{At: shift(-2 * time.Hour)}, want: diag.HourBehind, or: []diag.Code{diag.RateLimited}, opens: true, breaks: server(knocktest.Limit{Rate: "10/sec", Burst: 10})},
		{name: "10 SYNs a second, 10 at once, at the server", want: diag.Opens, breaks: server(knocktest.Limit{Rate: "10/sec", Burst: 10})},
		{idle: true, name: "two unanswered connections on the way, for a second", server: routed, want: diag.RateLimited, opens: true, breaks: limited(2, time.Second)},
		{name: "three unanswered connections on the way, for long", server: routed, among: []diag.Code{diag.Unexplained, diag.KnocksBlocked, diag.RateLimited}, breaks: limited(3, 2*time.Minute)},
		{name: "one connection to SSH at a time", want: diag.Opens, breaks: oneSSH},
		{idle: true, name: "one connection to SSH at a time, 3 h behind", server: knocktest.Options{At: stale}, want: diag.HourBehind, opens: true, breaks: oneSSH},
		{idle: true, name: "2 SYNs a second at the server, and sshd is stuck", server: knocktest.Options{NoSSHD: true}, want: diag.SSHSilent, opens: true, breaks: both(server(two), serves(knocktest.Hold))},
		{name: "a SYN proxy on the way", server: routed, want: diag.Opens, breaks: proxied},
		{name: "a SYN proxy on the way, 3 h behind", server: knocktest.Options{Router: true, At: stale}, among: []diag.Code{diag.KnocksIntercepted, diag.Unexplained}, breaks: proxied, also: possible(diag.Unexplained)},

		{name: "a ban after 60 SYNs, 1 h behind", server: knocktest.Options{At: shift(-time.Hour)}, want: diag.HourBehind, opens: true, breaks: bans(knocktest.Ban{SYNs: 60}), heal: lift},
		{name: "a ban after 60 SYNs, 3 h behind, at a gate that rejects", server: rejects(knocktest.Options{At: stale}), want: diag.HourBehind, or: scanned, breaks: bans(knocktest.Ban{SYNs: 60}), heal: lift},
		{name: "a ban after 30 SYNs, another secret, at a gate that rejects", server: rejects(knocktest.Options{Secret: "b4rf00"}), want: diag.Banned, breaks: bans(knocktest.Ban{SYNs: 30})},
		{name: "a ban after 30 SYNs, another secret, a web server", server: knocktest.Options{Secret: "b4rf00"}, clocks: http, among: []diag.Code{diag.Banned, diag.Unexplained}, also: possible(diag.Banned), breaks: bans(knocktest.Ban{SYNs: 30})},
		{name: "a ban after 30 SYNs, another secret, a web server, IPv6", server: knocktest.Options{Secret: "b4rf00"}, clocks: http, among: []diag.Code{diag.Banned, diag.Unexplained}, also: possible(diag.Banned), breaks: both(overIPv6, bans(knocktest.Ban{SYNs: 30}))},
		{name: "a ban after 30 SYNs, another secret, nothing else answers", server: knocktest.Options{Secret: "b4rf00"}, among: []diag.Code{diag.Unexplained, diag.Banned}, breaks: bans(knocktest.Ban{SYNs: 30}), also: possible(diag.Banned)},
		{name: "a ban that rejects after 12 SYNs, 3 h behind", server: knocktest.Options{At: stale}, want: diag.Banned, or: []diag.Code{diag.HourBehind}, breaks: bans(knocktest.Ban{SYNs: 12, How: knocktest.PortUnreachable}), heal: lift, also: saysNot("gate opened")},
		{name: "a ban that resets after 12 SYNs, 3 h behind", server: knocktest.Options{At: stale}, want: diag.Banned, or: []diag.Code{diag.HourBehind}, breaks: bans(knocktest.Ban{SYNs: 12, How: knocktest.Reset}), heal: lift, also: saysNot("gate opened")},
		{name: "a ban from SSH that rejects after 12 SYNs, another secret", server: knocktest.Options{Secret: "b4rf00"}, among: []diag.Code{diag.Banned, diag.SSHDown, diag.Unexplained}, breaks: bans(knocktest.Ban{SYNs: 12, How: knocktest.Reset, Only: 22})},
		{name: "a ban for asking daytime or time", want: diag.Opens, breaks: bans(knocktest.Ban{Traps: []int{13, 37}})},
		{name: "a ban for asking mail or the web, IPv6", want: diag.Opens, breaks: both(overIPv6, bans(knocktest.Ban{Traps: []int{25, 443}}))},
		{name: "a ban for asking daytime or time, 3 h behind", server: knocktest.Options{At: stale}, want: diag.HourBehind, opens: true, breaks: bans(knocktest.Ban{Traps: []int{13, 37}}), heal: lift},
		{name: "this client is banned in silence", among: []diag.Code{diag.Unexplained, diag.Banned, diag.KnocksBlocked}, breaks: bannedInSilence},
		{name: "this client is banned in silence, the rules are given", want: diag.Banned, or: []diag.Code{diag.GateDiffers}, breaks: both(bannedInSilence, givesRules)},
		{name: "another secret, at the gate of rapport rules", server: knocktest.Options{NoGate: true, Secret: "b4rf00"}, want: diag.Unexplained, breaks: scripted(script.IPTables, nil)},
		{name: "3 h behind, at the gate of rapport rules, the guard is known", server: knocktest.Options{NoGate: true, At: stale}, want: diag.HourBehind, opens: true, breaks: both(scripted(script.IPTables, nil), func(_ *testing.T, _ *knocktest.Server, p *patient) {
			p.host.SweepGuard = script.DefaultSweepGuard
		})},
		{name: "26 h behind, at the gate of rapport rules", server: knocktest.Options{NoGate: true, At: shift(-26 * time.Hour)}, want: diag.HourBehind, opens: true, breaks: scripted(script.IPTables, nil)},
	}
}

// bannedInSilence makes the server drop all that this client sends.
func bannedInSilence(t *testing.T, s *knocktest.Server, _ *patient) {
	s.Run(t, "iptables", "-I", "INPUT", "-s", s.Client4.String(), "-j", "DROP")
}
