package diag_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"rapport/diag"
	"rapport/knock"
	"rapport/knock/gate/script"
	"rapport/knock/hosts"
	"rapport/knock/knocktest"
)

// ofPhases hands the doctor the rules of another server, which has another gate.
func ofPhases(o knocktest.Options, ph knocktest.Phases) breaking {
	return func(t *testing.T, _ *knocktest.Server, p *patient) {
		if o.At.IsZero() {
			o.At = morning
		}
		o.NoSSHD, o.V4, o.V6 = true, knocktest.Shut, knocktest.Shut
		other := knocktest.NewServer(t, o)
		other.ServePhases(t, ph)
		givesRules(t, other, p)
	}
}

// sureOf says that the verdict is given with at least that likelihood.
func sureOf(least float64) func(diag.Report) bool {
	return func(r diag.Report) bool { return r.Causes[0].Likelihood >= least }
}

// all says all of these.
func all(each ...func(diag.Report) bool) func(diag.Report) bool {
	return func(r diag.Report) bool {
		return !slices.ContainsFunc(each, func(f func(diag.Report) bool) bool { return !f(r) })
	}
}

// claimsFaults are rules that are given and that are another server's, or old: the server
// decides.
func claimsFaults(t *testing.T) []fault {
	stale := knocktest.Options{At: shift(-3 * time.Hour)}
	lesser := knocktest.NewRange(t, 10000, 10998)
	wrong := says("they are not those that the server has now")
	offset := func(r diag.Report) bool { o := r.Verdict.Detail.HourOffset; return o != nil && *o == -3 }
	secret := oldRules(func(o *knocktest.Options) { o.Secret = "b4rf00" })
	yesterday := oldRules(func(o *knocktest.Options) { o.At = shift(-24 * time.Hour) })
	udp := ofPhases(knocktest.Options{}, knocktest.Phases{Protocol: "udp"})
	lost := []diag.Code{diag.Unexplained, diag.KnocksBlocked, diag.AddressChanges, diag.Banned}
	drops := func(t *testing.T, s *knocktest.Server, _ *patient) {
		s.Router.Block(t, knocktest.Drop, knocktest.Within(knock.DefaultRange))
	}
	lifted := func(t *testing.T, s *knocktest.Server, p *patient) {
		ban := []string{"-s", s.Client4.String(), "-p", "tcp", "--dport", "22", "-j", "REJECT"}
		s.Run(t, "iptables", append([]string{"-w", "-I", "INPUT"}, ban...)...)
		givesRules(t, s, p)
		s.Run(t, "iptables", append([]string{"-w", "-D", "INPUT"}, ban...)...)
	}
	ofScript := func(t *testing.T, _ *knocktest.Server, p *patient) {
		other := knocktest.NewServer(t, knocktest.Options{At: morning, NoSSHD: true, NoGate: true, Secret: "b4rf00"})
		scripted(script.IPTables, nil)(t, other, p)
		givesRules(t, other, p)
	}
	limited := func(t *testing.T, s *knocktest.Server, _ *patient) {
		s.AddRule(t, "-I INPUT -p tcp --syn -m hashlimit --hashlimit-above 2/sec --hashlimit-burst 3 --hashlimit-mode srcip --hashlimit-name syns -j DROP")
	}
	// sameSecret hands the doctor the rules of rapport's own gate on another server with this secret.
	sameSecret := func(change func(*script.Rules)) breaking {
		return func(t *testing.T, _ *knocktest.Server, p *patient) {
			other := knocktest.NewServer(t, knocktest.Options{At: morning, NoSSHD: true, NoGate: true})
			scripted(script.NFT, change)(t, other, p)
			readsRules(t, p, other.Run(t, "nft", "list", "ruleset"))
		}
	}
	noSecret := func(text string) string { return strings.Replace(text, knocktest.DefaultSecret, "", 1) }
	sixKnocks := ofPhases(knocktest.Options{Secret: "b4rf00"}, knocktest.Phases{Knocks: 6})
	return []fault{
		{name: "rules of another server are given, 3 h behind", server: stale, want: diag.HourBehind, opens: true, breaks: secret, also: all(offset, wrong)},
		{name: "rules of another server are given, 3 h behind, IPv6, at a gate that rejects", server: knocktest.Options{At: stale.At, Refusal: knocktest.Reset}, want: diag.HourBehind, opens: true, breaks: both(overIPv6, secret), also: all(offset, wrong)},
		{name: "rules of another server are given, 3 h behind, and every tenth packet is lost", server: knocktest.Options{At: stale.At, Path: knocktest.Path{Delay: 10 * time.Millisecond, Loss: 0.05, Seed: 5}}, want: diag.HourBehind, opens: true, breaks: secret, also: wrong},
		{name: "rules of another server are given, and it opens", want: diag.Opens, breaks: secret, also: wrong},
		{name: "rules of another server are given, top port one less", server: knocktest.Options{Range: lesser}, want: diag.RangeMismatch, opens: true, breaks: secret, also: wrong},
		{name: "rules of another server are given, the secret lacks its newline", server: knocktest.Options{Hashed: func(s string) string { return strings.TrimSuffix(s, "\n") }}, want: diag.SecretVariant, breaks: sixKnocks, also: wrong},
		{name: "rules of another server are given, sshd is stopped", server: knocktest.Options{NoSSHD: true}, want: diag.SSHDown, breaks: secret},
		{name: "rules of another server are given, 2 SYNs a second at the server", want: diag.RateLimited, opens: true, breaks: both(limited, secret)},
		{name: "rules of another server with a sweep guard are given, 3 h behind", server: stale, want: diag.HourBehind, opens: true, breaks: ofScript, also: all(offset, wrong)},
		{name: "rules of another server's gate for UDP are given, 3 h behind", server: stale, want: diag.HourBehind, opens: true, breaks: udp, also: all(offset, wrong)},
		{name: "rules of another server's gate for UDP are given, 3 h behind, IPv6", server: stale, want: diag.HourBehind, opens: true, breaks: both(overIPv6, udp), also: all(offset, wrong)},
		{name: "rules of another server where a rule drops all are given, 3 h behind", server: stale, want: diag.HourBehind, opens: true, breaks: ofPhases(knocktest.Options{}, knocktest.Phases{Front: []string{"-p tcp --dport 1024:65535 -j DROP"}}), also: all(offset, wrong)},
		{name: "rules of another server with another SSH port and secret are given, 3 h behind", server: stale, want: diag.HourBehind, opens: true, breaks: ofPhases(knocktest.Options{Secret: "b4rf00", SSHPort: 2222}, knocktest.Phases{}), also: all(offset, wrong)},
		{name: "rules of another server are given, and a router drops the knocks", server: knocktest.Options{Router: true}, among: lost, breaks: both(secret, drops), also: says("another server's, or old")},
		{name: "rules with another range are given, and a router drops the knocks", server: knocktest.Options{Router: true}, among: append([]diag.Code{diag.RangeMismatch}, lost...), breaks: both(oldRules(func(o *knocktest.Options) { o.Range = lesser }), drops), also: says("does not open it")},
		{name: "rules of yesterday are given, and the secret is another one now", server: knocktest.Options{Secret: "b4rf00"}, among: append([]diag.Code{diag.HourBehind}, lost...), breaks: yesterday, also: possible(diag.Unexplained)},
		{name: "rules of yesterday are given, 3 h behind", server: stale, want: diag.HourBehind, opens: true, breaks: yesterday, also: all(offset, wrong)},
		{name: "rules of before the refresh are given, and it opens", want: diag.Opens, breaks: oldRules(func(o *knocktest.Options) { o.At = shift(-time.Hour) }), also: wrong},
		{name: "a ban in the rules that are given is lifted since, 3 h behind", server: stale, want: diag.HourBehind, opens: true, breaks: lifted, also: offset},
		{name: "a ban in the rules that are given is lifted since, top port one less", server: knocktest.Options{Range: lesser}, want: diag.RangeMismatch, opens: true, breaks: lifted},
		{name: "a ban in the rules that are given is lifted since, and a wrong skew is set here", want: diag.HourBehind, opens: true, breaks: both(lifted, entry(func(h *hosts.Host) { h.Skew = 2 * time.Hour }))},
		{name: "rules of another server with the same secret and a guard of 10 are given, 20 h behind", server: knocktest.Options{At: shift(-20 * time.Hour)}, want: diag.HourBehind, opens: true, breaks: sameSecret(func(r *script.Rules) { r.SweepGuard = 10 })},
		{name: "rules of another server with the same secret and a replay guard are given, 3 h behind", server: stale, want: diag.HourBehind, opens: true, breaks: sameSecret(func(r *script.Rules) { r.ReplayGuard = 8 }), also: offset},
		{name: "rules of another server with the same secret are given, top port one less", server: knocktest.Options{Range: lesser}, want: diag.RangeMismatch, opens: true, breaks: sameSecret(nil)},
		{name: "rules of another server with the same secret are given, another secret", server: knocktest.Options{Secret: "b4rf00"}, want: diag.Unexplained, breaks: oldRules(func(*knocktest.Options) {}), also: says("another server's, or old")},
		{name: "the rules are given, 3 h behind, and a router drops the knocks", server: knocktest.Options{Router: true, At: stale.At}, among: append([]diag.Code{diag.HourBehind}, lost...), breaks: both(givesRules, drops), also: says("or the knocks do not arrive")},
		{name: "the rules are given, with a replay guard that has room, and a router drops the knocks", server: knocktest.Options{Router: true, NoGate: true}, want: diag.Unexplained, breaks: both(scripted(script.NFT, func(r *script.Rules) { r.ReplayGuard = 8 }), func(t *testing.T, s *knocktest.Server, p *patient) {
			readsRules(t, p, s.Run(t, "nft", "list", "ruleset"))
		}, drops), also: possible(diag.SequenceUsed)},
		{name: "the server's secret is empty, the rules are given, 2 h behind", server: knocktest.Options{At: shift(-2 * time.Hour), Hashed: noSecret}, want: diag.GateDiffers, breaks: givesRules, also: all(sureOf(sure), says("the empty secret makes these ports"))},
		{name: "rules of another server whose secret is empty are given, 3 h behind", server: stale, want: diag.HourBehind, opens: true, breaks: oldRules(func(o *knocktest.Options) { o.Hashed = noSecret }), also: offset},
		{name: "another secret, the rules are given and open as they say", server: knocktest.Options{Secret: "b4rf00", Refusal: knocktest.Reset}, want: diag.Unexplained, breaks: givesRules, also: all(sureOf(sure), says("was made, and opens it"))},
		{name: "another secret, the rules are given, and sshd is stopped", server: knocktest.Options{Secret: "b4rf00", NoSSHD: true}, want: diag.Unexplained, breaks: givesRules, also: says("made with another secret")},
		{name: "another secret and another SSH port, the rules are given and open as they say", server: knocktest.Options{V4: knocktest.Shut, V6: knocktest.Shut, SSHPort: 2222, Secret: "b4rf00"}, want: diag.Unexplained, also: all(sureOf(sure), says("SSH port 2222"), says("was made, and opens it")), breaks: func(t *testing.T, s *knocktest.Server, p *patient) {
			s.ServePhases(t, knocktest.Phases{})
			givesRules(t, s, p)
		}},
	}
}
