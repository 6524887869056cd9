package diag_test

import (
	"strings"
	"testing"
	"time"

	"rapport/diag"
	"rapport/diag/scan"
	"rapport/knock"
	"rapport/knock/gate/script"
	"rapport/knock/knocktest"
)

// orSaysLost says that the verdict is that cause, with what opens the gate, or that the
// doctor is honest: it says that packets get lost and to run it again, takes no other cause
// for likely, and has that one among the causes.
func orSaysLost(cause diag.Code) func(diag.Report) bool {
	return func(r diag.Report) bool {
		if r.Verdict.Code == cause {
			return cause == diag.SecretVariant || !r.Verdict.Change.IsZero()
		}
		text := r.Text(true)
		return r.Verdict.Code == diag.Unexplained && r.Causes[0].Code == diag.Unexplained && possible(cause)(r) &&
			strings.Contains(text, "run it again") && strings.Contains(text, "packets get lost")
	}
}

// pairFaults are faults on lossy and slow paths, over IPv6, and at gates that reject.
func pairFaults(t *testing.T) []fault {
	stale := shift(-3 * time.Hour)
	lesser, greater := knocktest.NewRange(t, 10000, 10998), knocktest.NewRange(t, 10000, 11000)
	lossy := func(share float64, seed uint64) knocktest.Path {
		return knocktest.Path{Delay: 10 * time.Millisecond, Loss: share, Seed: seed}
	}
	jitter := knocktest.Path{Delay: 20 * time.Millisecond, Jitter: 30 * time.Millisecond, Seed: 3}
	noNewline := func(s string) string { return strings.TrimSuffix(s, "\n") }
	block := func(how knocktest.Refusal) breaking {
		return func(t *testing.T, s *knocktest.Server, _ *patient) {
			s.Router.Block(t, how, knocktest.Within(knock.DefaultRange))
		}
	}
	works := []diag.Code{diag.LossyPath}
	// Where so many packets are lost or overtake each other, chance decides whether there is
	// time for all windows that it takes.
	lottery := []diag.Code{diag.Unexplained}
	future := func(_ *testing.T, _ *knocktest.Server, p *patient) { p.doctor.Future = scan.DefaultPast }
	return []fault{
		{name: "nothing, IPv6", want: diag.Opens, breaks: overIPv6},
		{name: "nothing, and 20 % of the packets are lost", server: knocktest.Options{Path: lossy(0.2, 1)}, want: diag.Opens, or: works},
		{idle: true, name: "nothing, and 20 % of the packets are lost, IPv6", server: knocktest.Options{Path: lossy(0.2, 2)}, want: diag.Opens, or: works, breaks: overIPv6},
		{name: "nothing, and 20 % of the packets are lost, at a gate that rejects", server: knocktest.Options{Path: lossy(0.2, 3), Refusal: knocktest.Reset}, want: diag.Opens, or: works},
		{name: "nothing, and packets overtake each other", server: knocktest.Options{Path: jitter}, want: diag.Opens, or: works},
		{name: "nothing, at a gate that says prohibited, IPv6", server: knocktest.Options{Refusal: knocktest.AdminProhibited}, want: diag.Opens, breaks: overIPv6},
		{name: "1 h behind, and 20 % of the packets are lost", server: knocktest.Options{At: shift(-time.Hour), Path: lossy(0.2, 5)}, want: diag.HourBehind, or: lottery, also: orSaysLost(diag.HourBehind)},
		{name: "3 h behind, and 10 % of the packets are lost, IPv6", server: knocktest.Options{At: stale, Path: lossy(0.1, 6)}, want: diag.HourBehind, or: lottery, also: orSaysLost(diag.HourBehind), breaks: overIPv6},
		{name: "3 h behind, and 20 % of the packets are lost, at a gate that rejects", server: knocktest.Options{At: stale, Path: lossy(0.2, 7), Refusal: knocktest.Reset}, want: diag.HourBehind, or: lottery, also: orSaysLost(diag.HourBehind)},
		{idle: true, name: "3 h behind, and packets overtake each other", server: knocktest.Options{At: stale, Path: jitter}, want: diag.HourBehind, or: lottery, also: orSaysLost(diag.HourBehind)},
		{name: "top port one less, and 20 % of the packets are lost", server: knocktest.Options{Range: lesser, Path: lossy(0.2, 8)}, want: diag.RangeMismatch, or: lottery, also: orSaysLost(diag.RangeMismatch)},
		{name: "another secret, and 20 % of the packets are lost", server: knocktest.Options{Secret: "b4rf00", Path: lossy(0.2, 9)}, want: diag.Unexplained},
		{name: "sshd is stopped, and 20 % of the packets are lost", server: knocktest.Options{NoSSHD: true, Path: lossy(0.2, 10)}, want: diag.SSHDown},
		{name: "the secret lacks its newline, and 10 % of the packets are lost", server: knocktest.Options{Hashed: noNewline, Path: lossy(0.1, 11)}, want: diag.SecretVariant, or: lottery, also: orSaysLost(diag.SecretVariant)},

		{name: "3 h behind, IPv6", server: knocktest.Options{At: stale}, want: diag.HourBehind, opens: true, breaks: overIPv6},
		{name: "3 h behind, IPv6, at a gate that says port unreachable", server: knocktest.Options{At: stale, Refusal: knocktest.PortUnreachable}, want: diag.HourBehind, opens: true, breaks: overIPv6},
		{name: "3 h behind, IPv6, 600 ms away", server: knocktest.Options{At: stale, Path: knocktest.Path{Delay: 300 * time.Millisecond}}, want: diag.HourBehind, opens: true, breaks: overIPv6},
		{name: "1 h ahead, future asked for, IPv6, at a gate that rejects", server: knocktest.Options{At: shift(time.Hour), Refusal: knocktest.Reset}, want: diag.HourAhead, opens: true, breaks: both(overIPv6, future)},
		{name: "top port one less, IPv6", server: knocktest.Options{Range: lesser}, want: diag.RangeMismatch, opens: true, breaks: overIPv6},
		{name: "top port one more, at a gate that rejects", server: knocktest.Options{Range: greater, Refusal: knocktest.Reset}, want: diag.RangeMismatch, opens: true},
		{name: "top port one more, 3 h behind, IPv6", server: knocktest.Options{Range: greater, At: stale}, want: diag.HourBehind, or: []diag.Code{diag.RangeMismatch}, opens: true, breaks: overIPv6},
		{name: "the secret lacks its newline, 3 h behind", server: knocktest.Options{Hashed: noNewline, At: stale}, want: diag.HourBehind, or: []diag.Code{diag.SecretVariant}, also: possible(diag.SecretVariant)},
		{name: "the secret lacks its newline, IPv6, at a gate that rejects", server: knocktest.Options{Hashed: noNewline, Refusal: knocktest.AdminProhibited}, want: diag.SecretVariant, breaks: overIPv6},
		{name: "another secret, IPv6, at a gate that rejects", server: knocktest.Options{Secret: "b4rf00", Refusal: knocktest.Reset}, want: diag.Unexplained, breaks: overIPv6},
		{name: "another secret, the rules are given, IPv6", server: knocktest.Options{Secret: "b4rf00"}, want: diag.Unexplained, breaks: both(overIPv6, givesRules)},
		{name: "sshd is stopped, IPv6", server: knocktest.Options{NoSSHD: true}, want: diag.SSHDown, breaks: overIPv6},
		{name: "sshd is stopped, IPv6, at a gate that resets", server: knocktest.Options{NoSSHD: true, Refusal: knocktest.Reset}, among: []diag.Code{diag.SSHDown, diag.Unexplained}, breaks: overIPv6, also: possible(diag.SSHDown)},
		{name: "sshd is stuck, IPv6, at a gate that rejects", server: knocktest.Options{NoSSHD: true, Refusal: knocktest.Reset}, want: diag.SSHSilent, breaks: both(overIPv6, serves(knocktest.Hold))},
		{name: "sshd has a penalty, IPv6", server: knocktest.Options{NoSSHD: true}, want: diag.SSHRefusing, breaks: both(overIPv6, serves(knocktest.Say(knocktest.Penalty)))},
		{name: "established connections are cut off, 3 h behind", server: knocktest.Options{CutOff: true, At: stale}, want: diag.HourBehind, or: []diag.Code{diag.SSHSilent}, also: possible(diag.SSHSilent)},
		{name: "a router rejects the knocks, 3 h behind", server: knocktest.Options{Router: true, At: stale}, want: diag.KnocksBlocked, breaks: block(knocktest.AdminProhibited)},
		{name: "a router resets the knocks, IPv6", server: knocktest.Options{Router: true}, want: diag.KnocksBlocked, breaks: both(overIPv6, block(knocktest.Reset))},
		{name: "a router rejects the knocks, and 20 % of the packets are lost", server: knocktest.Options{Path: lossy(0.2, 12)}, want: diag.KnocksBlocked, breaks: block(knocktest.AdminProhibited)},
		{name: "no gate, IPv6", server: knocktest.Options{NoGate: true}, want: diag.AlreadyOpen, breaks: overIPv6},
		{name: "no gate, at a host that rejects", server: knocktest.Options{NoGate: true, Refusal: knocktest.Reset}, want: diag.AlreadyOpen},
		{name: "3 h behind, at the gate of rapport rules for one connection, IPv6", server: knocktest.Options{At: stale, NoGate: true}, want: diag.HourBehind, opens: true, breaks: both(overIPv6, scripted(script.IPTables, func(r *script.Rules) { r.OneShot = true }))},
	}
}
