package diag

import (
	"slices"

	"rapport/knock"
	"rapport/knock/gate"
	"rapport/knock/hosts"
	"rapport/knock/solve"
)

// RulesContradict reports whether, by the server's rules that were given, this client's
// handshake opens nothing.
func (e *Evidence) RulesContradict() bool {
	if e.Rules == nil || e.Rules.Gate == nil {
		return false
	}
	own := func(c solve.Candidate) bool { return c.IsClients(e.Target.Range) }
	all := e.Rules.Solution.Candidates
	return e.WrongGate() || e.OtherSecret() || e.OtherPort() != 0 || e.ShutOut() || len(all) > 0 && !slices.ContainsFunc(all, own)
}

// OtherSecret reports whether the server's rules are made with another secret.
func (e *Evidence) OtherSecret() bool { return e.Rules != nil && e.Rules.OtherSecret() }

// rulesFit reports whether the server's rules expect what was sent.
func (e *Evidence) rulesFit() bool {
	return e.Outcome() == StaysShut && e.Rules != nil && e.Rules.Candidate() != nil
}

// ownCauses are problems of rules for which there are causes of their own.
var ownCauses = []string{"stale-hour", "hour-ahead", "secret-variant", "ssh-port", "no-gate"}

// rulesProblems returns what the server's rules show to be wrong with the gate.
func (e *Evidence) rulesProblems() (all []gate.Problem) {
	if e.Rules == nil || e.Rules.Gate == nil {
		return nil
	}
	for _, p := range e.Rules.Problems {
		opens := e.ShutOut() || e.PlayedGap > 0 // to others, or with wide gaps
		if p.Severity != gate.SeverityError || opens && !slices.Contains(decisive, p.Code) {
			continue
		}
		if !slices.Contains(ownCauses, p.Code) {
			all = append(all, p)
		}
	}
	return all
}

// WrongGate reports whether the server's rules show a gate that this client cannot
// open.
func (e *Evidence) WrongGate() bool {
	return len(e.rulesProblems()) > 0 || e.orderDiffers() || e.playedShut()
}

// playedShut reports whether not even the gate's own handshake opens SSH by the server's
// rules: then no setting of the client does.
func (e *Evidence) playedShut() bool {
	return e.Played != nil && !e.Played.Opened || e.hasProblem("answers-dropped")
}

// decisive are problems of rules with which no handshake of a client opens the gate.
var decisive = []string{"phases-out-of-order", "no-door", "knocks-udp", "empty-secret"}

// rulesProve reports whether the server's rules alone show that no handshake of this client
// opens the gate, and the server does not show otherwise.
func (e *Evidence) rulesProve() bool {
	return e.RulesProof() != Refuted && e.rulesShut()
}

// rulesShut reports whether that is what they show.
func (e *Evidence) rulesShut() bool {
	return e.OtherSecret() || e.orderDiffers() || e.playedShut() || slices.ContainsFunc(e.rulesProblems(), func(p gate.Problem) bool {
		return slices.Contains(decisive, p.Code)
	})
}

// gateOrder returns which of this client's five knocks each phase of the server's rules
// takes, from 1, where they have its ports in another order; nil otherwise.
func (e *Evidence) gateOrder() []int {
	if e.Rules == nil || e.Rules.Gate == nil {
		return nil
	}
	ports, ok := e.Rules.Gate.Sequence()
	if !ok {
		return nil
	}
	for offset := -e.Past; offset <= e.Future; offset++ {
		own := knock.Derive(knock.HourOf(e.Now.Add(e.Target.Skew)).Add(offset), e.Target.Range, e.Target.Secret).Ports()
		var order []int
		for _, p := range ports {
			for i, o := range own { // a port may occur twice
				if o == p && !slices.Contains(order, i+1) {
					order = append(order, i+1)
					break
				}
			}
		}
		if own != ports && len(order) == knock.Knocks {
			return order
		}
	}
	return nil
}

// orderDiffers reports whether the server's rules have this client's ports in another
// order.
func (e *Evidence) orderDiffers() bool { return e.gateOrder() != nil }

// openedLate reports whether the very handshake that failed opened the gate when it
// was repeated.
func (e *Evidence) openedLate() bool {
	o, ok := e.opened()
	return !e.StandIn && (e.Outcome() == OpensLate || ok && e.Outcome() == CandidateOpens && o.Offset == 0 && len(differences(e, o)) == 0)
}

// byLuck is how probable it is that a handshake opens the gate when it is repeated,
// where the order of the ports is known to be right, and where it is not.
func byLuck(right float64) func(*Evidence) float64 {
	return func(e *Evidence) float64 {
		if e.orderDiffers() {
			return right * rare
		}
		return right
	}
}

// ShutOut reports whether the server's rules open the gate to others, and not to this
// address, and not because a replay guard is used up.
func (e *Evidence) ShutOut() bool {
	return !e.hasProblem("guard-full") && e.Played != nil && e.Played.Opened && e.PlayedHere != nil && !e.PlayedHere.Opened
}

// hasProblem reports whether inspect finds a problem in the server's rules.
func (e *Evidence) hasProblem(code string) bool {
	return e.Rules != nil && slices.ContainsFunc(e.Rules.Problems, func(p gate.Problem) bool { return p.Code == code })
}

// OtherPort is the SSH port of the server's rules, 0 if it is this client's or is not
// known.
func (e *Evidence) OtherPort() int {
	if e.Rules == nil || e.Rules.Gate == nil || !e.hasProblem("ssh-port") {
		return 0
	}
	return e.Rules.Gate.SSHPort
}

// differsBy is a detail that names how the gate differs.
func differsBy(what string) func(*Evidence) Detail {
	return func(*Evidence) Detail { return Detail{Differs: []string{what}} }
}

// openQuestions are the causes of a gate that stays shut, and, in every other
// case, everything that is not in the table.
func openQuestions() []cause {
	shut := func(more func(*Evidence) bool) func(*Evidence) bool {
		return func(e *Evidence) bool { return e.Outcome() == StaysShut && more(e) }
	}
	hasProblem := func(e *Evidence) bool { return e.WrongGate() || e.OtherPort() != 0 }
	return []cause{
		{ID: "other-secret", Code: Unexplained, When: shut(func(e *Evidence) bool { return e.OtherSecret() && !e.WrongGate() }), Likelihood: claimed(possible)},
		{ID: "no-gate", Code: GateDiffers, When: shut(func(e *Evidence) bool { return e.Rules != nil && e.Rules.Gate == nil && e.hasProblem("no-gate") }), Likelihood: surely, Detail: differsBy("no-gate")},
		{ID: "other-rules", Code: Unexplained, When: (*Evidence).mayBeOther, Likelihood: otherRules},
		{ID: "sequence-used", Code: SequenceUsed, When: func(e *Evidence) bool {
			return (e.rulesFit() && !hasProblem(e) || e.rulesFailed()) && e.Rules.Gate != nil && e.Rules.Gate.Guarded
		}, Likelihood: unless(func(e *Evidence) bool { // it had room when its set was listed
			return (e.Rules.Gate.Native() || !e.rulesFit()) && !e.hasProblem("guard-full")
		}, possible)},
		{ID: "sequence-unseen", Code: SequenceUsed, When: shut(func(e *Evidence) bool { return e.Rules == nil && !e.StandIn }), Likelihood: (*Evidence).neverOpened},
		{ID: "rules-problem", Code: GateDiffers, When: shut((*Evidence).WrongGate), Likelihood: claimed(rare), Detail: func(e *Evidence) (d Detail) {
			for _, p := range e.rulesProblems() {
				d.Differs = append(d.Differs, p.Code)
			}
			return d
		}},
		{ID: "other-ssh-port", Code: GateDiffers, When: func(e *Evidence) bool {
			return e.Outcome() == OpensMoved || e.Outcome() == StaysShut && e.OtherPort() != 0 && !e.WrongGate() && !e.OtherSecret()
		}, Likelihood: claimed(rare),
			Detail: differsBy("ssh-port"),
			Change: func(e *Evidence) hosts.Change { return hosts.Change{SSHPort: e.OtherPort()} }},
		{ID: "gate-unseen", Code: GateDiffers, When: shut(func(e *Evidence) bool { return e.Rules == nil && !e.StandIn }), Likelihood: (*Evidence).neverOpened},
		{ID: "strict-unseen", Code: GateDiffers, When: shut(func(e *Evidence) bool {
			return e.Rules == nil && !e.StandIn && !e.Target.Strict && e.Scan != nil && e.Scan.Tried() > 1
		}), Likelihood: (*Evidence).neverOpened},
		{ID: "not-admitted", Code: GateDiffers, When: shut(func(e *Evidence) bool { return e.ShutOut() && e.NetworkShut }), Likelihood: claimed(rare), Detail: differsBy("source-network")},
		{ID: "banned-there", Code: Banned, When: shut(func(e *Evidence) bool { return e.ShutOut() && !e.NetworkShut || e.Listed != nil }), Likelihood: func(e *Evidence) float64 {
			if e.Listed != nil && !e.RulesContradict() {
				return always // they are this client's, and nothing that they foretell is open
			}
			return claimed(rare)(e)
		}},
		{ID: "order-slips", Code: GateDiffers, When: func(e *Evidence) bool {
			return e.openedLate() || e.Outcome() == StaysShut && e.Once && e.Rules == nil
		}, Likelihood: func(e *Evidence) float64 {
			switch {
			case e.orderDiffers():
				return always
			case e.Again: // right after its fifth knock
				return rare
			}
			return possible
		}},
		{ID: "seemed", CodeOf: seemedCode, When: shut(func(e *Evidence) bool {
			_, ok := e.seemed()
			return ok && e.unrepeated() && !e.rulesProve() && e.Limited == knock.SSHUnknown // else that cause names it
		}), Likelihood: func(*Evidence) float64 { return usual }},
		{ID: "not-arriving", Code: Unexplained, When: func(e *Evidence) bool { return e.rulesFit() && !hasProblem(e) }, Likelihood: (*Evidence).neverOpened},
		{ID: "nothing-tried", Code: Unexplained, When: at(NothingTried), Likelihood: surely},
		{ID: "unexplained", Code: Unexplained, When: func(e *Evidence) bool {
			return e.Outcome() != NothingTried && !e.rulesFit()
		}, Likelihood: unexplainedLikelihood},
	}
}

// seemedCode is the code of what seemed to open the gate.
func seemedCode(e *Evidence) Code {
	switch c, _ := e.seemed(); {
	case c.Offset < 0:
		return HourBehind
	case c.Offset > 0:
		return HourAhead
	case c.Range != e.Target.Range:
		return RangeMismatch
	case c.Variant != solve.AsGiven:
		return SecretVariant
	}
	return LossyPath
}

// unexplainedLikelihood is how probable it is to see what was seen where the cause is none of
// the table.
func unexplainedLikelihood(e *Evidence) float64 {
	switch e.Outcome() {
	case StaysShut:
		switch {
		case e.rulesProve():
			return unseen
		case e.FellSilent(), e.RulesProof() == Confirmed:
			return rare
		case e.unrepeated():
			return usual
		}
		return always
	case CandidateOpens:
		switch o, _ := e.opened(); {
		case o.awaited: // nobody else's handshake is likely to come just then
			return rare * possible
		case !o.confirmed && !e.clocksAgree():
			return rare
		}
	case RouteFails:
		if e.OnlySSH {
			return rare
		}
	case OpensSlowly:
		if !e.Again {
			return rare
		}
	}
	return unseen
}
