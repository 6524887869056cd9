package diag_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"testing"
	"time"

	"rapport/diag"
	"rapport/knock/hosts"
	"rapport/knock/knocktest"
)

// asksAnother makes a server of another host the one that this machine's clock is
// compared with; its time is ahead of this machine's by shift.
func asksAnother(shift time.Duration) breaking {
	return func(t *testing.T, _ *knocktest.Server, p *patient) {
		s := knocktest.NewServer(t, knocktest.Options{NoGate: true, NoSSHD: true})
		s.ServeClocks(t, knocktest.Clocks{NTP: true, Shift: shift, Clock: p.doctor.Client.Clock})
		p.host.NTP = []string{s.Addr4.String()}
	}
}

// clockFaults have several clocks that disagree, and clocks next to stale rules.
func clockFaults(t *testing.T) []fault {
	webOf := func(shift time.Duration) breaking { // another machine's, behind the same router
		return func(t *testing.T, s *knocktest.Server, p *patient) {
			s.Router.Intercept(t, knocktest.Port(80), func(c net.Conn) {
				for in := bufio.NewReader(c); ; {
					if _, err := http.ReadRequest(in); err != nil {
						return
					}
					date := p.doctor.Client.Clock.Now().Add(shift).UTC().Format(http.TimeFormat)
					fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nDate: %s\r\nContent-Length: 0\r\n\r\n", date)
				}
			})
		}
	}
	hour := time.Hour
	at := func(h int) knocktest.Options { return knocktest.Options{At: shift(time.Duration(h) * hour)} }
	http := func(shift time.Duration) knocktest.Clocks { return knocktest.Clocks{HTTP: true, Shift: shift} }
	ntp := func(shift time.Duration) knocktest.Clocks { return knocktest.Clocks{NTP: true, Shift: shift} }
	andNTP := func(shift time.Duration) breaking {
		return func(t *testing.T, s *knocktest.Server, p *patient) {
			s.ServeClocks(t, knocktest.Clocks{NTP: true, Shift: shift, Clock: p.doctor.Client.Clock})
		}
	}
	offset := func(n int) func(diag.Report) bool {
		return func(r diag.Report) bool { o := r.Verdict.Detail.HourOffset; return o != nil && *o == n }
	}
	v6 := func(o knocktest.Options) knocktest.Options { o.Refusal = knocktest.Reset; return o }
	after := morning.Add(33 * time.Minute) // three minutes after the hour change
	clockOrRules := []diag.Code{diag.ServerBehind, diag.HourBehind, diag.RulesStale}
	lesser := knocktest.NewRange(t, 10000, 10998)
	return []fault{
		{name: "http of a machine 2 h ahead, and nothing else", clocks: http(2 * hour), want: diag.Opens, also: all(says("may be another machine's"), saysNot("run the gate's refresh"))},
		{name: "a skew of -2 h is left over, http and the gate are 1 h behind", server: at(-1), clocks: http(-hour), want: diag.ServerBehind, opens: true, breaks: entry(func(h *hosts.Host) { h.Skew = -2 * hour })},
		{name: "a skew of 5 h is left over, http and the gate are 3 h ahead", server: at(3), clocks: http(3 * hour), want: diag.ServerAhead, opens: true, breaks: entry(func(h *hosts.Host) { h.Skew = 5 * hour })},
		{name: "http of a machine 2 h behind, and nothing else, IPv6", clocks: http(-2 * hour), want: diag.Opens, breaks: overIPv6},
		{name: "ntp of a machine 41 min behind, and nothing else", clocks: ntp(-41 * time.Minute), want: diag.Opens},
		{name: "http of a machine 5 min ahead, and nothing else, 4 min before the hour change", at: morning.Add(26 * time.Minute), clocks: http(5 * time.Minute), want: diag.Opens},
		{name: "http says 5 h behind, the gate 3 h", server: at(-3), clocks: http(-5 * hour), want: diag.HourBehind, opens: true, also: offset(-3)},
		{name: "http says 2 h ahead, the gate is 3 h behind", server: at(-3), clocks: http(2 * hour), want: diag.HourBehind, opens: true, also: offset(-3)},
		{name: "http says 2 h behind, the gate 4 h, IPv6", server: at(-4), clocks: http(-2 * hour), want: diag.HourBehind, or: []diag.Code{diag.RulesStale}, opens: true, breaks: overIPv6, also: offset(-4)},
		{name: "http is right, ntp and the gate are 3 h behind", server: at(-3), clocks: http(0), among: clockOrRules, breaks: andNTP(-3 * hour), also: offset(-3)},
		{name: "ntp is right, http and the gate are 3 h behind", server: at(-3), clocks: http(-3 * hour), among: clockOrRules, breaks: andNTP(0), also: offset(-3)},
		{name: "http and the gate are 3 h behind, ntp and smtp are right", server: at(-3), clocks: http(-3 * hour), among: clockOrRules, breaks: func(t *testing.T, s *knocktest.Server, p *patient) {
			s.ServeClocks(t, knocktest.Clocks{NTP: true, SMTP: true, Clock: p.doctor.Client.Clock})
		}, also: possible(diag.ServerBehind)},
		{name: "http of another machine is right, the server's clock and the gate are 3 h behind", server: knocktest.Options{At: shift(-3 * hour), Router: true}, among: clockOrRules, breaks: webOf(0), also: says("may be another machine's, as behind a home router: then the server's own clock is some 3 h behind")},
		{name: "http of another machine is right, the server's clock and the gate are 3 h behind, IPv6, at a gate that rejects", server: knocktest.Options{At: shift(-3 * hour), Router: true, Refusal: knocktest.Reset}, among: clockOrRules, breaks: both(overIPv6, webOf(0)), also: possible(diag.ServerBehind)},
		{name: "http and ntp are right, the gate is 3 h behind", server: at(-3), clocks: http(0), want: diag.RulesStale, opens: true, breaks: andNTP(0), also: offset(-3)},
		{name: "http and ntp and the gate are 3 h behind", server: at(-3), clocks: http(-3 * hour), want: diag.ServerBehind, opens: true, breaks: andNTP(-3 * hour), also: offset(-3)},
		{name: "http says 20 min behind, the gate 3 h", server: at(-3), clocks: http(-20 * time.Minute), want: diag.RulesStale, or: []diag.Code{diag.HourBehind}, opens: true, also: offset(-3)},
		{name: "clock 2 h ahead (http), and a range nobody thought of", server: knocktest.Options{At: shift(2 * hour), Range: knocktest.NewRange(t, 23017, 24890)}, clocks: http(2 * hour), want: diag.Unexplained, also: all(says("set skew 2h"), saysNot("future hours were not tried"), says("26 hours back and 1 ahead"))},
		{name: "refresh 30 h ago (http)", server: knocktest.Options{At: shift(-30 * hour)}, clocks: http(0), want: diag.Unexplained, also: says("--past 168")},
		{name: "clock 3 h behind (http), IPv6, at a gate that rejects", server: v6(at(-3)), clocks: http(-3 * hour), want: diag.ServerBehind, opens: true, breaks: overIPv6, also: offset(-3)},
		{name: "refresh 3 h ago (http), IPv6, at a gate that rejects", server: v6(at(-3)), clocks: http(0), want: diag.RulesStale, opens: true, breaks: overIPv6, also: offset(-3)},
		{name: "clock 41 min ahead (ntp), IPv6", server: knocktest.Options{At: shift(41 * time.Minute)}, clocks: ntp(41 * time.Minute), want: diag.ServerAhead, opens: true, breaks: overIPv6, also: offset(1)},
		{name: "refresh 3 h ago (http), and top port one less", server: knocktest.Options{At: shift(-3 * hour), Range: lesser}, clocks: http(0), want: diag.RulesStale, opens: true, also: offset(-3)},
		{name: "refresh 3 h ago (http), 200 ms away", server: knocktest.Options{At: shift(-3 * hour), Path: knocktest.Path{Delay: 100 * time.Millisecond}}, clocks: http(0), want: diag.RulesStale, opens: true, also: offset(-3)},

		{name: "the refresh is 3 min late (http)", at: after, server: knocktest.Options{At: morning}, clocks: http(0), want: diag.RulesStale, opens: true, also: offset(-1)},
		{name: "the refresh is 3 min late (ntp), IPv6", at: after, server: knocktest.Options{At: morning}, clocks: ntp(0), want: diag.RulesStale, opens: true, breaks: overIPv6, also: offset(-1)},
		{name: "the refresh is 3 min late, no clock", at: after, server: knocktest.Options{At: morning}, want: diag.HourBehind, opens: true, also: offset(-1)},
		{name: "clock 5 min behind, 3 min after the hour change (http)", at: after, server: knocktest.Options{At: after.Add(-5 * time.Minute)}, clocks: http(-5 * time.Minute), want: diag.ServerBehind, opens: true, also: offset(-1)},
		{name: "clock 5 min ahead, 3 min before the hour change (ntp)", at: morning.Add(27 * time.Minute), server: knocktest.Options{At: morning.Add(32 * time.Minute)}, clocks: ntp(5 * time.Minute), want: diag.ServerAhead, opens: true, also: offset(1)},

		{name: "this machine 2 h ahead (ntp), and refresh 3 h ago", server: at(-5), clocks: ntp(-2 * hour), want: diag.ClientAhead, or: []diag.Code{diag.RulesStale, diag.HourBehind}, opens: true, breaks: asksServer, also: func(r diag.Report) bool {
			return possible(diag.ClientAhead)(r) && possible(diag.RulesStale)(r)
		}},
		{name: "this machine 2 h ahead (ntp), IPv6", server: at(-2), clocks: ntp(-2 * hour), want: diag.ClientAhead, opens: true, breaks: both(overIPv6, asksServer), also: offset(-2)},
		{name: "this machine 2 h ahead (ntp elsewhere), and refresh 3 h ago", server: at(-5), want: diag.ClientAhead, or: []diag.Code{diag.HourBehind, diag.RulesStale}, opens: true, breaks: asksAnother(-2 * hour), also: func(r diag.Report) bool {
			return possible(diag.ClientAhead)(r) && offset(-5)(r)
		}},
		{name: "this machine 2 h behind (ntp elsewhere), IPv6, at a gate that rejects", server: v6(at(2)), want: diag.ClientBehind, opens: true, breaks: both(overIPv6, asksAnother(2*hour)), also: offset(2)},
		{name: "this machine is right (ntp elsewhere), the clock and the gate are 3 h behind (http)", server: at(-3), clocks: http(-3 * hour), want: diag.ServerBehind, opens: true, breaks: asksAnother(0), also: offset(-3)},
		{name: "this machine is right (ntp elsewhere), the gate is 3 h behind", server: at(-3), want: diag.HourBehind, opens: true, breaks: asksAnother(0), also: offset(-3)},
		{name: "this machine 20 min ahead (ntp), same hour", clocks: ntp(-20 * time.Minute), want: diag.Opens, breaks: asksServer},
	}
}
