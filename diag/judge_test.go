package diag

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"rapport/diag/clock"
	"rapport/diag/scan"
	"rapport/knock"
	"rapport/knock/gate"
	"rapport/knock/solve"
)

// noon is this machine's time in these tests, half past the hour.
var noon = time.Date(2026, 11, 22, 12, 30, 0, 0, time.UTC)

// shut is a handshake that opened nothing.
func shut(answer knock.Answer) *knock.Report {
	var a knock.Attempt
	for port := range knock.Knocks {
		a.Knocks = append(a.Knocks, knock.SentKnock{Port: uint16(10001 + port), Answer: answer})
	}
	return &knock.Report{Attempts: []knock.Attempt{a}, Before: knock.Before{State: knock.SSHFiltered}, SSH: knock.SSH{State: knock.SSHFiltered}}
}

// serverOff is what a source says of the server's clock.
func serverOff(d time.Duration) *clock.Report {
	r := clock.Report{}
	r.Add(clock.Reading{Name: clock.SourceHTTP, Of: clock.Server, Offset: d, Uncertainty: 20 * time.Millisecond})
	return &r
}

// localOff adds what NTP says of this machine's clock: true time minus it.
func localOff(r *clock.Report, d time.Duration) *clock.Report {
	r.Add(clock.Reading{Name: "ntp a", Of: clock.Local, Offset: d, Uncertainty: 5 * time.Millisecond})
	return r
}

// hit is a scan that was opened.
func hit(offset int, r knock.Range, v solve.Variant, confirmed bool) *scan.Report {
	return &scan.Report{Opened: &solve.Candidate{Hour: knock.HourOf(noon).Add(offset), Offset: offset, Range: r, Variant: v}, Confirmed: confirmed, Candidates: 200}
}

// solved is what rules were found to be made with; nil is another secret.
func solved(g gate.Gate, m *solve.Candidate) *gate.Inspection {
	i := &gate.Inspection{Gate: &g, Solution: solve.Solution{Searched: 1}}
	if m != nil {
		i.Solution.Candidates = []solve.Candidate{*m}
	}
	return i
}

func TestJudge(t *testing.T) {
	own := knock.DefaultRange
	other, err := knock.ParseRange("10000-10998")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name    string
		e       evidence
		want    Code
		second  Code   // the next likely one, if any
		change  string // in the hosts file
		summary string // a part of it
	}{
		{"no name", evidence{nameErr: errors.New("name not resolved: x")}, DNSFailure, "", "", "name not resolved"},
		{"no route to host", evidence{noRouteErr: knock.ErrUnreachable}, HostUnreachable, "", "", "unreachable"},
		{"open twice", evidence{before: knock.SSH{State: knock.SSHOpen}, beforeAgain: knock.SSH{State: knock.SSHOpen}}, AlreadyOpen, "", "", "nothing guards it"},
		{"refused now, filtered before", evidence{handshake: &knock.Report{Before: knock.Before{State: knock.SSHFiltered}, SSH: knock.SSH{State: knock.SSHRefused}}}, SSHDown, "", "", "nothing listens"},
		{"an earlier hour, clock unknown", evidence{handshake: shut(knock.Silent), scan: hit(-3, own, solve.AsGiven, true)}, HourBehind, "", "skew -3h", "09h"},
		{"a later hour, clock unknown", evidence{handshake: shut(knock.Silent), scan: hit(2, own, solve.AsGiven, true)}, HourAhead, "", "skew 2h", "14h"},
		{"an earlier hour, as its clock has it", evidence{handshake: shut(knock.Silent), scan: hit(-3, own, solve.AsGiven, true), clock: *serverOff(-3*time.Hour - 7*time.Second)}, ServerBehind, ClientAhead, "skew -3h0m7s", "3 h 0 min"},
		{"the same, and this clock is right", evidence{handshake: shut(knock.Silent), scan: hit(-3, own, solve.AsGiven, true), clock: *localOff(serverOff(-3*time.Hour), 0)}, ServerBehind, "", "skew -3h", "server's clock"},
		{"the same, and this clock is wrong", evidence{handshake: shut(knock.Silent), scan: hit(-3, own, solve.AsGiven, true), clock: *localOff(serverOff(-3*time.Hour), -3*time.Hour)}, ClientAhead, "", "skew -3h", "this machine's clock is 3 h 0 min ahead"},
		{"an earlier hour, though its clock is right", evidence{handshake: shut(knock.Silent), scan: hit(-3, own, solve.AsGiven, true), clock: *serverOff(0)}, RulesStale, HourBehind, "skew -3h", "stale"},
		{"a later hour, though its clock is right", evidence{handshake: shut(knock.Silent), scan: hit(2, own, solve.AsGiven, true), clock: *serverOff(0)}, HourAhead, "", "skew 2h", "later hour"},
		{"stale beyond a wrong clock", evidence{handshake: shut(knock.Silent), scan: hit(-5, own, solve.AsGiven, true), clock: *serverOff(-2 * time.Hour)}, RulesStale, HourBehind, "skew -5h", "stale"},
		{"a range", evidence{handshake: shut(knock.Silent), scan: hit(0, other, solve.AsGiven, true)}, RangeMismatch, "", "range 10000-10998", "10000-10998"},
		{"a secret variant", evidence{handshake: shut(knock.Silent), scan: hit(0, own, solve.NoNewline, true)}, SecretVariant, "", "", "newline"},
		{"an hour and a range", evidence{handshake: shut(knock.Silent), scan: hit(-3, other, solve.AsGiven, true)}, HourBehind, RangeMismatch, "skew -3h, range 10000-10998", "10000-10998"},
		{"the very handshake that failed", evidence{handshake: shut(knock.Silent), scan: hit(0, own, solve.AsGiven, true)}, LossyPath, "", "", "attempt 2"},
		{"the other family", evidence{handshake: shut(knock.Silent), otherAddr: netip.MustParseAddr("2001:db8::9"), other: &knock.Report{Opened: true}}, FamilyMismatch, "", "IPv6", "IPv6"},
		{"knocks accepted", evidence{handshake: shut(knock.Open)}, KnocksIntercepted, "", "", "proxy"},
		{"a router rejects", evidence{handshake: shut(knock.Unreachable), egress: &egress{ports: []uint16{10001}, answer: knock.Unreachable, from: netip.MustParseAddr("192.0.2.1"), control: []knock.Answer{knock.Unreachable}}}, KnocksBlocked, "", "", "192.0.2.1"},
		{"only the range is rejected", evidence{handshake: shut(knock.Refused), egress: &egress{ports: []uint16{10001}, answer: knock.Refused, control: []knock.Answer{knock.Silent, knock.Silent}}}, KnocksBlocked, "", "", "a rule on the way"},
		{"everything is refused alike", evidence{handshake: shut(knock.Refused), scan: &scan.Report{}, egress: &egress{ports: []uint16{10001}, answer: knock.Refused, control: []knock.Answer{knock.Refused, knock.Refused}}}, Unexplained, KnocksBlocked, "", "another secret"},
		{"nothing opens it", evidence{handshake: shut(knock.Silent), scan: &scan.Report{Candidates: 200}}, Unexplained, KnocksBlocked, "", "another secret"},
		{"something opened it once", evidence{handshake: shut(knock.Silent), scan: hit(-3, other, solve.AsGiven, false)}, Unexplained, LossyPath, "", "another secret"},
		{"ICMP errors run out", evidence{handshake: shut(knock.Unreachable), egress: &egress{ports: []uint16{10001}, answer: knock.Unreachable, control: []knock.Answer{knock.Silent, knock.Silent}}, scan: hit(-3, own, solve.AsGiven, true)}, HourBehind, "", "skew -3h", "09h"},
		{"this machine rejects", evidence{handshake: shut(knock.Unreachable), egress: &egress{ports: []uint16{10001}, answer: knock.Unreachable, from: netip.MustParseAddr("192.0.2.1"), fromHere: true}}, KnocksBlocked, "", "", "this machine itself"},
		{"the rules are another secret's", evidence{handshake: shut(knock.Silent), scan: &scan.Report{}, rules: solved(gate.Gate{}, nil)}, Unexplained, "", "", "made with another secret"},
		{"the rules are this client's, and guarded", evidence{handshake: shut(knock.Silent), scan: &scan.Report{}, rules: solved(gate.Gate{Guarded: true}, &solve.Candidate{Hour: knock.HourOf(noon), Range: own, Variant: solve.AsGiven})}, SequenceUsed, Unexplained, "", "used up"},
		{"the rules are this client's", evidence{handshake: shut(knock.Silent), scan: &scan.Report{}, rules: solved(gate.Gate{}, &solve.Candidate{Hour: knock.HourOf(noon), Range: own, Variant: solve.AsGiven})}, Unexplained, KnocksBlocked, "", "do not arrive"},
		{"the rules prove a range", evidence{handshake: shut(knock.Silent), scan: &scan.Report{}, rules: solved(gate.Gate{}, &solve.Candidate{Hour: knock.HourOf(noon), Range: other, Variant: solve.AsGiven})}, RangeMismatch, "", "range 10000-10998", "10000-10998"},
		{"opens, and the clock is off within the hour", evidence{handshake: &knock.Report{Opened: true, Attempts: make([]knock.Attempt, 1)}, clock: *serverOff(20 * time.Minute)}, Opens, "", "skew 20m", "20 min ahead"},
		{"opens at the second attempt", evidence{handshake: &knock.Report{Opened: true, OpenedBy: 1, Attempts: make([]knock.Attempt, 2)}}, LossyPath, "", "", "attempt 2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.e.now = noon
			tt.e.target = knock.Target{Host: "server", Range: own, Addr: netip.MustParseAddrPort("192.0.2.9:22")}
			tt.e.clock.Local.Time = noon
			v, causes := tt.e.judge()
			if v.Code != tt.want || v.Change.String() != tt.change || !strings.Contains(v.Summary, tt.summary) {
				t.Errorf("%s, change %q: %s; want %s, %q, %q", v.Code, v.Change, v.Summary, tt.want, tt.change, tt.summary)
			}
			var second Code
			if len(causes) > 1 {
				second = causes[1].Code
			}
			if second != tt.second || causes[0].Code != v.Code {
				t.Errorf("causes %+v", causes)
			}
			if !v.Code.Works() && v.Fix == "" {
				t.Error("no fix")
			}
			if strings.ToLower(v.Summary[:1]) != v.Summary[:1] && !strings.HasPrefix(v.Summary, "SSH") || strings.Contains(v.Summary, "\n") {
				t.Errorf("summary %q", v.Summary)
			}
		})
	}
}

func TestTextHidesWhatServersSaid(t *testing.T) {
	r := Report{
		Host: "server", At: noon, Handshake: shut(knock.Silent),
		Verdict: Verdict{Code: SSHRefusing, Summary: `sshd refused this address: "Not allowed at this time"`, Detail: Detail{Text: "Not allowed at this time"}},
	}
	if short := r.Text(false); strings.Contains(short, "Not allowed") || strings.Contains(short, "10001") {
		t.Errorf("short:\n%s", short)
	}
	if full := r.Text(true); !strings.Contains(full, "Not allowed") || !strings.Contains(full, "10001") {
		t.Errorf("full:\n%s", full)
	}
}
