package diag

import (
	"fmt"
	"slices"

	"rapport/diag/scan"
	"rapport/knock"
	"rapport/knock/gate"
	"rapport/knock/gate/script"
	"rapport/knock/phrase"
)

// unexplained is the verdict when no cause was found: it says what speaks for
// which cause, and which evidence is missing.
func (e evidence) unexplained() []explanation {
	f := explanation{Verdict: Verdict{Code: Unexplained}, Likelihood: 0.6}
	f.Summary = "none of the hours, ranges and secret variants that were tried opens it: another secret, or the knocks do not arrive"
	f.Fix = fmt.Sprintf("compare the secret and the SSH port (%d here) on both sides, and whether the server bans this address; there rapport watch, or tcpdump, shows whether the knocks arrive, and rapport inspect what the rules expect; its rules can be given here: --rules FILE", e.target.Addr.Port())
	if e.scan == nil && (e.rules == nil || !e.rules.OtherSecret()) {
		f.Summary = "this hour's handshake does not open it, and other hours, ranges and secret variants were not tried"
	}
	if s := e.scan; s != nil && s.BeyondGuard+s.Untried > 0 {
		f.Summary += fmt.Sprintf("; a sweep guard may have hidden %d of the candidates", s.BeyondGuard+s.Untried)
	}
	f.Evidence = slices.Concat(e.sshEvidence(), e.scanEvidence(), e.missing())
	return e.alternatives(f)
}

// sshEvidence says what the knocks and SSH answered.
func (e evidence) sshEvidence() []string {
	h := e.handshake
	all := []string{"SSH is " + stateText(h.SSH.State) + " before and after the handshake"}
	if ports, others := answered(h, knock.Silent); len(ports) > 0 && others == 0 {
		all[0] = "all knocks stay silent, as at a gate, and SSH is " + stateText(h.SSH.State)
	}
	rejected, _ := answered(h, knock.Refused)
	sshAlone := h.SSH.State == knock.SSHRefused && len(rejected) == 0
	if e.shutState() == knock.SSHUnreachable || e.shutState() == knock.SSHRefused && sshAlone {
		all = append(all, "SSH's port is rejected without a knock: a ban of this address, or a rule for it, does that too")
	}
	return all
}

// scanEvidence says what the scan tried, and what it could not try.
func (e evidence) scanEvidence() (all []string) {
	say := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	if s := e.scan; s != nil {
		switch {
		case s.Opened != nil:
		case s.Stopped != "":
			say("the scan ended early: %s", s.Stopped)
		default:
			say("%d candidates did not open it, %d hours back and %d ahead", s.Candidates-s.Untried, e.past, e.future)
		}
		if s.BeyondGuard > 0 {
			say("missing: a gate with a sweep guard forgives %d wrong ports a minute by default, and would have ignored %d of them, unless range and secret are right; sweep_guard in the hosts file or --rules FILE says what it forgives", script.DefaultSweepGuard, s.BeyondGuard)
		}
		if s.Untried > 0 {
			say("missing: there was no time for %s, since the gate's sweep guard forgives %d wrong ports a minute", phrase.Plural(s.Untried, "candidate"), e.target.SweepGuard)
		}
	}
	for _, r := range e.openedOnce() {
		say("hour %v, range %v seemed to open it once, and a handshake of its own did not", r.Opened.Hour, r.Opened.Range)
	}
	return all
}

// openedOnce returns the scans with a hit that did not repeat.
func (e evidence) openedOnce() (all []*scan.Report) {
	for _, r := range []*scan.Report{e.scan, e.otherScan} {
		if r != nil && r.Opened != nil {
			all = append(all, r)
		}
	}
	return all
}

// missing says which evidence would help.
func (e evidence) missing() (all []string) {
	if e.future == 0 {
		all = append(all, "missing: future hours were not tried, since an eavesdropper could use their knocks later; --future 26 tries them")
	}
	if !e.clock.Known {
		all = append(all, "missing: no source tells the server's clock")
	}
	if e.rules == nil {
		all = append(all, "missing: the server's rules; --rules FILE reads them")
	}
	return append(all, e.otherAddresses()...)
}

// alternatives returns f, the unexplained case, with the causes that remain possible.
func (e evidence) alternatives(f explanation) []explanation {
	found := []explanation{f}
	add := func(code Code, likelihood float64, evidence string) {
		found = append(found, explanation{Verdict{Code: code}, likelihood, []string{evidence}})
	}
	if len(e.openedOnce()) > 0 {
		add(LossyPath, 0.25, "something opened the gate once and not again: packets get lost, or someone else knocked")
	}
	if e.egress == nil {
		add(KnocksBlocked, 0.2, "knocks that are dropped on the way look the same as a gate that stays shut")
	}
	if e.future == 0 && (e.rules == nil || e.rules.Candidate() == nil) {
		add(HourAhead, 0.1, "future hours were not tried")
	}
	if e.rules != nil {
		found = e.unexplainedByRules(found, e.rules)
	}
	if g := e.egress; g != nil && !e.blocked() {
		add(KnocksBlocked, 0.2, fmt.Sprintf("%s %s, but so are ports outside the range: the server itself seems to answer like this", phrase.Plural(len(g.ports), "knock"), g.answer))
	}
	return found
}

// unexplainedByRules adds what the server's rules say about a gate that stays
// shut.
func (e evidence) unexplainedByRules(found []explanation, r *gate.Inspection) []explanation {
	f := &found[0]
	switch {
	case r.OtherSecret():
		f.Evidence = append(f.Evidence, "the server's rules are made with another secret: no hour or range fits")
		f.Likelihood = 0.95
		f.Summary = "the server's rules are made with another secret"
		f.Fix = "use the same secret on both sides"
		return found[:1]
	case r.Candidate() == nil:
		return found
	}
	f.Evidence = append(f.Evidence, "the server's rules expect the very sequence that was sent")
	f.Summary = "the server's rules expect what was sent, so the knocks do not arrive, or not from this address"
	f.Fix = "on the server rapport watch, or tcpdump, shows whether the knocks arrive, and from which address"
	if i := slices.IndexFunc(r.Problems, func(p gate.Problem) bool { return p.Severity == gate.SeverityError }); i >= 0 {
		f.Likelihood, f.Summary, f.Fix = 0.9, r.Problems[i].Summary, r.Problems[i].Fix
		f.Evidence = append(f.Evidence, f.Summary)
		return found
	}
	if r.Gate.Guarded {
		f.Likelihood = 0.25
		found = append(found, explanation{Verdict{
			Code:    SequenceUsed,
			Summary: "this hour's handshake was used up: the replay guard lets in only addresses that made it already",
			Fix:     "wait for the next hour; or raise the guard on the server: rapport rules HOST --replay-guard=N",
		}, 0.7, []string{"the rules have a replay guard, and expect the very sequence that was sent"}})
	}
	return found
}
