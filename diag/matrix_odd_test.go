package diag_test

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"rapport/diag"
	"rapport/knock"
	"rapport/knock/gate"
	"rapport/knock/gate/script"
	"rapport/knock/hosts"
	"rapport/knock/knocktest"
)

// entry changes what the client has in its hosts file.
func entry(change func(*hosts.Host)) breaking {
	return func(_ *testing.T, _ *knocktest.Server, p *patient) { change(&p.host) }
}

// cutOffAfterBanner makes the router say that the server is not there, once SSH has sent its banner.
func cutOffAfterBanner(t *testing.T, s *knocktest.Server, _ *patient) {
	s.ServeSSH(t, func(c net.Conn) {
		knocktest.Say(banner)(c)
		time.Sleep(200 * time.Millisecond)
		s.Router.Run(t, "ip", "route", "add", "unreachable", s.Addr4.String())
	})
}

// others makes the handshake of the server's hour from this machine again and again, as
// another user behind the same NAT does.
func others(every time.Duration) breaking {
	return func(t *testing.T, s *knocktest.Server, p *patient) {
		ctx, stop := context.WithCancel(context.Background())
		var running sync.WaitGroup
		running.Go(func() {
			for knock.Wait(ctx, every) {
				knocked(t, s, p)
			}
		})
		t.Cleanup(func() { stop(); running.Wait() })
	}
}

// onSYN calls a function for each SYN with the time since the one before, until it returns
// true.
type onSYN struct {
	mu   sync.Mutex
	last time.Time
	done bool
	call func(gap time.Duration, probe bool) bool
}

func (*onSYN) Enabled(context.Context, slog.Level) bool { return true }
func (h *onSYN) WithAttrs([]slog.Attr) slog.Handler     { return h }
func (h *onSYN) WithGroup(string) slog.Handler          { return h }

func (h *onSYN) Handle(_ context.Context, r slog.Record) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r.Message != "SYN sent" {
		return nil
	}
	probe := false
	r.Attrs(func(a slog.Attr) bool {
		probe = probe || a.Key == "probe" && a.Value.Bool()
		return true
	})
	h.done = h.done || h.call(r.Time.Sub(h.last), probe)
	h.last = r.Time
	return nil
}

// amid makes the handshake of the server's hour once, as another user behind the same NAT
// does, at the first SYN for which the watch returns true.
func amid(watch func() func(gap time.Duration, probe bool) bool) breaking {
	return func(t *testing.T, s *knocktest.Server, p *patient) {
		var running sync.WaitGroup
		is := watch()
		p.doctor.Client.Log = slog.New(&onSYN{call: func(gap time.Duration, probe bool) bool {
			if !is(gap, probe) {
				return false
			}
			running.Go(func() { knocked(t, s, p) })
			return true
		}})
		t.Cleanup(running.Wait)
	}
}

// slowly is the fourth knock of a handshake with wide gaps.
func slowly() func(time.Duration, bool) bool {
	wide := 0
	return func(gap time.Duration, _ bool) bool {
		if wide++; gap < 400*time.Millisecond || gap > 1100*time.Millisecond {
			wide = 0
		}
		return wide == 3
	}
}

// attempted is the probe after the first attempt: one comes before all, and one before that.
func attempted() func(time.Duration, bool) bool {
	probes := 0
	return func(_ time.Duration, probe bool) bool {
		if probe {
			probes++
		}
		return probes == 3
	}
}

// openedOnce says that the gate opened once, and that nothing else than that is said of it.
func openedOnce(r diag.Report) bool {
	return r.Evidence.Once && !slices.ContainsFunc(r.Causes, func(c diag.Cause) bool {
		return c.Likelihood >= 0.5 && c.Code != diag.Unexplained
	})
}

// oldRules hands the doctor the rules of another time, or with another secret.
func oldRules(change func(*knocktest.Options)) breaking {
	return func(t *testing.T, _ *knocktest.Server, p *patient) {
		o := knocktest.Options{At: morning, NoSSHD: true}
		change(&o)
		givesRules(t, knocktest.NewServer(t, o), p)
	}
}

// goesAway drops everything on the way from some time after the beginning on.
func goesAway(after time.Duration) breaking {
	return func(t *testing.T, s *knocktest.Server, _ *patient) {
		ctx, stop := context.WithCancel(context.Background())
		var running sync.WaitGroup
		running.Go(func() {
			for _, program := range []string{"iptables", "ip6tables"} {
				if knock.Wait(ctx, after) {
					_ = s.Command(context.Background(), program, "-w", "-t", "raw", "-I", "PREROUTING", "-j", "DROP").Run()
				}
				after = 0
			}
		})
		t.Cleanup(func() { stop(); running.Wait() })
	}
}

// forwardsSSH puts a home router in front of the server, whose address is the router's: it
// forwards SSH alone.
func forwardsSSH(t *testing.T, s *knocktest.Server, p *patient) {
	r := s.Router
	r.Run(t, "iptables", "-w", "-t", "nat", "-A", "PREROUTING", "-i", "eth0", "-d", r.Addr4.String(), "-p", "tcp", "--dport", "22", "-j", "DNAT", "--to-destination", s.Addr4.String())
	r.Run(t, "iptables", "-w", "-A", "INPUT", "-i", "eth0", "-p", "tcp", "-j", "DROP")
	p.host.Address = r.Addr4.String()
}

// oddFaults are pairs of faults, and clients that few have.
func oddFaults(t *testing.T) []fault {
	stale := shift(-3 * time.Hour)
	lesser, far := knocktest.NewRange(t, 10000, 10998), knocktest.NewRange(t, 20000, 29999)
	two := knocktest.Limit{Rate: "2/sec", Burst: 2}
	server := func(l knocktest.Limit) breaking {
		return func(t *testing.T, s *knocktest.Server, _ *patient) { s.LimitSYNs(t, l) }
	}
	rule := func(rule string) breaking {
		return func(t *testing.T, s *knocktest.Server, _ *patient) { s.AddRule(t, rule) }
	}
	block := func(how knocktest.Refusal, ports knocktest.Ports) breaking {
		return func(t *testing.T, s *knocktest.Server, _ *patient) { s.Router.Block(t, how, ports) }
	}
	port := func(n int) breaking { return entry(func(h *hosts.Host) { h.SSHPort = n }) }
	offset := func(n int) func(diag.Report) bool {
		return func(r diag.Report) bool { o := r.Verdict.Detail.HourOffset; return o != nil && *o == n }
	}
	web := func(port int) breaking {
		return func(t *testing.T, s *knocktest.Server, _ *patient) {
			s.ServePort(t, port, true, knocktest.Say("HTTP/1.1 400 Bad Request\r\n\r\n"))
		}
	}
	noGateGiven := func(t *testing.T, _ *knocktest.Server, p *patient) {
		f, err := gate.ReadRules(strings.NewReader("*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A INPUT -p tcp --dport 80 -j ACCEPT\nCOMMIT\n"))
		if err != nil {
			t.Fatal(err)
		}
		p.doctor.Rules = &f
	}
	here4 := func(s *knocktest.Server) []netip.Addr { return []netip.Addr{s.Addr4, s.Addr6} }
	onlyHere6 := func(s *knocktest.Server) []netip.Addr { return []netip.Addr{s.Addr6} }
	shutOrNot := []diag.Code{diag.Unexplained, diag.GateDiffers, diag.KnocksBlocked, diag.AddressChanges}
	away := []diag.Code{diag.Banned, diag.HostUnreachable}
	bothPossible := func(r diag.Report) bool {
		return possible(diag.Banned)(r) && possible(diag.HostUnreachable)(r)
	}
	noSSHD := func(o knocktest.Options) knocktest.Options { o.NoSSHD = true; return o }
	return []fault{
		{name: "another SSH port is set here", want: diag.Unexplained, breaks: port(2222), also: possible(diag.GateDiffers)},
		{name: "another SSH port is set here, at a gate that rejects", server: knocktest.Options{Refusal: knocktest.Reset}, among: []diag.Code{diag.Unexplained, diag.SSHDown, diag.GateDiffers}, breaks: port(2222), also: saysNot("the gate opened")},
		{name: "another SSH port is set here, the rules are given", want: diag.GateDiffers, opens: true, breaks: both(port(2222), givesRules)},
		{name: "the port of a web server is set here", want: diag.SSHSilent, breaks: both(port(8080), web(8080)), also: saysNot("gate opened")},
		{name: "the port of a web server is set here, IPv6", want: diag.SSHSilent, breaks: both(overIPv6, port(8080), web(8080)), also: saysNot("gate opened")},

		{name: "a mail server in sshd's place, 3 h behind", server: noSSHD(knocktest.Options{At: stale}), want: diag.HourBehind, breaks: serves(knocktest.Say(anotherID)), also: offset(-3), or: []diag.Code{diag.SSHSilent}},
		{name: "sshd is stuck, 3 h behind", server: noSSHD(knocktest.Options{At: stale}), want: diag.HourBehind, breaks: serves(knocktest.Hold), also: offset(-3), or: []diag.Code{diag.SSHSilent}},
		{name: "sshd has a penalty, and top port one less", server: noSSHD(knocktest.Options{Range: lesser}), want: diag.RangeMismatch, or: []diag.Code{diag.SSHRefusing}, breaks: serves(knocktest.Say(knocktest.Penalty))},
		{name: "the banner never gets through", want: diag.SSHSilent, breaks: rule("-I OUTPUT -p tcp --sport 22 -m string --string SSH- --algo bm -j DROP")},
		{name: "sessions are reset as soon as they speak SSH", want: diag.SSHSilent, breaks: rule("-I OUTPUT -p tcp --sport 22 -m string --string SSH- --algo bm -j REJECT --reject-with tcp-reset")},

		{name: "a wrong skew is set here, and the server is 3 h behind", server: knocktest.Options{At: stale}, want: diag.HourBehind, opens: true, breaks: entry(func(h *hosts.Host) { h.Skew = 2 * time.Hour }), also: offset(-5)},
		{name: "a skew of -20 h is left over", want: diag.HourAhead, opens: true, breaks: entry(func(h *hosts.Host) { h.Skew = -20 * time.Hour }), also: says("the skew set here, -20h, is wrong")},
		{name: "a skew of -3 h is left over (ntp)", clocks: knocktest.Clocks{NTP: true}, want: diag.HourAhead, opens: true, breaks: both(asksServer, entry(func(h *hosts.Host) { h.Skew = -3 * time.Hour })), also: says("the skew set here, -3h, is wrong")},
		{name: "a skew of 40 min is left over (ntp), IPv6", clocks: knocktest.Clocks{NTP: true}, want: diag.HourBehind, opens: true, breaks: both(asksServer, overIPv6, entry(func(h *hosts.Host) { h.Skew = 40 * time.Minute })), also: says("the skew set here, 40m, is wrong")},
		{name: "a skew of -5 h is left over, and summer time has come: 4 h behind", server: knocktest.Options{At: shift(-4 * time.Hour)}, want: diag.HourAhead, opens: true, breaks: entry(func(h *hosts.Host) { h.Skew = -5 * time.Hour }), also: says("the skew that is set here, -5h")},
		{name: "a window of 1 s is set here, of 5 s there, 3 h behind", server: knocktest.Options{At: stale}, want: diag.HourBehind, opens: true, breaks: entry(func(h *hosts.Host) { h.Window = time.Second }), also: saysNot("there was no time")},
		{name: "a gap of 3 s is set here, 3 h behind", server: knocktest.Options{At: stale}, want: diag.Unexplained, breaks: entry(func(h *hosts.Host) { h.Gap = 3 * time.Second }), also: says("leaves no time for them")},
		{name: "a gap of 2 s is set here, 3 h behind (http)", server: knocktest.Options{At: stale}, clocks: knocktest.Clocks{HTTP: true, Shift: -3 * time.Hour}, want: diag.ServerBehind, opens: true, breaks: entry(func(h *hosts.Host) { h.Gap = 2 * time.Second }), also: offset(-3)},
		{name: "the right skew is set here for a server 5 h ahead", server: knocktest.Options{At: shift(5 * time.Hour)}, want: diag.Opens, breaks: entry(func(h *hosts.Host) { h.Skew = 5 * time.Hour })},
		{name: "another range is set here, 3 h behind", server: knocktest.Options{At: stale}, among: append([]diag.Code{diag.HourBehind, diag.RangeMismatch}, shutOrNot...), breaks: entry(func(h *hosts.Host) { h.Range = far })},
		{name: "the gap that a limit needs is set here", want: diag.Opens, breaks: both(server(two), entry(func(h *hosts.Host) { h.Gap = 600 * time.Millisecond }))},
		{name: "the gap that a limit needs is set here, 3 h behind", server: knocktest.Options{At: stale}, want: diag.HourBehind, or: shutOrNot, breaks: both(server(two), entry(func(h *hosts.Host) { h.Gap = 600 * time.Millisecond }))},
		{name: "strict is set here, 3 h behind", server: knocktest.Options{At: stale}, want: diag.HourBehind, opens: true, breaks: entry(func(h *hosts.Host) { h.Strict = true }), also: offset(-3)},
		{name: "a window of 30 s is set here, of 2 s there", server: knocktest.Options{Window: 2 * time.Second}, want: diag.Opens, breaks: entry(func(h *hosts.Host) { h.Window = 30 * time.Second })},
		{name: "a window of 1 s, 600 ms away, 1 h behind", server: knocktest.Options{Window: time.Second, At: shift(-time.Hour), Path: knocktest.Path{Delay: 300 * time.Millisecond}}, want: diag.HourBehind, opens: true, also: offset(-1)},
		{name: "top port one less, at the gate of rapport rules, the guard is known", server: knocktest.Options{Range: lesser, NoGate: true}, want: diag.RangeMismatch, opens: true, breaks: both(scripted(script.NFT, nil), entry(func(h *hosts.Host) { h.SweepGuard = script.DefaultSweepGuard }))},

		{name: "only IPv6 is known, and the gate is for IPv4 alone", server: knocktest.Options{V6: knocktest.Shut}, among: shutOrNot, breaks: named(knock.Family6, onlyHere6)},
		{name: "banned in silence over IPv4, and not over IPv6", want: diag.FamilyMismatch, opens: true, breaks: both(named(knock.Family4, here4), bannedInSilence)},
		{name: "a firewall here drops SSH", among: []diag.Code{diag.Unexplained, diag.KnocksBlocked, diag.HostUnreachable, diag.GateDiffers}, breaks: func(t *testing.T, s *knocktest.Server, _ *patient) {
			s.BlockHere(t, s.Addr4, knocktest.Drop, knocktest.Port(22))
		}},
		{name: "a router rejects SSH alone", server: knocktest.Options{Router: true}, among: []diag.Code{diag.Unexplained, diag.KnocksBlocked, diag.GateDiffers, diag.AddressChanges}, breaks: block(knocktest.AdminProhibited, knocktest.Port(22))},
		{name: "a router drops one knock of this hour, 3 h behind", server: knocktest.Options{Router: true, At: stale}, want: diag.HourBehind, opens: true, breaks: block(knocktest.Drop, knocktest.Port(knockPort(4)))},
		{name: "a router rejects all but SSH and the web", server: knocktest.Options{Router: true}, clocks: knocktest.Clocks{HTTP: true}, want: diag.KnocksBlocked, breaks: both(block(knocktest.AdminProhibited, knocktest.Ports{First: 1, Last: 21}), block(knocktest.AdminProhibited, knocktest.Ports{First: 1024, Last: 65535}))},
		{name: "a router says host unreachable for SSH alone", server: knocktest.Options{Router: true}, among: []diag.Code{diag.KnocksBlocked, diag.HostUnreachable}, breaks: block(knocktest.HostUnreachable, knocktest.Port(22)), also: possible(diag.KnocksBlocked)},
		{name: "a router says host unreachable for SSH alone, IPv6", server: knocktest.Options{Router: true}, among: []diag.Code{diag.KnocksBlocked, diag.HostUnreachable}, breaks: both(overIPv6, block(knocktest.HostUnreachable, knocktest.Port(22))), also: possible(diag.KnocksBlocked)},
		{name: "a home router forwards SSH alone", server: knocktest.Options{Router: true}, among: shutOrNot, breaks: forwardsSSH, also: says("not SSH alone")},
		{name: "a home router forwards SSH alone, the rules are given", server: knocktest.Options{Router: true}, want: diag.Unexplained, breaks: both(forwardsSSH, givesRules), also: says("the knocks do not arrive")},
		{name: "the network goes away, another secret, at a gate that rejects", server: knocktest.Options{Secret: "b4rf00", Refusal: knocktest.Reset}, among: away, breaks: goesAway(3 * time.Second), also: bothPossible},
		{name: "the network goes away when the right hour was found", server: noSSHD(knocktest.Options{At: stale, Router: true}), want: diag.HostUnreachable, breaks: cutOffAfterBanner, also: says("seemed to open with hour 2026-11-22-05")},
		{name: "the network goes away, another secret, a web server", server: knocktest.Options{Secret: "b4rf00"}, clocks: knocktest.Clocks{HTTP: true}, among: away, breaks: goesAway(6 * time.Second), also: bothPossible},
		{name: "every packet arrives twice", server: knocktest.Options{Path: knocktest.Path{Delay: 5 * time.Millisecond, Duplicate: 1}}, want: diag.Opens},
		{name: "every packet arrives twice, 3 h behind", server: knocktest.Options{At: stale, Path: knocktest.Path{Delay: 5 * time.Millisecond, Duplicate: 1}}, want: diag.HourBehind, opens: true, also: offset(-3)},

		{idle: true, name: "another user behind the same NAT knocks every 7 s, and the secret is wrong here", among: []diag.Code{diag.Unexplained, diag.AlreadyOpen, diag.Opens, diag.AddressChanges, diag.GateDiffers}, breaks: both(others(7*time.Second), func(_ *testing.T, _ *knocktest.Server, p *patient) { p.secret = "b4rf00" })},
		{idle: true, name: "another user behind the same NAT knocks every 9 s, and a wrong skew is set here", want: diag.HourBehind, or: []diag.Code{diag.Unexplained, diag.AlreadyOpen, diag.Opens}, breaks: both(others(9*time.Second), entry(func(h *hosts.Host) { h.Skew = 2 * time.Hour }))},

		{name: "another user behind the same NAT knocks during the slow handshake, and the secret is wrong here", want: diag.Unexplained, also: openedOnce, breaks: both(amid(slowly), func(_ *testing.T, _ *knocktest.Server, p *patient) { p.secret = "b4rf00" })},
		{idle: true, name: "another user behind the same NAT knocks between two attempts, and the secret is wrong here", want: diag.Unexplained, also: openedOnce, breaks: both(amid(attempted), func(_ *testing.T, _ *knocktest.Server, p *patient) { p.secret = "b4rf00" })},

		{name: "rules without a gate are given, 3 h behind", server: knocktest.Options{At: stale}, want: diag.HourBehind, opens: true, breaks: noGateGiven, also: offset(-3)},
		{name: "rules of five hours ago are given, 3 h behind", server: knocktest.Options{At: stale}, want: diag.HourBehind, opens: true, breaks: oldRules(func(o *knocktest.Options) { o.At = shift(-5 * time.Hour) }), also: offset(-3)},
		{name: "rules for IPv4 alone are given, and the gate for IPv6 is shut", server: knocktest.Options{V6: knocktest.Shut}, among: append([]diag.Code{diag.Unexplained}, shutOrNot...), breaks: both(overIPv6, func(t *testing.T, s *knocktest.Server, p *patient) {
			f, err := gate.ReadRules(strings.NewReader(s.Run(t, "iptables-save")))
			if err != nil {
				t.Fatal(err)
			}
			p.doctor.Rules = &f
		})},
		{name: "rules with another range are given, and it opens", want: diag.Opens, also: says("not those that the server has now"), breaks: oldRules(func(o *knocktest.Options) { o.Range = far })},
		{name: "an NTP server 5 h off is asked, and it opens", want: diag.Opens, breaks: asksAnother(5 * time.Hour)},
		{name: "an NTP server that is away is asked, 3 h behind", server: knocktest.Options{At: stale}, want: diag.HourBehind, opens: true, breaks: func(_ *testing.T, s *knocktest.Server, p *patient) {
			p.host.NTP = []string{s.Unused(s.Addr4).String()}
		}, also: offset(-3)},
		{name: "a service on four knock ports", want: diag.Opens, breaks: func(t *testing.T, s *knocktest.Server, _ *patient) {
			for k := 1; k <= 4; k++ {
				s.ServePort(t, knockPort(k), false, knocktest.Say("HTTP/1.1 400 Bad Request\r\n\r\n"))
			}
		}},
		{name: "a server without ICMP and with a tarpit on the web's port", want: diag.Opens, breaks: func(t *testing.T, s *knocktest.Server, _ *patient) {
			s.AddRule(t, "-I INPUT -p icmp -j DROP")
			s.ServePort(t, 80, true, func(c net.Conn) { _, _ = c.Read(make([]byte, 1)) })
		}},
		{name: "two families of a name, both right", want: diag.Opens, breaks: named(knock.FamilyAuto, here4)},
	}
}
