package diag

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode"

	"rapport/diag/check"
	"rapport/diag/scan"
	"rapport/knock"
)

// FuzzReport: whatever a server says, a report of it can be shown, its JSON
// too, and the short one leaves out what was said and nothing else.
func FuzzReport(f *testing.F) {
	f.Add("220 mail ESMTP", "Not allowed at this time")
	f.Add("e", "\x1b[2J\u202e\"\\")
	f.Add("0\"", "0")
	f.Add("(left out)", "rapport doctor")
	f.Fuzz(func(t *testing.T, said, refusal string) {
		said, refusal = knock.Clean(said, 255), knock.Clean(refusal, 255)
		r := judged(Evidence{
			Now:       time.Date(2026, 11, 22, 8, 43, 54, 0, time.UTC),
			Target:    knock.Target{Addr: netip.MustParseAddrPort("203.0.113.7:22")},
			Handshake: &knock.Report{SSH: knock.SSH{State: knock.SSHNotSSH, Banner: said}},
			Scan:      &scan.Report{SSH: knock.SSH{State: knock.SSHRefusing, Banner: refusal}, Stopped: scan.Stop{Reason: scan.Refusing, SSH: knock.SSH{State: knock.SSHRefusing, Banner: refusal}}},
		})
		r.Address = "203.0.113.7"
		r.Checks = []check.Check{{ID: check.Handshake, Status: check.Fail, Code: check.HandshakeMade, Args: check.Args{Handshake: r.Evidence.Handshake}},
			{ID: check.Before, Status: check.Warn, Code: check.SSHAnswers, Args: check.Args{SSH: r.Evidence.Scan.SSH}}, {ID: check.Scan, Status: check.Warn, Code: check.Scanned, Args: check.Args{Scan: r.Evidence.Scan}}}
		encoded, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		short, full := r.Text(false), r.Text(true)
		for _, s := range []string{string(encoded), short, full} {
			if strings.ContainsFunc(s, func(c rune) bool { return !unicode.IsPrint(c) && c != '\n' }) {
				t.Errorf("%q does not print", s)
			}
		}
		if said != "" && !strings.HasSuffix(full, "    ssh: "+said+"\n") {
			t.Errorf("the full report lacks %q:\n%s", said, full)
		}
		for _, s := range []string{said, refusal} {
			if len(s) > 60 && strings.Contains(short, fmt.Sprintf("%q", s)) {
				t.Errorf("the short report has %q:\n%s", s, short)
			}
		}
		if lines := strings.Count(short, "\n"); lines != 7 || !strings.HasPrefix(short, "rapport doctor: server 203.0.113.7, 2026-11-22T08:43:54Z\nverdict: ssh-silent: ") {
			t.Errorf("the short report is\n%s", short)
		}
	})
}
