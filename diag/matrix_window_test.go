package diag_test

import (
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"rapport/diag"
	"rapport/knock"
	"rapport/knock/knocktest"
)

// knocked makes the handshake of the server's hour, as somebody at this address did
// a moment ago.
func knocked(t *testing.T, s *knocktest.Server, p *patient) {
	a, _ := netip.ParseAddr(p.host.Address)
	for _, port := range s.Ports(t, s.Hour) {
		if c, err := net.DialTimeout("tcp", netip.AddrPortFrom(a, port).String(), 20*time.Millisecond); err == nil {
			c.Close()
		}
	}
}

// refreshed makes the server refresh its rules when the hour changes on this
// machine's clock; the server's clock is off by shift.
func refreshed(shift time.Duration) breaking {
	return func(t *testing.T, s *knocktest.Server, p *patient) {
		now := p.doctor.Client.Clock()
		change := knock.HourOf(now).Start().Add(time.Hour)
		var running sync.WaitGroup
		running.Go(func() {
			select {
			case <-time.After(change.Sub(now)):
				s.Refresh(t, change.Add(shift))
			case <-t.Context().Done():
			}
		})
		t.Cleanup(running.Wait)
	}
}

// windowFaults have windows that are not 5 s, and windows that are left from before.
func windowFaults(t *testing.T) []fault {
	const long, longer = 30 * time.Second, time.Minute
	stale := shift(-3 * time.Hour)
	known := func(d time.Duration) breaking {
		return func(_ *testing.T, _ *knocktest.Server, p *patient) { p.host.Window = d }
	}
	lesser := knocktest.NewRange(t, 10000, 10998)
	gateOrNot := []diag.Code{diag.AlreadyOpen, diag.Opens}
	late := morning.Add(30*time.Minute - 6*time.Second) // the hour changes meanwhile
	offset := func(n int) func(diag.Report) bool {
		return func(r diag.Report) bool { o := r.Verdict.Detail.HourOffset; return o != nil && *o == n }
	}
	just := func(r diag.Report) bool {
		return r.Verdict.Detail.ServerRange == lesser && r.Verdict.Detail.HourOffset == nil
	}
	return []fault{
		{name: "a window of 30 s", server: knocktest.Options{Window: long}, want: diag.Opens, breaks: known(long)},
		{name: "a window of 15 s that is not known, behind a router", server: knocktest.Options{Window: 15 * time.Second, Router: true}, want: diag.Opens, also: says("longer than the window of the entry")},
		{name: "a window of 30 s that is not known, and sshd is stopped, IPv6", server: knocktest.Options{Window: long, NoSSHD: true}, want: diag.SSHDown, or: []diag.Code{diag.RateLimited}, breaks: overIPv6, also: possible(diag.SSHDown)},
		{name: "a window of 30 s that is not known, and sshd is stopped, 3 h behind", server: knocktest.Options{Window: long, NoSSHD: true, At: stale}, among: []diag.Code{diag.RateLimited, diag.SSHDown, diag.HourBehind}, also: all(possible(diag.SSHDown), says("hour 2026-11-22-05, range 10000-10999 and the secret as given seemed to open it, and that was not confirmed"))},
		{name: "a window of 30 s that is not known", server: knocktest.Options{Window: long}, want: diag.Opens},
		{name: "a window of 30 s, 3 h behind", server: knocktest.Options{Window: long, At: stale}, want: diag.HourBehind, opens: true, breaks: known(long), also: offset(-3)},
		{name: "a window of 30 s, 3 h behind, IPv6, at a gate that rejects", server: knocktest.Options{Window: long, At: stale, Refusal: knocktest.Reset}, want: diag.HourBehind, opens: true, breaks: both(overIPv6, known(long)), also: offset(-3)},
		{name: "a window of 30 s that is not known, 3 h behind", server: knocktest.Options{Window: long, At: stale}, want: diag.HourBehind, opens: true, also: offset(-3)},
		{name: "a window of 2 min, 3 h behind", server: knocktest.Options{Window: 2 * time.Minute, At: stale}, want: diag.HourBehind, opens: true, breaks: known(2 * time.Minute), also: offset(-3)},
		{name: "a window of 30 s that is not known, and top port one less", server: knocktest.Options{Window: long, Range: lesser}, want: diag.RangeMismatch, opens: true, also: just},
		{name: "a window of 30 s, and top port one less", server: knocktest.Options{Window: long, Range: lesser}, want: diag.RangeMismatch, opens: true, breaks: known(long), also: just},
		{name: "a window of 10 s that is not known, the secret lacks its newline", server: knocktest.Options{Window: 10 * time.Second, Hashed: func(s string) string { return s[:len(s)-1] }}, want: diag.SecretVariant},
		{name: "a window of 10 s, 26 h behind, 200 ms away", server: knocktest.Options{Window: 10 * time.Second, At: shift(-26 * time.Hour), Path: knocktest.Path{Delay: 100 * time.Millisecond}}, want: diag.HourBehind, opens: true, breaks: known(10 * time.Second), also: offset(-26)},
		{name: "a window of 2 s, 3 h behind", server: knocktest.Options{Window: 2 * time.Second, At: stale}, want: diag.HourBehind, opens: true, also: offset(-3)},
		{name: "a window of 1 min, and sshd is stopped", server: knocktest.Options{Window: longer, NoSSHD: true}, want: diag.SSHDown, breaks: known(longer)},

		{name: "a window of 5 s is left from a moment ago", want: diag.Opens, breaks: knocked},
		{name: "a window of 5 s is left from a moment ago, IPv6", want: diag.Opens, breaks: both(overIPv6, knocked)},
		{name: "a window of 5 s is left from a moment ago, at a gate that rejects", server: knocktest.Options{Refusal: knocktest.Reset}, want: diag.Opens, breaks: knocked},
		{name: "a window of 5 s is left from a moment ago, 600 ms away", server: knocktest.Options{Path: knocktest.Path{Delay: 300 * time.Millisecond}}, want: diag.Opens, breaks: knocked},
		{name: "a window of 30 s is left that is not known", server: knocktest.Options{Window: long}, among: gateOrNot, breaks: knocked},
		{name: "a window of 1 min is left", server: knocktest.Options{Window: longer}, among: gateOrNot, breaks: both(known(longer), knocked)},
		{name: "no gate, and a window of 1 min is expected", server: knocktest.Options{NoGate: true}, among: gateOrNot, breaks: known(longer)},

		{name: "a window of 1 s is set, 3 h behind, IPv6, at a gate that rejects", server: knocktest.Options{At: stale, Refusal: knocktest.Reset}, want: diag.HourBehind, opens: true, breaks: both(overIPv6, known(time.Second)), also: offset(-3)},
		{name: "a window of 1 s is set, and no gate", server: knocktest.Options{NoGate: true}, want: diag.AlreadyOpen, breaks: known(time.Second)},
		{name: "a window of 1 s is set, and one of 5 s is left", want: diag.Opens, breaks: both(known(time.Second), knocked)},
		{name: "a window of 1 s is set, and one of 5 s is left, 3 h behind", server: knocktest.Options{At: stale}, want: diag.HourBehind, opens: true, breaks: both(known(time.Second), knocked), also: offset(-3)},

		{name: "the hour changes", at: late, want: diag.Opens, breaks: refreshed(0)},
		{name: "the hour changes, 3 h behind", at: late, server: knocktest.Options{At: late.Add(-3 * time.Hour)}, want: diag.HourBehind, opens: true, breaks: refreshed(-3 * time.Hour), also: offset(-3)},
		{name: "the hour changes, 3 h behind, IPv6, at a gate that rejects", at: late, server: knocktest.Options{At: late.Add(-3 * time.Hour), Refusal: knocktest.Reset}, want: diag.HourBehind, opens: true, breaks: both(overIPv6, refreshed(-3*time.Hour)), also: offset(-3)},
		{name: "the hour changes, and top port one less", at: late, server: knocktest.Options{Range: lesser}, want: diag.RangeMismatch, opens: true, breaks: refreshed(0), also: just},
		{name: "the hour changes, and the rules stay", at: late, want: diag.Opens, or: []diag.Code{diag.HourBehind}},
		{name: "the hour changed 2 s ago, and the rules did not yet", at: morning.Add(30*time.Minute + 2*time.Second), server: knocktest.Options{At: morning}, want: diag.Opens},
	}
}
