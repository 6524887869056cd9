package diag_test

import (
	"net"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"rapport/diag"
	"rapport/knock"
	"rapport/knock/knocktest"
)

// breaking is what a row does to its server and its client.
type breaking = func(*testing.T, *knocktest.Server, *patient)

// both does one thing after the other.
func both(all ...breaking) breaking {
	return func(t *testing.T, s *knocktest.Server, p *patient) {
		for _, f := range all {
			f(t, s, p)
		}
	}
}

// overIPv6 makes the client use the server's IPv6 address.
func overIPv6(_ *testing.T, s *knocktest.Server, p *patient) { p.host.Address = s.Addr6.String() }

// serves puts a service in the place of sshd.
func serves(handle func(net.Conn)) breaking {
	return func(t *testing.T, s *knocktest.Server, _ *patient) { s.ServeSSH(t, handle) }
}

// servesSecond puts a service in the place of sshd that says nothing on its first
// connection, as if the packets of that one got lost.
func servesSecond(handle func(net.Conn)) breaking { return servesAfter(1, handle) }

// servesAfter is servesSecond for the first n connections.
func servesAfter(n int32, handle func(net.Conn)) breaking {
	var made atomic.Int32
	return serves(func(c net.Conn) {
		if made.Add(1) <= n {
			knocktest.Hold(c)
			return
		}
		handle(c)
	})
}

// closesEverySecond closes the first connection without a word, the third, and so on.
func closesEverySecond() breaking {
	var made atomic.Int32
	return serves(func(c net.Conn) {
		if made.Add(1)%2 == 0 {
			knocktest.Say(banner)(c)
			knocktest.Hold(c)
		}
	})
}

// possible says that the report names a cause, be it the verdict or not.
func possible(code diag.Code) func(diag.Report) bool {
	return func(r diag.Report) bool {
		return slices.ContainsFunc(r.Causes, func(c diag.Cause) bool { return c.Code == code })
	}
}

// says says that a text is in the report.
func says(text string) func(diag.Report) bool {
	return func(r diag.Report) bool { return strings.Contains(r.Text(true), text) }
}

// saysNot says that a text is nowhere in the report.
func saysNot(text string) func(diag.Report) bool {
	return func(r diag.Report) bool { return !strings.Contains(r.Text(true), text) }
}

const (
	banner    = "SSH-2.0-OpenSSH_9.2\r\n"
	anotherID = "220 mail.example.org ESMTP\r\n"
)

// drips says the banner in pieces of so many bytes, with pauses after them.
func drips(n int, pause time.Duration) func(net.Conn) {
	return func(c net.Conn) {
		for piece := range slices.Chunk([]byte(banner), n) {
			_, _ = c.Write(piece)
			time.Sleep(pause)
		}
		knocktest.Hold(c)
	}
}

// trapUntilKnocked makes something that is not SSH answer on SSH's port to whoever has not knocked.
func trapUntilKnocked(t *testing.T, s *knocktest.Server, _ *patient) {
	const trap = 2299
	s.ServePort(t, trap, true, knocktest.Say("a8f3kd92l\r\n"))
	s.Run(t, "iptables", "-w", "-t", "nat", "-A", "PREROUTING", "-p", "tcp", "--dport", "22", "-m", "recent", "!", "--rcheck", "--seconds", "5", "--name", "PK_PHASE5", "-j", "REDIRECT", "--to-ports", strconv.Itoa(trap))
}

// far puts a server so many milliseconds away.
func far(ms int, o knocktest.Options) knocktest.Options {
	o.Path = knocktest.Path{Delay: time.Duration(ms) * time.Millisecond / 2}
	return o
}

// controlFaults are answers that mean something only next to their control: the same
// answer comes without a knock, or from other ports.
func controlFaults(t *testing.T) []fault {
	stale := knocktest.Options{At: shift(-3 * time.Hour)}
	noGate := knocktest.Options{NoGate: true, NoSSHD: true}
	behindGate := knocktest.Options{NoSSHD: true}
	holdsSSH := func(t *testing.T, s *knocktest.Server, _ *patient) {
		s.Router.Intercept(t, knocktest.Port(22), knocktest.Hold)
	}
	routed := func(o knocktest.Options) knocktest.Options { o.Router = true; return o }
	loses := func(l knocktest.Loss) breaking {
		return func(t *testing.T, s *knocktest.Server, _ *patient) { s.Lose(t, l) }
	}
	loseFirst := func(n int) (b breaking) {
		return both(slices.Repeat([]breaking{loses(knocktest.Loss{Ports: knocktest.Port(22), Nth: 1})}, n)...)
	}
	lossy := func(share float64, seed uint64) knocktest.Options {
		return knocktest.Options{NoGate: true, Path: knocktest.Path{Delay: 10 * time.Millisecond, Loss: share, Seed: seed}}
	}
	holds := []diag.Code{diag.SSHSilent, diag.KnocksIntercepted, diag.Unexplained}
	return []fault{
		{name: "a tarpit on 22 in front of a gate", server: knocktest.Options{Router: true}, among: holds, breaks: holdsSSH, also: saysNot("gate opened")},
		{name: "a tarpit on 22 in front of a gate, 3 h behind", server: routed(stale), among: holds, breaks: holdsSSH, also: saysNot("gate opened")},
		{name: "a tarpit on 22 in front of a gate, IPv6", server: knocktest.Options{Router: true}, among: holds, breaks: both(overIPv6, holdsSSH), also: saysNot("gate opened")},
		{name: "a router's own SSH answers at the server's address", server: routed(knocktest.Options{}), want: diag.AlreadyOpen, also: says("another machine answers"), breaks: func(t *testing.T, s *knocktest.Server, _ *patient) {
			s.Router.Intercept(t, knocktest.Port(22), func(c net.Conn) {
				knocktest.Say("SSH-2.0-dropbear_2019.78\r\n")(c)
				knocktest.Hold(c)
			})
		}},
		{name: "SSH at an address of this machine itself", want: diag.AlreadyOpen, also: says("run it from another machine"), breaks: func(t *testing.T, s *knocktest.Server, p *patient) {
			knocktest.Listen(t, net.JoinHostPort(s.Client4.String(), "22"), knocktest.SayAfter(0, banner))
			p.host.Address = s.Client4.String()
		}},
		{name: "a penalty, and no gate", server: noGate, want: diag.SSHRefusing, breaks: serves(knocktest.Say(knocktest.Penalty)), also: saysNot("the gate opened")},
		{name: "a penalty, and no gate, IPv6", server: noGate, want: diag.SSHRefusing, breaks: both(overIPv6, serves(knocktest.Say(knocktest.Penalty))), also: saysNot("the gate opened")},
		{name: "MaxStartups, and no gate", server: noGate, want: diag.SSHRefusing, breaks: serves(knocktest.Say(knocktest.MaxStartups)), also: saysNot("the gate opened")},
		{name: "a penalty, 3 h behind", server: knocktest.Options{NoSSHD: true, At: stale.At}, want: diag.HourBehind, or: []diag.Code{diag.SSHRefusing}, breaks: serves(knocktest.Say(knocktest.Penalty)), also: possible(diag.HourBehind)},
		{name: "SSH's port closes each connection at once", server: knocktest.Options{NoSSHD: true}, want: diag.SSHSilent, breaks: serves(knocktest.Say("")), also: says("closes it without a banner")},
		{name: "sshd is stuck, and no gate", server: noGate, among: []diag.Code{diag.SSHSilent, diag.KnocksIntercepted}, breaks: serves(knocktest.Hold), also: saysNot("gate opened")},
		{name: "a mail server in sshd's place, and no gate", server: noGate, want: diag.SSHSilent, breaks: serves(knocktest.Say(anotherID)), also: saysNot("gate opened")},
		{name: "a slow banner", server: behindGate, want: diag.Opens, breaks: serves(knocktest.SayAfter(3*time.Second, banner))},
		{name: "a slow banner, at a gate that rejects", server: knocktest.Options{NoSSHD: true, Refusal: knocktest.Reset}, want: diag.Opens, breaks: serves(knocktest.SayAfter(3*time.Second, banner))},
		{name: "a slow banner, IPv6", server: behindGate, want: diag.Opens, breaks: both(overIPv6, serves(knocktest.SayAfter(3*time.Second, banner)))},
		{name: "a banner after 6 s", server: behindGate, want: diag.Opens, breaks: serves(knocktest.SayAfter(6*time.Second, banner))},
		{name: "a banner after 10 s, at a gate that rejects, IPv6", server: knocktest.Options{NoSSHD: true, Refusal: knocktest.Reset}, want: diag.Opens, breaks: both(overIPv6, serves(knocktest.SayAfter(10*time.Second, banner)))},
		{name: "a banner after 6 s, 3 h behind", server: knocktest.Options{NoSSHD: true, At: stale.At}, want: diag.HourBehind, opens: true, breaks: serves(knocktest.SayAfter(6*time.Second, banner))},
		{name: "a knock is lost, and then the first banner", server: behindGate, want: diag.LossyPath, or: []diag.Code{diag.Opens}, breaks: both(loses(knocktest.Loss{Ports: knocktest.Port(knockPort(3)), Nth: 1}), servesSecond(knocktest.Say(banner)))},
		{name: "a banner byte by byte", server: behindGate, want: diag.Opens, breaks: serves(drips(1, 60*time.Millisecond))},
		{name: "a banner byte by byte, IPv6", server: behindGate, want: diag.Opens, breaks: both(overIPv6, serves(drips(1, 150*time.Millisecond)))},
		{name: "a banner in pieces, at a gate that rejects", server: knocktest.Options{NoSSHD: true, Refusal: knocktest.Reset}, want: diag.Opens, breaks: serves(drips(7, 700*time.Millisecond))},
		{name: "a banner byte by byte, and no gate", server: noGate, want: diag.AlreadyOpen, breaks: serves(drips(1, 60*time.Millisecond))},
		{name: "a banner byte by byte, 3 h behind", server: knocktest.Options{NoSSHD: true, At: stale.At}, want: diag.HourBehind, opens: true, breaks: serves(drips(1, 60*time.Millisecond))},
		{name: "a slow banner, and no gate", server: noGate, want: diag.AlreadyOpen, breaks: serves(knocktest.SayAfter(3*time.Second, banner))},
		{name: "a slow banner, 3 h behind", server: knocktest.Options{NoSSHD: true, At: stale.At}, want: diag.HourBehind, opens: true, breaks: serves(knocktest.SayAfter(3*time.Second, banner))},
		{name: "no gate, and the first probe is lost", server: knocktest.Options{NoGate: true}, want: diag.AlreadyOpen, breaks: loses(knocktest.Loss{Ports: knocktest.Port(22), Nth: 1})},
		{name: "no gate, and the first two SYNs to SSH are lost", server: knocktest.Options{NoGate: true}, among: []diag.Code{diag.AlreadyOpen, diag.Opens}, also: possible(diag.AlreadyOpen), breaks: both(loses(knocktest.Loss{Ports: knocktest.Port(22), Nth: 1}), loses(knocktest.Loss{Ports: knocktest.Port(22), Nth: 1}))},
		{name: "no gate, and the first three SYNs to SSH are lost", server: knocktest.Options{NoGate: true}, want: diag.AlreadyOpen, breaks: loseFirst(3)},
		{name: "no gate behind a router, and the first three SYNs to SSH are lost", server: knocktest.Options{NoGate: true, Router: true}, want: diag.AlreadyOpen, breaks: loseFirst(3)},
		{name: "no gate behind a router, and the first three SYNs to SSH are lost, IPv6", server: knocktest.Options{NoGate: true, Router: true}, want: diag.AlreadyOpen, breaks: both(overIPv6, loseFirst(3))},
		{name: "sshd is stopped, at a gate that rejects, and the first SYN to SSH is lost", server: knocktest.Options{NoSSHD: true, Refusal: knocktest.Reset}, among: []diag.Code{diag.SSHDown, diag.Unexplained, diag.GateDiffers}, breaks: loseFirst(1)},
		{name: "sshd is stopped, SSH alone is reset", server: knocktest.Options{NoSSHD: true}, among: []diag.Code{diag.SSHDown, diag.Unexplained, diag.GateDiffers}, breaks: func(t *testing.T, s *knocktest.Server, _ *patient) {
			s.AddRule(t, "-A INPUT -p tcp --dport 22 -j REJECT --reject-with tcp-reset")
		}, also: possible(diag.SSHDown)},
		{name: "3 h behind, at a gate that rejects, and the first SYN to SSH is lost", server: knocktest.Options{At: stale.At, Refusal: knocktest.Reset}, want: diag.HourBehind, opens: true, breaks: loseFirst(1)},
		{name: "no gate, and the first four SYNs to SSH are lost", server: knocktest.Options{NoGate: true}, want: diag.AlreadyOpen, breaks: loseFirst(4)},
		{name: "no gate, and the first five SYNs to SSH are lost, IPv6", server: knocktest.Options{NoGate: true}, want: diag.AlreadyOpen, breaks: both(overIPv6, loseFirst(5))},
		{name: "no gate, and the first two banners are lost", server: noGate, want: diag.AlreadyOpen, breaks: servesAfter(2, knocktest.Say(banner))},
		{name: "no gate, and 30 % of the packets are lost", server: lossy(0.3, 302), want: diag.AlreadyOpen},
		{name: "no gate, and 20 % of the packets are lost, also all of the second probe", server: lossy(0.2, 203), want: diag.AlreadyOpen},
		{name: "nothing, and 40 % of the packets are lost", server: knocktest.Options{Path: knocktest.Path{Delay: 10 * time.Millisecond, Loss: 0.4, Seed: 109}}, want: diag.LossyPath, or: []diag.Code{diag.Opens, diag.Unexplained}},
		{name: "nothing, and 40 % of the packets are lost, at a gate that rejects", server: knocktest.Options{Refusal: knocktest.Reset, Path: knocktest.Path{Delay: 10 * time.Millisecond, Loss: 0.4, Seed: 112}}, want: diag.LossyPath, or: []diag.Code{diag.Opens, diag.Unexplained}},
		{name: "no gate, and 40 % of the packets are lost", server: lossy(0.4, 314), want: diag.AlreadyOpen},
		{name: "a trap answers on SSH's port until the gate opens", want: diag.Opens, breaks: trapUntilKnocked},
		{name: "every second connection is closed", server: behindGate, among: []diag.Code{diag.Opens, diag.SSHRefusing}, breaks: closesEverySecond(), also: says("closes some")},
		{name: "every second connection is closed, at a gate that rejects", server: knocktest.Options{NoSSHD: true, Refusal: knocktest.Reset}, among: []diag.Code{diag.Opens, diag.SSHRefusing}, breaks: closesEverySecond()},
		{name: "every second connection is closed, and no gate", server: noGate, want: diag.AlreadyOpen, or: []diag.Code{diag.SSHSilent}, breaks: closesEverySecond()},
		{name: "no gate, 1200 ms away", server: knocktest.Options{NoGate: true, Path: knocktest.Path{Delay: 600 * time.Millisecond}}, want: diag.AlreadyOpen},
		{name: "sshd is stuck, and no gate, 1200 ms away", server: far(1200, noGate), among: []diag.Code{diag.SSHSilent, diag.KnocksIntercepted}, breaks: serves(knocktest.Hold), also: saysNot("gate opened")},
		{name: "3 h behind, 1200 ms away", server: far(1200, stale), want: diag.HourBehind, opens: true},
		{name: "3 h behind, 1200 ms away, at a gate that rejects", server: far(1200, knocktest.Options{At: stale.At, Refusal: knocktest.Reset}), want: diag.HourBehind, opens: true},
		{name: "top port one less, 1200 ms away", server: far(1200, knocktest.Options{Range: knocktest.NewRange(t, 10000, 10998)}), want: diag.RangeMismatch, opens: true},
		{name: "sshd is stopped, 1200 ms away", server: far(1200, behindGate), want: diag.SSHDown},
		{name: "nothing, 1800 ms away", server: far(1800, knocktest.Options{}), want: diag.Opens},
		{name: "no gate, 1800 ms away", server: far(1800, knocktest.Options{NoGate: true}), want: diag.AlreadyOpen},
		{name: "sshd is stopped, 1800 ms away", server: far(1800, behindGate), want: diag.SSHDown},
		{name: "1 h behind, 1800 ms away", server: far(1800, knocktest.Options{At: shift(-time.Hour)}), want: diag.HourBehind, opens: true},
		{name: "3 h behind, 1800 ms away, at a gate that rejects", server: far(1800, knocktest.Options{At: shift(-3 * time.Hour), Refusal: knocktest.Reset}), want: diag.HourBehind, opens: true},
		{name: "3 h behind, 1800 ms away, at a gate that rejects, IPv6", server: far(1800, knocktest.Options{At: shift(-3 * time.Hour), Refusal: knocktest.PortUnreachable}), want: diag.HourBehind, opens: true, breaks: overIPv6},
		{name: "nothing, 1200 ms away", server: knocktest.Options{Path: knocktest.Path{Delay: 600 * time.Millisecond}}, want: diag.Opens},
		{name: "no gate, and every second SYN to SSH is lost", server: knocktest.Options{NoGate: true}, want: diag.AlreadyOpen, breaks: loses(knocktest.Loss{Ports: knocktest.Port(22), Nth: 1, Every: 2})},
		{name: "no gate, and 20 % of the packets are lost", server: knocktest.Options{NoGate: true, Path: knocktest.Path{Delay: 10 * time.Millisecond, Loss: 0.2, Seed: 4}}, want: diag.AlreadyOpen},
		{name: "the SYN to SSH after the knocks is lost", want: diag.Opens, or: []diag.Code{diag.LossyPath}, breaks: loses(knocktest.Loss{Ports: knocktest.Port(22), Nth: 2})},
		{name: "two of the knocks are lost, 3 h behind", server: stale, want: diag.HourBehind, opens: true, breaks: loses(knocktest.Loss{Ports: knocktest.Within(knock.DefaultRange), Nth: 4, Every: 60})},
	}
}
