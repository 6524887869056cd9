package diag_test

import (
	"net"
	"slices"
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
func servesSecond(handle func(net.Conn)) breaking {
	var first atomic.Bool
	return serves(func(c net.Conn) {
		if first.CompareAndSwap(false, true) {
			knocktest.Hold(c)
			return
		}
		handle(c)
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

// controlFaults are answers that mean something only next to their control: the same
// answer comes without a knock, or from other ports.
func controlFaults(_ *testing.T) []fault {
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
	holds := []diag.Code{diag.SSHSilent, diag.KnocksIntercepted, diag.Unexplained}
	return []fault{
		{name: "a tarpit on 22 in front of a gate", server: knocktest.Options{Router: true}, among: holds, breaks: holdsSSH, also: saysNot("gate opened")},
		{name: "a tarpit on 22 in front of a gate, 3 h behind", server: routed(stale), among: holds, breaks: holdsSSH, also: saysNot("gate opened")},
		{name: "a tarpit on 22 in front of a gate, IPv6", server: knocktest.Options{Router: true}, among: holds, breaks: both(overIPv6, holdsSSH), also: saysNot("gate opened")},
		{name: "a penalty, and no gate", server: noGate, want: diag.SSHRefusing, breaks: serves(knocktest.Say(knocktest.Penalty)), also: saysNot("the gate opened")},
		{name: "a penalty, and no gate, IPv6", server: noGate, want: diag.SSHRefusing, breaks: both(overIPv6, serves(knocktest.Say(knocktest.Penalty))), also: saysNot("the gate opened")},
		{name: "MaxStartups, and no gate", server: noGate, want: diag.SSHRefusing, breaks: serves(knocktest.Say(knocktest.MaxStartups)), also: saysNot("the gate opened")},
		{name: "a penalty, 3 h behind", server: knocktest.Options{NoSSHD: true, At: stale.At}, want: diag.HourBehind, or: []diag.Code{diag.SSHRefusing}, breaks: serves(knocktest.Say(knocktest.Penalty)), also: possible(diag.HourBehind)},
		{name: "sshd is stuck, and no gate", server: noGate, among: []diag.Code{diag.SSHSilent, diag.KnocksIntercepted}, breaks: serves(knocktest.Hold), also: saysNot("gate opened")},
		{name: "a mail server in sshd's place, and no gate", server: noGate, want: diag.SSHSilent, breaks: serves(knocktest.Say(anotherID)), also: saysNot("gate opened")},
		{name: "a slow banner", server: behindGate, want: diag.Opens, breaks: serves(knocktest.SayAfter(3*time.Second, banner))},
		{name: "a slow banner, at a gate that rejects", server: knocktest.Options{NoSSHD: true, Refusal: knocktest.Reset}, want: diag.Opens, breaks: serves(knocktest.SayAfter(3*time.Second, banner))},
		{name: "a slow banner, IPv6", server: behindGate, want: diag.Opens, breaks: both(overIPv6, serves(knocktest.SayAfter(3*time.Second, banner)))},
		{name: "a knock is lost, and then the first banner", server: behindGate, want: diag.LossyPath, or: []diag.Code{diag.Opens}, breaks: both(loses(knocktest.Loss{Ports: knocktest.Port(knockPort(3)), Nth: 1}), servesSecond(knocktest.Say(banner)))},
		{name: "a slow banner, and no gate", server: noGate, want: diag.AlreadyOpen, breaks: serves(knocktest.SayAfter(3*time.Second, banner))},
		{name: "a slow banner, 3 h behind", server: knocktest.Options{NoSSHD: true, At: stale.At}, want: diag.HourBehind, opens: true, breaks: serves(knocktest.SayAfter(3*time.Second, banner))},
		{name: "no gate, and the first probe is lost", server: knocktest.Options{NoGate: true}, want: diag.AlreadyOpen, breaks: loses(knocktest.Loss{Ports: knocktest.Port(22), Nth: 1})},
		{name: "no gate, and every second SYN to SSH is lost", server: knocktest.Options{NoGate: true}, want: diag.AlreadyOpen, breaks: loses(knocktest.Loss{Ports: knocktest.Port(22), Nth: 1, Every: 2})},
		{name: "no gate, and 20 % of the packets are lost", server: knocktest.Options{NoGate: true, Path: knocktest.Path{Delay: 10 * time.Millisecond, Loss: 0.2, Seed: 4}}, want: diag.AlreadyOpen},
		{name: "the SYN to SSH after the knocks is lost", want: diag.Opens, or: []diag.Code{diag.LossyPath}, breaks: loses(knocktest.Loss{Ports: knocktest.Port(22), Nth: 2})},
		{name: "two of the knocks are lost, 3 h behind", server: stale, want: diag.HourBehind, opens: true, breaks: loses(knocktest.Loss{Ports: knocktest.Within(knock.DefaultRange), Nth: 4, Every: 60})},
	}
}
