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
	return e.WrongGate() || e.OtherSecret() || e.otherPort() != 0 || e.shutOut() || len(all) > 0 && !slices.ContainsFunc(all, own)
}

// OtherSecret reports whether the server's rules are made with another secret.
func (e *Evidence) OtherSecret() bool { return e.Rules != nil && e.Rules.OtherSecret() }

// rulesFit reports whether the server's rules expect what was sent.
func (e *Evidence) rulesFit() bool {
	return e.Outcome() == StaysShut && e.Rules != nil && e.Rules.Candidate() != nil
}

// ownCauses are problems of rules for which there are causes of their own.
var ownCauses = []string{"stale-hour", "hour-ahead", "secret-variant", "empty-secret", "ssh-port", "no-gate"}

// rulesProblems returns what the server's rules show to be wrong with the gate.
func (e *Evidence) rulesProblems() (all []gate.Problem) {
	if e.Rules == nil || e.Rules.Gate == nil {
		return nil
	}
	for _, p := range e.Rules.Problems {
		if p.Severity == gate.SeverityError && !slices.Contains(ownCauses, p.Code) {
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

// orderDiffers reports whether the server's rules have this client's ports in another
// order.
func (e *Evidence) orderDiffers() bool {
	if e.Rules == nil || e.Rules.Gate == nil {
		return false
	}
	ports, ok := e.Rules.Gate.Sequence()
	if !ok {
		return false
	}
	sorted := slices.Sorted(slices.Values(ports[:]))
	for offset := -e.Past; offset <= e.Future; offset++ {
		own := knock.Derive(knock.HourOf(e.Now.Add(e.Target.Skew)).Add(offset), e.Target.Range, e.Target.Secret).Ports()
		if own != ports && slices.Equal(slices.Sorted(slices.Values(own[:])), sorted) {
			return true
		}
	}
	return false
}

// openedLate reports whether the very handshake that failed opened the gate when it
// was repeated.
func (e *Evidence) openedLate() bool {
	o, ok := e.opened()
	return !e.Loopback() && (e.Outcome() == OpensLate || ok && e.Outcome() == CandidateOpens && o.Offset == 0 && len(differences(e, o)) == 0)
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

// shutOut reports whether the server's rules open the gate to others, and not to this
// address, and not because a replay guard is used up.
func (e *Evidence) shutOut() bool {
	return !e.hasProblem("guard-full") && e.Played != nil && e.Played.Opened && e.PlayedHere != nil && !e.PlayedHere.Opened
}

// hasProblem reports whether inspect finds a problem in the server's rules.
func (e *Evidence) hasProblem(code string) bool {
	return e.Rules != nil && slices.ContainsFunc(e.Rules.Problems, func(p gate.Problem) bool { return p.Code == code })
}

// otherPort is the SSH port of the server's rules, 0 if it is this client's or is not
// known.
func (e *Evidence) otherPort() int {
	if e.Rules == nil || e.Rules.Gate == nil || !e.hasProblem("ssh-port") {
		return 0
	}
	return e.Rules.Gate.SSHPort
}

// openQuestions are the causes of a gate that stays shut, and, in every other
// case, everything that is not in the table.
func openQuestions() []cause {
	shut := func(more func(*Evidence) bool) func(*Evidence) bool {
		return func(e *Evidence) bool { return e.Outcome() == StaysShut && more(e) }
	}
	hasProblem := func(e *Evidence) bool { return e.WrongGate() || e.otherPort() != 0 }
	return []cause{
		{ID: "other-secret", Code: Unexplained, When: shut(func(e *Evidence) bool { return e.OtherSecret() && !e.WrongGate() }), Likelihood: surely},
		{ID: "sequence-used", Code: SequenceUsed, When: func(e *Evidence) bool {
			return e.rulesFit() && !hasProblem(e) && e.Rules.Gate != nil && e.Rules.Gate.Guarded
		}, Likelihood: surely},
		{ID: "rules-problem", Code: GateDiffers, When: shut((*Evidence).WrongGate), Likelihood: surely, Detail: func(e *Evidence) (d Detail) {
			for _, p := range e.rulesProblems() {
				d.Differs = append(d.Differs, p.Code)
			}
			return d
		}},
		{ID: "other-ssh-port", Code: GateDiffers, When: shut(func(e *Evidence) bool { return e.otherPort() != 0 && !e.WrongGate() && !e.OtherSecret() }), Likelihood: surely,
			Detail: func(*Evidence) Detail { return Detail{Differs: []string{"ssh-port"}} },
			Change: func(e *Evidence) hosts.Change { return hosts.Change{SSHPort: e.otherPort()} }},
		{ID: "gate-unseen", Code: GateDiffers, When: shut(func(e *Evidence) bool { return e.Rules == nil && !e.Loopback() }), Likelihood: (*Evidence).neverOpened},
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
		{ID: "not-arriving", Code: Unexplained, When: func(e *Evidence) bool { return e.rulesFit() && !hasProblem(e) }, Likelihood: (*Evidence).neverOpened},
		{ID: "nothing-tried", Code: Unexplained, When: at(NothingTried), Likelihood: surely},
		{ID: "unexplained", Code: Unexplained, When: func(e *Evidence) bool {
			return e.Outcome() != NothingTried && !e.rulesFit()
		}, Likelihood: func(e *Evidence) float64 {
			switch e.Outcome() {
			case StaysShut:
				switch {
				case e.OtherSecret():
					return unseen
				case e.FellSilent():
					return rare
				case e.unrepeated():
					return usual
				}
				return always
			case CandidateOpens:
				if o, _ := e.opened(); !o.confirmed {
					return rare
				}
			case OpensSlowly:
				if !e.Again {
					return rare
				}
			}
			return unseen
		}},
	}
}
