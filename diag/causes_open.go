package diag

import (
	"slices"

	"rapport/knock/gate"
)

// otherSecret reports whether the server's rules are made with another secret.
func (e *Evidence) otherSecret() bool { return e.Rules != nil && e.Rules.OtherSecret() }

// rulesFit reports whether the server's rules expect what was sent.
func (e *Evidence) rulesFit() bool {
	return e.outcome() == staysShut && e.Rules != nil && e.Rules.Candidate() != nil
}

// rulesProblem returns what the server's rules show to be wrong with them.
func (e *Evidence) rulesProblem() (p gate.Problem, ok bool) {
	if !e.rulesFit() {
		return p, false
	}
	i := slices.IndexFunc(e.Rules.Problems, func(p gate.Problem) bool { return p.Severity == gate.SeverityError })
	if i < 0 {
		return p, false
	}
	return e.Rules.Problems[i], true
}

// openQuestions are the causes of a gate that stays shut, and, in every other
// case, everything that is not in the table.
func openQuestions() []cause {
	shut := func(more func(*Evidence) bool) func(*Evidence) bool {
		return func(e *Evidence) bool { return e.outcome() == staysShut && more(e) }
	}
	hasProblem := func(e *Evidence) bool { _, ok := e.rulesProblem(); return ok }
	return []cause{
		{ID: "other-secret", Code: Unexplained, When: shut((*Evidence).otherSecret), Likelihood: surely},
		{ID: "sequence-used", Code: SequenceUsed, When: func(e *Evidence) bool {
			return e.rulesFit() && !hasProblem(e) && e.Rules.Gate != nil && e.Rules.Gate.Guarded
		}, Likelihood: surely},
		{ID: "rules-problem", Code: Unexplained, When: hasProblem, Likelihood: surely},
		{ID: "not-arriving", Code: Unexplained, When: func(e *Evidence) bool { return e.rulesFit() && !hasProblem(e) }, Likelihood: surely},
		{ID: "nothing-tried", Code: Unexplained, When: at(nothingTried), Likelihood: surely},
		{ID: "unexplained", Code: Unexplained, When: func(e *Evidence) bool {
			return e.outcome() != nothingTried && !e.rulesFit()
		}, Likelihood: func(e *Evidence) float64 {
			switch e.outcome() {
			case staysShut:
				switch {
				case e.otherSecret():
					return unseen
				case len(e.openedOnce()) > 0:
					return usual
				}
				return always
			case candidateOpens:
				if o, _ := e.opened(); !o.confirmed {
					return rare
				}
			}
			return unseen
		}},
	}
}
