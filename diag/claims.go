package diag

import (
	"slices"

	"rapport/diag/scan"
)

// Proof is what the server did with what the rules that were given foretell. They are a file,
// and may be those of another server, or old: what the server does is the fact.
type Proof int

// The proofs.
const (
	Unproven  Proof = iota // nothing was seen that they foretell
	Agreeing               // nothing opens, as they foretell, and as where knocks get lost
	Confirmed              // the handshake that they expect opens the gate
	Refuted                // it does not, or another one does
)

// RulesProof returns what the server did with what the rules foretell.
func (e *Evidence) RulesProof() Proof {
	if e.Rules == nil || e.Rules.Gate == nil {
		return Unproven
	}
	if s := e.Scan; s != nil && s.Opened != nil && s.Confirmed {
		if c := e.Rules.Candidate(); c != nil && s.Opened.Same(*c) {
			return Confirmed
		}
		return Refuted
	}
	switch {
	case e.Claimed != nil && e.claimedReached():
		return Confirmed
	case e.rulesFailed(), e.Handshake != nil && e.Handshake.Opened && e.RulesContradict():
		return Refuted
	case e.nothingOpened():
		return Agreeing
	}
	return Unproven
}

// claimedReached reports whether SSH accepted after the handshake of the rules.
func (e *Evidence) claimedReached() bool {
	return e.Claimed.Opened || e.Claimed.SSH.State.Connected()
}

// rulesFailed reports whether what the server's rules open to was tried, and did not open the
// gate: then more is wrong than that, or they are not the server's.
func (e *Evidence) rulesFailed() bool {
	if e.Rules == nil || e.ShutOut() {
		return false
	}
	if e.Claimed != nil {
		// One that is refused where it was silent may be behind a gate that opened, or limited.
		return !e.claimedReached() && e.Claimed.SSH.State == e.Claimed.Before.State
	}
	c, s := e.Rules.Candidate(), e.Scan
	return c != nil && !e.WrongGate() && s != nil && s.Opened == nil && s.Stopped.IsZero() && slices.ContainsFunc(s.Cells, func(o scan.Cell) bool {
		return o.Candidate == *c && o.State != scan.Waiting
	})
}

// nothingOpened reports whether the likeliest hours and slips were tried, and opened nothing.
func (e *Evidence) nothingOpened() bool {
	s := e.Scan
	return e.Outcome() == StaysShut && s != nil && s.Opened == nil && s.Stopped.IsZero() && s.Tried() > 1 && !e.unrepeated()
}

// claimed is how probable what was seen is under a fault that the rules alone show. refuted is
// what remains of that where the server contradicts them.
func claimed(refuted float64) func(*Evidence) float64 {
	return func(e *Evidence) float64 {
		switch e.RulesProof() {
		case Confirmed, Agreeing:
			return always
		case Refuted:
			return refuted
		}
		return possible
	}
}

// otherRules is how probable what was seen is if the rules are not those that the server has.
func otherRules(e *Evidence) float64 {
	switch proof := e.RulesProof(); {
	case proof == Confirmed:
		return unseen
	case proof == Agreeing, e.clocksAgree():
		return rare
	case !e.RulesContradict(), proof == Unproven, e.Shut.Names() != "" || e.Shut.Most: // these explain why it stays shut
		return possible
	}
	return always
}

// mayBeOther reports whether the rules that were given may not be those of the server: they do
// not fit this client, whose failure rests on nothing else.
func (e *Evidence) mayBeOther() bool {
	if !e.RulesContradict() { // the same secret on two servers
		return e.rulesFit() && e.rulesFailed()
	}
	o, ok := e.opened()
	return e.Outcome() == StaysShut || ok && e.Outcome() == CandidateOpens && o.tried == 0
}

// overruled reports whether the server did otherwise than the rules that were given foretell.
func (e *Evidence) overruled() bool {
	o, ok := e.opened()
	if e.Rules == nil || e.Rules.Gate == nil || !ok || o.tried == 0 || e.Outcome() != CandidateOpens {
		return false
	}
	all := e.Rules.Solution.Candidates
	return e.WrongGate() || e.OtherSecret() || e.ShutOut() || len(all) > 0 && !slices.ContainsFunc(all, o.Same)
}
