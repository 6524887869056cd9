package diag_test

import (
	"strings"
	"testing"
	"time"

	"rapport/diag"
	"rapport/knock/gate/script"
	"rapport/knock/knocktest"
)

// saysOnlyDone says that the report claims nothing that was not done.
func saysOnlyDone(r diag.Report) bool {
	text := r.Text(true)
	claims := func(all ...string) bool {
		for _, s := range all {
			if strings.Contains(text, s) {
				return true
			}
		}
		return false
	}
	if (r.Evidence.Handshake == nil || len(r.Evidence.Handshake.Attempts) == 0) && claims("handshake does not open", "after the handshake", "knocks stay silent") {
		return false
	}
	if (r.Evidence.Scan == nil || r.Evidence.Scan.Packets == 0) && claims("candidates did not open", "that were tried opens it") {
		return false
	}
	return !claims("running")
}

// timeoutFaults have too little time.
func timeoutFaults(t *testing.T) []fault {
	another := knocktest.Options{Secret: "b4rf00"}
	stale := knocktest.Options{At: shift(-3 * time.Hour)}
	orNot := []diag.Code{diag.Unexplained}
	hold := serves(knocktest.Hold)
	return []fault{
		{name: "another secret, 300 ms", server: another, limit: 300 * time.Millisecond, want: diag.Unexplained, also: saysOnlyDone},
		{name: "another secret, 1500 ms", server: another, limit: 1500 * time.Millisecond, want: diag.Unexplained, also: saysOnlyDone},
		{name: "another secret, 4 s, IPv6", server: another, limit: 4 * time.Second, want: diag.Unexplained, breaks: overIPv6, also: saysOnlyDone},
		{name: "another secret, 10 s, at a gate that rejects", server: knocktest.Options{Secret: "b4rf00", Refusal: knocktest.Reset}, limit: 10 * time.Second, want: diag.Unexplained, also: saysOnlyDone},
		{name: "top port one less, 5 s, at the gate of rapport rules", server: knocktest.Options{NoGate: true, Range: knocktest.NewRange(t, 10000, 10998)}, limit: 5 * time.Second, want: diag.RangeMismatch, or: orNot, breaks: scripted(script.NFT, nil), also: func(r diag.Report) bool {
			return saysOnlyDone(r) && saysNot("nothing that was tried")(r)
		}},
		{name: "3 h behind, 2 s", server: stale, limit: 2 * time.Second, want: diag.HourBehind, or: orNot, also: saysOnlyDone},
		{name: "3 h behind, 4 s", server: stale, limit: 4 * time.Second, want: diag.HourBehind, or: orNot, also: saysOnlyDone},
		{name: "3 h behind, 8 s, 200 ms away", server: knocktest.Options{At: stale.At, Path: knocktest.Path{Delay: 100 * time.Millisecond}}, limit: 8 * time.Second, want: diag.HourBehind, or: orNot, also: saysOnlyDone},
		{name: "nothing, 4 s", limit: 4 * time.Second, want: diag.Opens},
		{name: "nothing, 300 ms", limit: 300 * time.Millisecond, want: diag.Opens, or: orNot, also: saysOnlyDone},
		{name: "sshd is stuck, 4 s", server: knocktest.Options{NoSSHD: true}, limit: 4 * time.Second, want: diag.SSHSilent, or: orNot, breaks: hold, also: saysOnlyDone},
		{name: "no gate, 4 s", server: knocktest.Options{NoGate: true}, limit: 4 * time.Second, among: []diag.Code{diag.AlreadyOpen, diag.Opens, diag.Unexplained}, also: saysOnlyDone},
	}
}
