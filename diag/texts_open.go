package diag

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"rapport/diag/answers"
	"rapport/diag/scan"
	"rapport/knock"
	"rapport/knock/gate/script"
	"rapport/knock/phrase"
	"rapport/knock/solve"
)

func otherSecretText(e *Evidence) Text {
	t := Text{"the server's rules are made with another secret", "see that the rules that were given are this server's, and its present ones; then use the same secret on both sides",
		append(e.missingEvidence(), "the server's rules are made with another secret: no hour or range fits")}
	if port := e.OtherPort(); port != 0 {
		t.Summary += fmt.Sprintf(", and its gate opens SSH port %d, here it is %d", port, e.Target.Addr.Port())
		t.Fix += fmt.Sprintf(", and SSH port %d here", port)
	}
	return t
}

// otherRulesText is for rules that may be another server's, or old.
func otherRulesText(e *Evidence) Text {
	t := Text{"the rules that were given may be another server's, or old", givePresent, []string{"the rules that were given say that " + e.rulesSay()}}
	switch {
	case e.RulesProof() == Refuted:
		t.Summary = "the handshake that the given rules expect does not open it: they are not those that the server has now, or the knocks do not arrive"
		t.Fix += "; and see on the server, with rapport watch or tcpdump, whether the knocks arrive"
		if e.ShutState() == knock.SSHRefused {
			t.Summary += ", or sshd does not listen"
		}
		t.Why = append(t.Why, refutedText)
	case e.RulesProof() == Agreeing:
		t.Why = append(t.Why, "nothing that was tried opens it, as they say")
	default:
		t.Why = append(t.Why, "missing: nothing that they foretell was seen at the server")
	}
	return t
}

// refutedText says what was seen of rules that do not hold.
const refutedText = "the handshake that the given rules expect was made, and does not open it: they are another server's, or old, or the knocks do not arrive"

// givePresent says how to give the rules that the server has now.
const givePresent = "give the rules that this server has now (nft list ruleset, or iptables-save and ip6tables-save, as root on it): --rules FILE"

// rulesSay says what the rules foretell of this client.
func (e *Evidence) rulesSay() string {
	switch c := e.Rules.Candidate(); {
	case e.ShutOut():
		return "the gate does not open to this address, which a NAT may change"
	case e.playedShut():
		return "no handshake opens the gate"
	case e.orderDiffers(), len(e.rulesProblems()) > 0:
		return "the gate is another one than this client's"
	case e.OtherSecret():
		return "the secret is another one"
	case e.OtherPort() != 0:
		return fmt.Sprintf("the gate opens SSH port %d", e.OtherPort())
	case c != nil:
		return "they were made with " + c.Made()
	}
	return "this client's handshake opens nothing"
}

// unexplainedText says what speaks for which cause, and which evidence is missing.
func unexplainedText(e *Evidence) Text {
	if e.Outcome() != StaysShut {
		return Text{"SSH opened, and by what is not sure", "run it again when nobody else knocks", []string{"something else that looks the same"}}
	}
	rules := "give the server's rules: --rules FILE"
	if e.Rules != nil {
		rules = givePresent
	}
	t := Text{"none of the hours, ranges and secret variants that were tried opens it: another secret, or the knocks do not arrive",
		fmt.Sprintf("compare the secret, the range (%v here), the SSH port (%d here) and the server's address (%v here) on both sides, or %s; on the server rapport watch, or tcpdump, shows whether the knocks arrive (a router or a provider's firewall in front of it has to let them in, not SSH alone), and fail2ban-client status whether this address is banned", e.Target.Range, e.Target.Addr.Port(), e.Target.Addr.Addr(), rules),
		e.missingEvidence()}
	if e.Scan == nil || e.Scan.Tried() == 0 {
		t.Summary = "this hour's handshake does not open it, and other hours, ranges and secret variants were not tried"
	}
	if e.unrepeated() && !e.FellSilent() {
		t.Summary = "something opened the gate, and did not when it was tried again: packets get lost on the way, somebody else knocked, or connections to SSH are limited; else it is another secret, or the knocks do not arrive"
		t.Fix = "run it again; or " + t.Fix
	}
	if e.Ended {
		t.Summary = "nothing that was tried opened it before the time was over"
		if len(e.openedOnce()) > 0 {
			t.Summary = "something opened the gate, and there was no time to try it again"
		}
		if e.Scan == nil || e.Scan.Guard == 0 {
			t.Fix = "give it more time; or " + t.Fix
		}
	}
	if s := e.Scan; s != nil && s.BeyondGuard > 0 {
		t.Fix += "; wait a minute before the next try: a sweep guard, if there is one, ignores this address for so long"
	} else if s != nil && s.Untried > 0 && s.Guard > 0 {
		t.Summary += "; " + s.LeftOut()
		t.Fix += "; wait a minute before the next try: if range or secret is wrong, that guard ignores this address for so long"
		if s.Takes() > 0 {
			t.Fix += fmt.Sprintf("; rapport scan with --timeout %s tries all candidates", phrase.Duration(s.Takes()))
		}
	}
	if s, ok := e.Clocks().RoundSkew(); ok && e.wrongSkew() && len(e.Answering()) > 0 { // a router may answer ICMP
		t.Fix += fmt.Sprintf("; and set skew %s here: %s", phrase.Duration(s), e.Clocks().Summary(e.Now))
	}
	if l := e.Clocks().Local; l.Known && l.Offset.Abs() > time.Minute {
		t.Fix = "set this machine's clock: by NTP it is " + phrase.Ahead(-l.Offset.Round(time.Second)) + "; and " + t.Fix
	}
	t.Fix += e.mayBeLeftOver()
	return t
}

// mayBeLeftOver asks for what is set here of the gate, and no rules say: it leaves much untried.
func (e *Evidence) mayBeLeftOver() string {
	var set []string
	if e.Target.Strict {
		set = append(set, "strict")
	}
	if e.Target.Gap > 0 {
		set = append(set, "a gap of "+phrase.Pause(e.Target.Gap))
	}
	if e.Target.SweepGuard > 0 {
		set = append(set, fmt.Sprintf("a sweep_guard of %d", e.Target.SweepGuard))
	}
	if e.Rules != nil || len(set) == 0 {
		return ""
	}
	return "; see that this server needs what is set here: " + strings.Join(set, ", ")
}

// missingEvidence says what was seen of a gate that stays shut, and which evidence
// would help.
func (e *Evidence) missingEvidence() []string {
	return slices.Concat(e.sshEvidence(), e.scanEvidence(), e.missing())
}

// sshEvidence says what the knocks and SSH answered.
func (e *Evidence) sshEvidence() []string {
	h := e.Handshake
	all := []string{"SSH is " + answers.State(h.SSH.State) + " before and after the handshake"}
	if ports, others := answers.With(h, knock.Silent); len(ports) > 0 && others == 0 {
		all[0] = "all knocks stay silent, as at a gate, and SSH is " + answers.State(h.SSH.State)
	}
	rejected, _ := answers.With(h, knock.Refused)
	sshAlone := h.SSH.State == knock.SSHRefused && len(rejected) == 0
	if e.ShutState() == knock.SSHUnreachable || e.ShutState() == knock.SSHRefused && sshAlone {
		all = append(all, "SSH's port is rejected without a knock: a ban of this address, or a rule for it, does that too, and a limit on connections to SSH (ufw limit) that earlier tries have used up: send nothing for a minute, and run it again")
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
			if tried := s.Tried(); tried > 0 {
				say("%s did not open it%s", phrase.Plural(tried, "candidate"), e.tried())
			}
		}
		for _, c := range s.Unconfirmed {
			say("hour %v, range %v and the secret %s seemed to open it, and that was not confirmed", c.Hour, c.Range, c.Variant.Words())
		}
		if s.BeyondGuard > 0 {
			say("missing: a gate with a sweep guard, which forgives %d wrong ports a minute by default, would have ignored %d of them, unless range and secret are right; set sweep_guard for this server, or give --rules FILE", script.DefaultSweepGuard, s.BeyondGuard)
		}
		if s.Untried > 0 {
			say("missing: %s", s.LeftOut())
		}
	}
	if s := e.OtherScan; s != nil && s.Opened == nil && s.Untried > 0 {
		say("missing: over IPv%s %s", knock.FamilyOf(e.OtherAddr), s.LeftOut())
	}
	if e.GapTooWide {
		say("missing: other hours, ranges and secrets: the gap of %s that is set here leaves no time for them; set a shorter one, or run rapport scan", phrase.Pause(e.Target.Gap))
	}
	all = append(all, e.countedWith()...)
	for _, r := range e.openedOnce() {
		again := ", and a handshake of its own did not"
		switch {
		case e.Ended:
			again = "; there was no time to confirm it"
		case r.Stopped.Reason == scan.NoRoute:
			again = "; the network went away before that was confirmed"
		}
		say("hour %v, range %v seemed to open it once%s", r.Opened.Hour, r.Opened.Range, again)
	}
	return all
}

// tried says which hours a scan went through.
func (e *Evidence) tried() string {
	if e.Scan.Few && e.Scan.Gap > 0 {
		return fmt.Sprintf("; missing: with gaps of %s there was no time for further hours, ranges and secrets, rapport scan takes it", phrase.Pause(e.Scan.Gap))
	}
	if e.Past+e.Future == 0 {
		return ", of this hour alone"
	}
	if e.Scan.Untried == 0 {
		ahead := 0
		for _, c := range e.Scan.Cells { // a clock may show one
			if c.Offset > 0 && c.Range == e.Target.Range && c.Variant == solve.AsGiven {
				ahead++
			}
		}
		return fmt.Sprintf(", %d hours back and %d ahead", e.Past, ahead)
	}
	hours := 0
	for _, c := range e.Scan.Cells {
		if c.State != scan.Waiting && c.Offset != 0 && c.Range == e.Target.Range && c.Variant == solve.AsGiven {
			hours++
		}
	}
	return fmt.Sprintf(", among them %d of %s", hours, phrase.Plural(e.Past+e.Future, "other hour"))
}

// missing says which evidence would help.
func (e *Evidence) missing() (all []string) {
	known := e.Rules != nil && e.Rules.Gate != nil && (e.Rules.Candidate() != nil || e.rulesProve()) // their hour
	told := known || e.Clocks().Known
	if e.Future == 0 && !known && !e.clockAhead() {
		all = append(all, "missing: future hours were not tried, since an eavesdropper could use their knocks later; --future 26 tries them")
	}
	if !told {
		all = append(all, "missing: "+e.untoldText())
	}
	if e.OwnAddr {
		all = append(all, "missing: "+ownText)
	}
	if e.Rules == nil {
		all = append(all, "missing: the server's rules; --rules FILE reads them")
	}
	if !known && 0 < e.Past && e.Past < 168 {
		all = append(all, fmt.Sprintf("missing: rules that are older than %s; --past 168 tries those of a week", phrase.Plural(e.Past, "hour")))
	}
	return slices.Concat(all, e.listsText(), e.untriedText())
}
