package diag

import (
	"fmt"
	"slices"

	"rapport/knock"
	"rapport/knock/gate/script"
	"rapport/knock/phrase"
)

func otherSecretText(e *Evidence) Text {
	t := Text{"the server's rules are made with another secret", "use the same secret on both sides",
		append(e.missingEvidence(), "the server's rules are made with another secret: no hour or range fits")}
	if port := e.otherPort(); port != 0 {
		t.Summary += fmt.Sprintf(", and its gate opens SSH port %d, here it is %d", port, e.Target.Addr.Port())
		t.Fix += fmt.Sprintf(", and SSH port %d here", port)
	}
	return t
}

func sequenceUsedText(*Evidence) Text {
	return Text{"this hour's handshake was used up: the replay guard lets in only addresses that made it already",
		"wait for the next hour; or raise the guard on the server: rapport rules HOST --replay-guard=N",
		[]string{"the rules have a replay guard, and expect the very sequence that was sent"}}
}

// unexplainedText says what speaks for which cause, and which evidence is missing.
func unexplainedText(e *Evidence) Text {
	if e.Outcome() != StaysShut {
		return Text{Why: []string{"something else that looks the same"}}
	}
	t := Text{"none of the hours, ranges and secret variants that were tried opens it: another secret, or the knocks do not arrive",
		fmt.Sprintf("compare the secret and the SSH port (%d here) on both sides, and whether the server bans this address; there rapport watch, or tcpdump, shows whether the knocks arrive, and rapport inspect what the rules expect; its rules can be given here: --rules FILE", e.Target.Addr.Port()),
		e.missingEvidence()}
	if e.Scan == nil {
		t.Summary = "this hour's handshake does not open it, and other hours, ranges and secret variants were not tried"
	}
	if e.unrepeated() && !e.FellSilent() {
		t.Summary = "something opened the gate, and did not when it was tried again: packets get lost on the way, or somebody else knocked; else it is another secret, or the knocks do not arrive"
		t.Fix = "run it again; or " + t.Fix
	}
	if e.Ended {
		t.Summary = "nothing that was tried opened it before the time was over"
		t.Fix = "give it more time; or " + t.Fix
	}
	if s := e.Scan; s != nil && s.BeyondGuard+s.Untried > 0 {
		t.Summary += fmt.Sprintf("; a sweep guard may have hidden %d of the candidates", s.BeyondGuard+s.Untried)
	}
	return t
}

// missingEvidence says what was seen of a gate that stays shut, and which evidence
// would help.
func (e *Evidence) missingEvidence() []string {
	return slices.Concat(e.sshEvidence(), e.scanEvidence(), e.missing())
}

// sshEvidence says what the knocks and SSH answered.
func (e *Evidence) sshEvidence() []string {
	h := e.Handshake
	all := []string{"SSH is " + stateText(h.SSH.State) + " before and after the handshake"}
	if ports, others := Answered(h, knock.Silent); len(ports) > 0 && others == 0 {
		all[0] = "all knocks stay silent, as at a gate, and SSH is " + stateText(h.SSH.State)
	}
	rejected, _ := Answered(h, knock.Refused)
	sshAlone := h.SSH.State == knock.SSHRefused && len(rejected) == 0
	if e.ShutState() == knock.SSHUnreachable || e.ShutState() == knock.SSHRefused && sshAlone {
		all = append(all, "SSH's port is rejected without a knock: a ban of this address, or a rule for it, does that too")
	}
	return all
}

// scanEvidence says what the scan tried, and what it could not try.
func (e *Evidence) scanEvidence() (all []string) {
	say := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	if s := e.Scan; s != nil {
		switch {
		case s.Opened != nil:
		case !s.Stopped.IsZero():
			say("the scan ended early: %s", s.Stopped)
		default:
			say("%d candidates did not open it%s", s.Candidates-s.Untried, e.tried())
		}
		for _, c := range s.Unconfirmed {
			say("hour %v, range %v and the secret %s seemed to open it, and did not when they were tried again", c.Hour, c.Range, c.Variant.Words())
		}
		if s.BeyondGuard > 0 {
			say("missing: a gate with a sweep guard forgives %d wrong ports a minute by default, and would have ignored %d of them, unless range and secret are right; sweep_guard in the hosts file or --rules FILE says what it forgives", script.DefaultSweepGuard, s.BeyondGuard)
		}
		if s.Untried > 0 {
			pace := ""
			if e.Target.SweepGuard > 0 {
				pace = fmt.Sprintf(", since the gate's sweep guard forgives %s a minute", phrase.Plural(e.Target.SweepGuard, "wrong port"))
			}
			say("missing: there was no time for %s%s", phrase.Plural(s.Untried, "candidate"), pace)
		}
	}
	for _, r := range e.openedOnce() {
		if e.Ended {
			say("hour %v, range %v seemed to open it once; there was no time to confirm it", r.Opened.Hour, r.Opened.Range)
			continue
		}
		say("hour %v, range %v seemed to open it once, and a handshake of its own did not", r.Opened.Hour, r.Opened.Range)
	}
	return all
}

// tried says which hours a scan went through.
func (e *Evidence) tried() string {
	if e.Scan.Few {
		return fmt.Sprintf("; missing: with gaps of %s there was no time for further hours, ranges and secrets, rapport scan takes it", phrase.Pause(e.Scan.Gap))
	}
	return fmt.Sprintf(", %d hours back and %d ahead", e.Past, e.Future)
}

// missing says which evidence would help.
func (e *Evidence) missing() (all []string) {
	if e.Future == 0 {
		all = append(all, "missing: future hours were not tried, since an eavesdropper could use their knocks later; --future 26 tries them")
	}
	if !e.Clocks().Known {
		all = append(all, "missing: "+e.untoldText())
	}
	if e.Rules == nil {
		all = append(all, "missing: the server's rules; --rules FILE reads them")
	}
	return append(all, e.untriedText()...)
}

func rulesProblemText(e *Evidence) Text {
	t := Text{Why: append(e.missingEvidence(), "the server's rules show it")}
	if e.Played != nil && !e.Played.Opened {
		t.Summary, t.Fix = "by the server's rules the handshake opens nothing: "+e.decided(e.Played), "on the server: move the gate's rules before that one; rapport trace plays it"
	}
	if e.orderDiffers() {
		t.Summary, t.Fix = "the server's rules have this client's ports in another order", "on the server: put the phases in the order in which the ports are computed"
	}
	for i, p := range e.rulesProblems() {
		summary := p.Summary
		if e.hidden {
			summary = p.WithoutPorts()
		}
		if i == 0 {
			t.Summary, t.Fix = summary, p.Fix
		}
		t.Why = append(t.Why, summary)
	}
	return t
}
