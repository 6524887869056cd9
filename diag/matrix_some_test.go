package diag_test

import (
	"fmt"
	"testing"
	"time"

	"rapport/diag"
	"rapport/knock"
	"rapport/knock/knocktest"
)

// knockPort is the k-th port, from 1, of the sequence that the client sends.
func knockPort(k int) int {
	secret, _ := knock.ParseSecret(knocktest.DefaultSecret) // is valid
	ports := knock.Derive(knock.HourOf(morning), knock.DefaultRange, secret).Ports()
	return int(ports[k-1])
}

// someFaults are networks and servers where a part of the five ports answers.
func someFaults(t *testing.T) []fault {
	stale := shift(-3 * time.Hour)
	web := func(first bool, knocks ...int) breaking {
		return func(t *testing.T, s *knocktest.Server, _ *patient) {
			for _, k := range knocks {
				s.ServePort(t, knockPort(k), first, knocktest.Say("HTTP/1.1 400 Bad Request\r\n\r\n"))
			}
		}
	}
	refuses := func(how knocktest.Refusal, first bool, knocks ...int) breaking {
		return func(t *testing.T, s *knocktest.Server, _ *patient) {
			for _, k := range knocks {
				s.RefusePort(t, knockPort(k), first, how)
			}
		}
	}
	router := func(how knocktest.Refusal, all ...knocktest.Ports) breaking {
		return func(t *testing.T, s *knocktest.Server, _ *patient) {
			for _, ports := range all {
				s.Router.Block(t, how, ports)
			}
		}
	}
	here := func(how knocktest.Refusal, ports knocktest.Ports) breaking {
		return func(t *testing.T, s *knocktest.Server, _ *patient) { s.BlockHere(t, s.Addr4, how, ports) }
	}
	lesser := knocktest.NewRange(t, 10000, 10998)
	high := knocktest.Ports{First: 1024, Last: 65535}
	far := knocktest.Path{Delay: 20 * time.Millisecond}
	routed, behind := knocktest.Options{Router: true}, knocktest.Options{Router: true, At: stale}
	rejected := []diag.Code{diag.KnocksBlocked, diag.Unexplained}
	taken := []diag.Code{diag.KnocksIntercepted, diag.Unexplained}
	return []fault{
		{name: "a service on one knock port", want: diag.Opens, breaks: web(false, 2)},
		{name: "a service on one knock port, IPv6", want: diag.Opens, breaks: both(overIPv6, web(false, 5))},
		{name: "services on two knock ports, at a gate that rejects", server: knocktest.Options{Refusal: knocktest.Reset}, want: diag.Opens, breaks: web(false, 1, 4)},
		{name: "a service on one knock port, 3 h behind", server: knocktest.Options{At: stale}, want: diag.HourBehind, opens: true, breaks: web(false, 2)},
		{name: "services on two knock ports, 3 h behind, IPv6", server: knocktest.Options{At: stale}, want: diag.HourBehind, opens: true, breaks: both(overIPv6, web(false, 1, 3))},
		{name: "a service on one knock port, and top port one less", server: knocktest.Options{Range: lesser}, want: diag.RangeMismatch, opens: true, breaks: web(false, 1)},
		{name: "a service in front of the gate takes a knock", among: taken, breaks: web(true, 3)},
		{name: "a service in front of the gate takes a knock, the rules are given", want: diag.KnocksIntercepted, or: []diag.Code{diag.GateDiffers}, breaks: both(web(true, 3), givesRules)},

		{name: "the server refuses one knock port", want: diag.Opens, breaks: refuses(knocktest.Reset, false, 2)},
		{name: "the server refuses one knock port, 3 h behind", server: knocktest.Options{At: stale}, want: diag.HourBehind, opens: true, breaks: refuses(knocktest.Reset, false, 2)},
		{name: "the server rejects two knock ports, 3 h behind", server: knocktest.Options{At: stale}, want: diag.HourBehind, opens: true, breaks: refuses(knocktest.AdminProhibited, false, 2, 4)},
		{name: "the server refuses one knock port, and the secret lacks its newline", server: knocktest.Options{Hashed: func(s string) string { return s[:len(s)-1] }}, want: diag.SecretVariant, breaks: refuses(knocktest.Reset, false, 3)},
		{name: "a rule in front of the gate refuses a knock", among: rejected, breaks: refuses(knocktest.Reset, true, 3)},
		{name: "a rule in front of the gate rejects a knock, IPv6", among: rejected, breaks: both(overIPv6, refuses(knocktest.PortUnreachable, true, 3))},
		{name: "a rule in front of the gate refuses a knock, the rules are given", want: diag.KnocksBlocked, or: []diag.Code{diag.GateDiffers}, breaks: both(refuses(knocktest.Reset, true, 3), givesRules)},

		{name: "a router rejects one knock", server: routed, want: diag.KnocksBlocked, breaks: router(knocktest.AdminProhibited, knocktest.Port(knockPort(4)))},
		{name: "a router rejects one knock, IPv6", server: routed, want: diag.KnocksBlocked, breaks: both(overIPv6, router(knocktest.AdminProhibited, knocktest.Port(knockPort(4))))},
		{name: "a router resets one knock, 40 ms before a gate that rejects", server: knocktest.Options{Refusal: knocktest.Reset, Path: far}, want: diag.KnocksBlocked, breaks: router(knocktest.Reset, knocktest.Port(knockPort(4)))},
		{name: "a router drops one knock, at a gate that rejects", server: knocktest.Options{Router: true, Refusal: knocktest.Reset}, among: rejected, breaks: router(knocktest.Drop, knocktest.Port(knockPort(4)))},
		{name: "a router rejects a half of the range", server: routed, want: diag.KnocksBlocked, breaks: router(knocktest.AdminProhibited, knocktest.Ports{First: 10300, Last: 10899})},
		{name: "a router rejects all high ports", server: routed, want: diag.KnocksBlocked, breaks: router(knocktest.AdminProhibited, high)},
		{name: "a router rejects all high ports, IPv6, 3 h behind", server: knocktest.Options{Router: true, At: stale}, want: diag.KnocksBlocked, breaks: both(overIPv6, router(knocktest.AdminProhibited, high))},
		{name: "a router resets all high ports, 40 ms before a web server", server: knocktest.Options{Path: far}, clocks: knocktest.Clocks{HTTP: true}, want: diag.KnocksBlocked, breaks: router(knocktest.Reset, high)},
		{idle: true, name: "a router resets all high ports, 40 ms before a gate that rejects", server: knocktest.Options{Path: far, Refusal: knocktest.Reset}, want: diag.KnocksBlocked, breaks: router(knocktest.Reset, high)},
		{name: "a router resets all high ports, and nothing else answers", server: routed, among: rejected, breaks: router(knocktest.Reset, high)},
		{name: "a router rejects one knock, 3 h behind", server: behind, want: diag.HourBehind, opens: true, breaks: router(knocktest.HostUnreachable, knocktest.Port(knockPort(3))), also: says(fmt.Sprintf("port %d of this client's sequence", knockPort(3)))},
		{name: "a router rejects two knocks, 3 h behind, IPv6", server: behind, want: diag.HourBehind, opens: true, breaks: both(overIPv6, router(knocktest.AdminProhibited, knocktest.Port(knockPort(1)), knocktest.Port(knockPort(4))))},
		{name: "a router rejects one knock, 3 h behind, at a gate that rejects", server: knocktest.Options{Router: true, At: stale, Refusal: knocktest.Reset}, want: diag.HourBehind, opens: true, breaks: router(knocktest.HostUnreachable, knocktest.Port(knockPort(5)))},
		{name: "a router rejects two knocks, 3 h behind, at a gate that says port unreachable", server: knocktest.Options{Router: true, At: stale, Refusal: knocktest.PortUnreachable}, want: diag.HourBehind, opens: true, breaks: router(knocktest.HostUnreachable, knocktest.Port(knockPort(2)), knocktest.Port(knockPort(5)))},
		{name: "a router resets one knock, 3 h behind, 40 ms before a gate that rejects, IPv6", server: knocktest.Options{Router: true, At: stale, Refusal: knocktest.Reset, Path: far}, want: diag.HourBehind, opens: true, breaks: both(overIPv6, router(knocktest.Reset, knocktest.Port(knockPort(4))))},
		{name: "a router rejects one knock, refresh 3 h ago (http)", server: behind, clocks: knocktest.Clocks{HTTP: true}, want: diag.RulesStale, opens: true, breaks: router(knocktest.AdminProhibited, knocktest.Port(knockPort(2)))},
		{name: "a firewall here rejects one knock, 3 h behind", server: knocktest.Options{At: stale}, want: diag.HourBehind, opens: true, breaks: here(knocktest.PortUnreachable, knocktest.Port(knockPort(5)))},
		{name: "a router rejects one knock, 3 h behind, and every 20th packet is lost", server: knocktest.Options{At: stale, Path: knocktest.Path{Delay: 10 * time.Millisecond, Loss: 0.05, Seed: 5}}, want: diag.HourBehind, opens: true, breaks: router(knocktest.HostUnreachable, knocktest.Port(knockPort(3)))},
		{name: "a router rejects one knock, and the secret lacks its newline", server: knocktest.Options{Router: true, Hashed: func(s string) string { return s[:len(s)-1] }}, want: diag.SecretVariant, breaks: router(knocktest.AdminProhibited, knocktest.Port(knockPort(3)))},
		{name: "a proxy accepts one knock", server: routed, among: taken, breaks: func(t *testing.T, s *knocktest.Server, _ *patient) {
			s.Router.Intercept(t, knocktest.Port(knockPort(2)), knocktest.Hold)
		}},
		{name: "a proxy accepts a half of the range, 3 h behind", server: knocktest.Options{Router: true, At: stale}, want: diag.KnocksIntercepted, breaks: func(t *testing.T, s *knocktest.Server, _ *patient) {
			s.Router.Intercept(t, knocktest.Ports{First: 10300, Last: 10899}, knocktest.Hold)
		}},

		{name: "a firewall here rejects the knocks", want: diag.KnocksBlocked, breaks: here(knocktest.AdminProhibited, knocktest.Within(knock.DefaultRange))},
		{name: "a firewall here resets the knocks", want: diag.KnocksBlocked, breaks: here(knocktest.Reset, knocktest.Within(knock.DefaultRange))},
		{name: "a firewall here rejects one knock", want: diag.KnocksBlocked, breaks: here(knocktest.PortUnreachable, knocktest.Port(knockPort(5)))},
		{name: "a firewall here rejects all high ports", want: diag.KnocksBlocked, breaks: here(knocktest.AdminProhibited, high)},
		{name: "a firewall here drops the knocks", among: rejected, breaks: here(knocktest.Drop, knocktest.Within(knock.DefaultRange))},
	}
}
