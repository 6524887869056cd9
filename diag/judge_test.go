package diag

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"rapport/diag/answers"
	"rapport/diag/clock"
	"rapport/diag/prior"
	"rapport/diag/scan"
	"rapport/knock"
	"rapport/knock/gate"
	"rapport/knock/gate/trace"
	"rapport/knock/netfilter/machine"
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

// slowly is a handshake with wide gaps, after which SSH was in that state.
func slowly(s knock.SSHState) *knock.Report {
	r := shut(knock.Silent)
	r.Attempts[0].Gap, r.SSH.State, r.Opened = knock.Millis(500*time.Millisecond), s, s == knock.SSHOpen
	return r
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

// inVain is a scan that nothing opened.
func inVain() *scan.Report {
	return &scan.Report{Candidates: 2, Cells: []scan.Cell{{State: scan.Tried}, {State: scan.Tried}}}
}

// confirming is a scan whose hit has no confirmation yet.
func confirming(r *scan.Report) *scan.Report {
	r.Confirming = true
	return r
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
		e       Evidence
		want    Code
		second  Code   // the next likely one, if any
		change  string // in the hosts file
		summary string // a part of it
	}{
		{"no name", Evidence{NameError: errors.New("name not resolved: x")}, DNSFailure, "", "", "name not resolved"},
		{"no route to host", Evidence{NoRoute: knock.ErrUnreachable}, HostUnreachable, "", "", "unreachable"},
		{"open twice", Evidence{Before: knock.SSH{State: knock.SSHOpen}, BeforeAgain: knock.SSH{State: knock.SSHOpen}, Waited: true}, AlreadyOpen, Opens, "", "nothing guards it"},
		{"refused now, filtered before", Evidence{Handshake: &knock.Report{Before: knock.Before{State: knock.SSHFiltered}, SSH: knock.SSH{State: knock.SSHRefused}}}, SSHDown, "", "", "nothing listens"},
		{"nothing listens on this machine", Evidence{OwnAddr: true, NoListener: true, Handshake: shut(knock.Silent)}, SSHDown, "", "", "nothing listens at"},
		{"an earlier hour, clock unknown", Evidence{Handshake: shut(knock.Silent), Scan: hit(-3, own, solve.AsGiven, true)}, HourBehind, "", "skew -3h", "09h"},
		{"a later hour, clock unknown", Evidence{Handshake: shut(knock.Silent), Scan: hit(2, own, solve.AsGiven, true)}, HourAhead, "", "skew 2h", "14h"},
		{"an earlier hour, as its clock has it", Evidence{Handshake: shut(knock.Silent), Scan: hit(-3, own, solve.AsGiven, true), Clock: serverOff(-3*time.Hour - 7*time.Second)}, ServerBehind, ClientAhead, "skew -3h0m7s", "3 h 0 min"},
		{"the same, and this clock is right", Evidence{Handshake: shut(knock.Silent), Scan: hit(-3, own, solve.AsGiven, true), Clock: localOff(serverOff(-3*time.Hour), 0)}, ServerBehind, "", "skew -3h", "server's clock"},
		{"the same, and this clock is wrong", Evidence{Handshake: shut(knock.Silent), Scan: hit(-3, own, solve.AsGiven, true), Clock: localOff(serverOff(-3*time.Hour), -3*time.Hour)}, ClientAhead, "", "skew -3h", "this machine's clock is 3 h 0 min ahead"},
		{"the same, not confirmed yet", Evidence{Handshake: shut(knock.Silent), Scan: confirming(hit(-3, own, solve.AsGiven, false)), Clock: localOff(serverOff(-3*time.Hour), -3*time.Hour)}, ClientAhead, Unexplained, "skew -3h", "this machine's clock is 3 h 0 min ahead"},
		{"an earlier hour, though its clock is right", Evidence{Handshake: shut(knock.Silent), Scan: hit(-3, own, solve.AsGiven, true), Clock: serverOff(0)}, RulesStale, HourBehind, "skew -3h", "stale"},
		{"a later hour, though its clock is right", Evidence{Handshake: shut(knock.Silent), Scan: hit(2, own, solve.AsGiven, true), Clock: serverOff(0)}, HourAhead, ServerAhead, "skew 2h", "later hour"},
		{"stale beyond a wrong clock", Evidence{Handshake: shut(knock.Silent), Scan: hit(-5, own, solve.AsGiven, true), Clock: serverOff(-2 * time.Hour)}, HourBehind, "", "skew -5h", "07h"},
		{"a range", Evidence{Handshake: shut(knock.Silent), Scan: hit(0, other, solve.AsGiven, true)}, RangeMismatch, "", "range 10000-10998", "10000-10998"},
		{"a secret variant", Evidence{Handshake: shut(knock.Silent), Scan: hit(0, own, solve.NoNewline, true)}, SecretVariant, "", "", "newline"},
		{"an hour and a range", Evidence{Handshake: shut(knock.Silent), Scan: hit(-3, other, solve.AsGiven, true)}, HourBehind, RangeMismatch, "skew -3h, range 10000-10998", "10000-10998"},
		{"the very handshake that failed", Evidence{Handshake: shut(knock.Silent), Scan: hit(0, own, solve.AsGiven, true)}, LossyPath, AddressChanges, "", "attempt 2"},
		{"the other family", Evidence{Handshake: shut(knock.Silent), OtherAddr: netip.MustParseAddr("2001:db8::9"), Other: &knock.Report{Opened: true}}, FamilyMismatch, "", "IPv6", "IPv6"},
		{"knocks accepted", Evidence{Handshake: shut(knock.Open)}, KnocksIntercepted, "", "", "proxy"},
		{"a router rejects", Evidence{Handshake: shut(knock.Unreachable), Egress: &answers.Egress{Ports: []uint16{10001}, Answer: knock.Unreachable, From: netip.MustParseAddr("192.0.2.1"), Control: []knock.Answer{knock.Unreachable}}}, KnocksBlocked, "", "", "192.0.2.1"},
		{"only the range is rejected", Evidence{Handshake: shut(knock.Refused), Egress: &answers.Egress{Ports: []uint16{10001}, Answer: knock.Refused, Whole: true, Control: []knock.Answer{knock.Silent, knock.Silent}}}, KnocksBlocked, "", "", "a rule on the way"},
		{"everything is refused alike", Evidence{Handshake: shut(knock.Refused), Scan: inVain(), Egress: &answers.Egress{Ports: []uint16{10001}, Answer: knock.Refused, Control: []knock.Answer{knock.Refused, knock.Refused}}}, Unexplained, AddressChanges, "", "another secret"},
		{"nothing opens it", Evidence{Handshake: shut(knock.Silent), Scan: inVain()}, Unexplained, AddressChanges, "", "another secret"},
		{"something opened it once", Evidence{Handshake: shut(knock.Silent), Scan: hit(-3, other, solve.AsGiven, false)}, Unexplained, HourBehind, "", "another secret"},
		{"ICMP errors run out", Evidence{Handshake: shut(knock.Unreachable), Egress: &answers.Egress{Ports: []uint16{10001}, Answer: knock.Unreachable, Control: []knock.Answer{knock.Silent, knock.Silent}}, Scan: hit(-3, own, solve.AsGiven, true)}, HourBehind, "", "skew -3h", "09h"},
		{"this machine rejects", Evidence{Handshake: shut(knock.Unreachable), Egress: &answers.Egress{Ports: []uint16{10001}, Answer: knock.Unreachable, From: netip.MustParseAddr("192.0.2.1"), FromHere: true}}, KnocksBlocked, "", "", "this machine itself"},
		{"the rules are another secret's", Evidence{Handshake: shut(knock.Silent), Scan: inVain(), Rules: solved(gate.Gate{}, nil)}, Unexplained, "", "", "made with another secret"},
		{"the rules are this client's, and guarded", Evidence{Handshake: shut(knock.Silent), Scan: inVain(), Rules: solved(gate.Gate{Guarded: true}, &solve.Candidate{Hour: knock.HourOf(noon), Range: own, Variant: solve.AsGiven})}, SequenceUsed, Unexplained, "", "used up"},
		{"the rules are this client's", Evidence{Handshake: shut(knock.Silent), Scan: inVain(), Rules: solved(gate.Gate{}, &solve.Candidate{Hour: knock.HourOf(noon), Range: own, Variant: solve.AsGiven})}, Unexplained, AddressChanges, "", "do not arrive"},
		{"the rules prove a range", Evidence{Handshake: shut(knock.Silent), Scan: inVain(), Rules: solved(gate.Gate{}, &solve.Candidate{Hour: knock.HourOf(noon), Range: other, Variant: solve.AsGiven})}, RangeMismatch, Unexplained, "range 10000-10998", "10000-10998"},
		{"opens, and the clock is off within the hour", Evidence{Handshake: &knock.Report{Opened: true, Attempts: make([]knock.Attempt, 1)}, Clock: serverOff(20 * time.Minute)}, Opens, "", "", "20 min ahead"},
		{"opens with wide gaps", Evidence{Handshake: shut(knock.Silent), Scan: inVain(), Slow: slowly(knock.SSHOpen), Again: true}, RateLimited, "", "gap 500ms", "gaps of 500 ms"},
		{"opens with wide gaps once", Evidence{Handshake: shut(knock.Silent), Scan: inVain(), Slow: slowly(knock.SSHOpen)}, RateLimited, Unexplained, "gap 500ms", "gaps of 500 ms"},
		{"opens once, and not when it is repeated", Evidence{Handshake: shut(knock.Silent), Scan: inVain(), Once: true}, Unexplained, AddressChanges, "", "did not when it was tried again"},
		{"opens with wide gaps, and to somebody else", Evidence{Handshake: shut(knock.Silent), Scan: &scan.Report{Connections: 1}, Slow: slowly(knock.SSHOpen)}, RateLimited, Unexplained, "gap 500ms", "gaps of 500 ms"},
		{"a banner is awaited", Evidence{Handshake: &knock.Report{Before: knock.Before{State: knock.SSHFiltered}, SSH: knock.SSH{State: knock.SSHSilent}}, Awaiting: true}, SSHSilent, Opens, "", "no banner"},
		{"is stuck behind a limit", Evidence{Handshake: shut(knock.Silent), Scan: inVain(), Slow: slowly(knock.SSHSilent)}, SSHSilent, RateLimited, "gap 500ms", "no banner"},
		{"is open to somebody else after the scan", Evidence{Handshake: shut(knock.Silent), Scan: inVain(), After: knock.SSH{State: knock.SSHOpen}}, Unexplained, AddressChanges, "", "another secret"},
		{"SSH alone is limited", Evidence{Handshake: shut(knock.Silent), Scan: inVain(), Limited: knock.SSHUnreachable}, RateLimited, Banned, "", "limits connections"},
		{"SSH alone is limited, and opened once", Evidence{Handshake: shut(knock.Silent), Scan: hit(-3, own, solve.AsGiven, false), Limited: knock.SSHRefused}, RateLimited, Banned, "", "limits connections"},
		{"opens at the second attempt", Evidence{Handshake: &knock.Report{Opened: true, OpenedBy: 1, Attempts: make([]knock.Attempt, 2)}}, LossyPath, AddressChanges, "", "attempt 2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.e.Now = noon
			tt.e.Target = knock.Target{Host: "server", Range: own, Addr: netip.MustParseAddrPort("192.0.2.9:22")}
			if tt.e.Clock != nil {
				tt.e.Clock.Local.Time = noon
			}
			r := judged(tt.e)
			v, causes, summary := r.Verdict, r.Causes, r.Summary()
			if v.Code != tt.want || v.Change.String() != tt.change || !strings.Contains(summary, tt.summary) {
				t.Errorf("%s, change %q: %s; want %s, %q, %q", v.Code, v.Change, summary, tt.want, tt.change, tt.summary)
			}
			var second Code
			if len(causes) > 1 {
				second = causes[1].Code
			}
			if second != tt.second || causes[0].Code != v.Code {
				t.Errorf("causes %+v", causes)
			}
			sum := 0.0
			for _, c := range causes {
				if sum += c.Likelihood; len(r.Why(c)) == 0 {
					t.Errorf("%s without evidence", c.ID)
				}
			}
			if sum > 1 {
				t.Errorf("the likelihoods sum to %v: %+v", sum, causes)
			}
			if !v.Code.Works() && r.Fix() == "" {
				t.Error("no fix")
			}
			if strings.ToLower(summary[:1]) != summary[:1] && !strings.HasPrefix(summary, "SSH") || strings.Contains(summary, "\n") {
				t.Errorf("summary %q", summary)
			}
		})
	}
}

// A handshake that looks too fast is made slowly before anything else is tried.
func TestLooksLimited(t *testing.T) {
	refused, late := knock.SSH{State: knock.SSHRefused}, knock.SSH{State: knock.SSHRefused, RTT: knock.Measure(time.Second)}
	for _, tt := range []struct {
		name          string
		answer        knock.Answer
		before, after knock.SSH
		once, want    bool
	}{
		{"a gate that drops", knock.Silent, knock.SSH{State: knock.SSHFiltered}, knock.SSH{State: knock.SSHFiltered}, false, false},
		{"it opened once", knock.Silent, knock.SSH{State: knock.SSHFiltered}, knock.SSH{State: knock.SSHFiltered}, true, true},
		{"a gate that rejects", knock.Refused, refused, refused, false, false},
		{"knocks are dropped on the way", knock.Silent, refused, refused, false, false},
		{"a gate that falls silent", knock.Silent, refused, knock.SSH{State: knock.SSHFiltered}, false, true},
		{"a gate that answers the kernel's repeat", knock.Silent, refused, late, false, true},
	} {
		h := shut(tt.answer)
		h.SSH = tt.after
		if e := (Evidence{Before: tt.before, Handshake: h, Once: tt.once}); e.LooksLimited() != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, !tt.want, tt.want)
		}
	}
	far := Evidence{Before: refused, BeforeAgain: late, Handshake: shut(knock.Silent)}
	if far.Handshake.SSH = late; far.LooksLimited() {
		t.Error("a gate that is far away looks like one with a limit")
	}
}

// judged is the report of a run with this evidence.
func judged(e Evidence) Report {
	r := Report{Schema: 1, Host: "server", Address: "192.0.2.9", At: e.Now, Evidence: e, Done: true}
	r.Verdict, r.Causes = r.Evidence.Judge()
	return r
}

// Every cause has a prior and a text, and no text is left over.
func TestCausesAreComplete(t *testing.T) {
	rows := map[ID]bool{}
	for _, c := range causes() {
		if rows[c.ID] {
			t.Errorf("two rows are %s", c.ID)
		}
		rows[c.ID] = true
		if prior.Of(string(c.ID)) == 0 {
			t.Errorf("%s has no prior", c.ID)
		}
		if causeTexts[c.ID] == nil {
			t.Errorf("%s has no text", c.ID)
		}
	}
	for id := range prior.IDs() {
		if !rows[ID(id)] {
			t.Errorf("a prior for %s, which is no row", id)
		}
	}
	if len(causeTexts) != len(rows) {
		t.Errorf("%d texts for %d rows", len(causeTexts), len(rows))
	}
}

// Where nothing guards SSH the fix leads on: to the steps that set the gate up, and to the
// action that says what became of one.
func TestNothingGuardsSSHLeadsOn(t *testing.T) {
	open := knock.SSH{State: knock.SSHOpen}
	text := judged(Evidence{Now: noon, Before: open, BeforeAgain: open, Waited: true}).Text(true)
	for _, step := range []string{"verdict: already-open", "rapport help server", "rapport-gate status"} {
		if !strings.Contains(text, step) {
			t.Errorf("no %q in\n%s", step, text)
		}
	}
}

func TestTextHidesWhatServersSaid(t *testing.T) {
	h := shut(knock.Silent)
	h.SSH = knock.SSH{State: knock.SSHRefusing, Banner: "Not allowed at this time"}
	r := judged(Evidence{Now: noon, Handshake: h, Target: knock.Target{Addr: netip.MustParseAddrPort("192.0.2.9:22")}})
	slow := judged(Evidence{Now: noon, Handshake: shut(knock.Silent), Slow: h, Target: r.Evidence.Target})
	for _, short := range []string{r.Text(false), slow.Text(false)} {
		if strings.Contains(short, "Not allowed") || strings.Contains(short, "10001") {
			t.Errorf("short:\n%s", short)
		}
	}
	if full := r.Text(true); !strings.Contains(full, "Not allowed") || !strings.Contains(full, "10001") {
		t.Errorf("full:\n%s", full)
	}
}

// A rule that decides about a knock is named by its place where ports are hidden.
func TestTextHidesPorts(t *testing.T) {
	h := shut(knock.Silent)
	h.SSH.State = knock.SSHFiltered
	drop := &trace.Hit{Chain: "INPUT", Line: 3, Text: "-A INPUT -p tcp --dport 10247 -j DROP"}
	r := judged(Evidence{Now: noon, Handshake: h, Target: knock.Target{Addr: netip.MustParseAddrPort("192.0.2.9:22")}, Rules: solved(gate.Gate{}, nil),
		Played: &trace.Trace{Packets: []trace.Played{{Proto: "tcp", Port: 10247, Verdict: machine.Drop, Decided: drop}, {Proto: "tcp", Port: 22}}}})
	if s := r.Summary(); !strings.Contains(s, "10247") {
		t.Errorf("in full: %s", s)
	}
	for _, s := range []string{r.WithoutPorts().Summary(), r.Text(false)} {
		if strings.Contains(s, "10247") || !strings.Contains(s, "knock 1 by the rule in chain INPUT, line 3") {
			t.Errorf("hidden: %s", s)
		}
	}
}

// Nothing is said of candidates that were not tried but that they were left out.
func TestTextOfCandidatesLeftOut(t *testing.T) {
	scanned := func(guard, tried int) *scan.Report {
		r := &scan.Report{Candidates: 272, Untried: 272 - tried, Guard: guard, Cells: make([]scan.Cell, 272)}
		for i := range tried {
			r.Cells[i] = scan.Cell{State: scan.Tried, Candidate: solve.Candidate{Offset: -i, Range: knock.DefaultRange, Variant: solve.AsGiven}}
		}
		return r
	}
	for _, tt := range []struct {
		name      string
		scan      *scan.Report
		says, not []string
	}{
		{"none, and the guard forgives too little", scanned(3, 0), []string{"other hours, ranges and secret variants were not tried", "each candidate takes 5"}, []string{"did not open it", "that were tried opens it", "hidden", "--timeout"}},
		{"some", scanned(30, 6), []string{"6 candidates did not open it, among them 5 of 26 other hours", "266 candidates were left out", "--timeout 46m"}, []string{"26 hours back", "hidden", "lack of time"}},
		{"some, for lack of time", scanned(0, 90), []string{"90 candidates did not open it", "182 candidates were left out for lack of time"}, []string{"26 hours back", "hidden", "sweep guard"}},
		{"all", scanned(0, 272), []string{"272 candidates did not open it, 26 hours back and 0 ahead"}, []string{"left out"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text := judged(Evidence{Now: noon, Past: 26, Handshake: shut(knock.Silent), Scan: tt.scan,
				Target: knock.Target{Range: knock.DefaultRange, SweepGuard: tt.scan.Guard, Addr: netip.MustParseAddrPort("192.0.2.9:22")}}).Text(true)
			for _, s := range tt.says {
				if !strings.Contains(text, s) {
					t.Errorf("no %q in\n%s", s, text)
				}
			}
			for _, s := range tt.not {
				if strings.Contains(text, s) {
					t.Errorf("%q in\n%s", s, text)
				}
			}
		})
	}
}

// A problem of rules that open the gate with wide gaps is not the cause of a gate that stays
// shut with those too.
func TestProblemOfRulesThatOpen(t *testing.T) {
	rules := solved(gate.Gate{}, &solve.Candidate{Hour: knock.HourOf(noon), Range: knock.DefaultRange, Variant: solve.AsGiven})
	rules.Problems = []gate.Problem{{Code: "gate-after-drop", Severity: gate.SeverityError, Summary: "dropped", Fix: "move it"}}
	e := Evidence{Now: noon, Handshake: shut(knock.Silent), Scan: inVain(), Rules: rules, Played: &trace.Trace{Opened: true},
		Target: knock.Target{Range: knock.DefaultRange, Addr: netip.MustParseAddrPort("192.0.2.9:22")}}
	if v := judged(e).Verdict; v.Code != GateDiffers {
		t.Errorf("without a gap: %s", v.Code)
	}
	e.PlayedGap = 500 * time.Millisecond
	if v := judged(e).Verdict; v.Code != Unexplained {
		t.Errorf("with a gap: %s", v.Code)
	}
}

// What rules prove alone is not certain: they may be another server's.
func TestRulesAreAClaim(t *testing.T) {
	refuted := &knock.Report{Before: knock.Before{State: knock.SSHFiltered}, SSH: knock.SSH{State: knock.SSHFiltered}}
	opened := &knock.Report{Opened: true, SSH: knock.SSH{State: knock.SSHOpen}}
	many := &scan.Report{Candidates: 30, Cells: slices.Repeat([]scan.Cell{{State: scan.Tried}}, 30)}
	for _, tt := range []struct {
		name    string
		scan    *scan.Report
		claimed *knock.Report
		proof   Proof
		sure    bool
		first   ID
	}{
		{"nothing was tried", nil, nil, Unproven, false, "other-secret"},
		{"the hours were tried", many, nil, Agreeing, true, "other-secret"},
		{"its handshake opens it", nil, opened, Confirmed, true, "other-secret"},
		{"its handshake does not", nil, refuted, Refuted, false, "unexplained"},
		{"another hour opens it", hit(-3, knock.DefaultRange, solve.AsGiven, true), refuted, Refuted, true, "hour-unknown"},
	} {
		e := Evidence{Now: noon, Target: knock.Target{Addr: netip.MustParseAddrPort("192.0.2.1:22"), Range: knock.DefaultRange}, Handshake: shut(knock.Silent), Scan: tt.scan, Claimed: tt.claimed, Rules: solved(gate.Gate{}, nil)}
		v, all := e.Judge()
		if got := e.RulesProof(); got != tt.proof || v.ID != tt.first || all[0].Likelihood >= 0.9 != tt.sure {
			t.Errorf("%s: proof %d, %s with %.2f, want %d, %s, sure %v", tt.name, got, v.ID, all[0].Likelihood, tt.proof, tt.first, tt.sure)
		}
	}
}
