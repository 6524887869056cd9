package gate

import (
	"context"
	"fmt"
	"slices"

	"rapport/knock"
	"rapport/knock/gate/script"
	"rapport/knock/phrase"
	"rapport/knock/solve"
)

// Inspection is a server's rules, or five ports that it accepts, compared with what
// a client has.
type Inspection struct {
	Kind  Kind  // empty where ports alone were inspected
	Gate  *Gate // nil: these rules hold none, or ports alone were inspected
	Gates []Gate
	Other []Gate // of nft, beside those of iptables
	// Query is what was solved: its ports are those of the candidate, or the first
	// that the gate accepts.
	Query    solve.Query
	Solution solve.Solution      // empty without a secret, or without five ports
	Printed  *script.Printed     // set only for a script of package script
	Partial  *solve.PartialMatch // set only where nothing makes all five ports
	Empty    *solve.Candidate    // set only where the empty secret makes them
	Differs  []string            // differences between the server and the client, each in a few words
	Problems []Problem
}

// Candidate returns the likeliest candidate, nil if nothing makes the ports.
func (i Inspection) Candidate() *solve.Candidate {
	if len(i.Solution.Candidates) == 0 {
		return nil
	}
	return &i.Solution.Candidates[0]
}

// Range returns the server's range, the zero Range where it is not known.
func (i Inspection) Range() knock.Range {
	return Facts{Candidate: i.Candidate(), Perhaps: i.perhaps(), Empty: i.Empty}.sweepRange(i.Printed)
}

// Others returns how many other candidates make the same ports.
func (i Inspection) Others() int { return max(0, len(i.Solution.Candidates)-1) + i.Solution.More }

// Certain reports whether the likeliest candidate stands out: it is the only one,
// or the only one with the client's range and its secret variant.
func (i Inspection) Certain() bool {
	m := i.Candidate()
	if m == nil || i.Others() > 0 && m.Range != i.Query.Range {
		return false
	}
	return !slices.ContainsFunc(i.Solution.Candidates[1:], func(o solve.Candidate) bool { return o.Range == m.Range && o.Variant == m.Variant })
}

// OtherSecret reports whether everything was searched and nothing makes the ports,
// nor most of them.
func (i Inspection) OtherSecret() bool {
	return i.Solution.Searched > 0 && i.Candidate() == nil && i.Partial == nil && i.Empty == nil
}

// Inspect judges rules, and solves for what their ports were made with unless p has
// no secret. It ignores the ports of p, and fills in the candidates of k. It fails
// only when ctx ends.
func Inspect(ctx context.Context, f Findings, p solve.Query, k Facts) (Inspection, error) {
	i := Inspection{Kind: f.Kind, Gates: f.Gates, Other: f.Other, Printed: f.Printed, Query: p, Differs: []string{}}
	if g, ok := f.Gate(); ok {
		i.Gate = &g
		if err := i.solve(ctx, g.Sequences()); err != nil {
			return i, err
		}
		if f.Printed != nil && p.Range.IsValid() {
			m := solve.Candidate{Range: f.Printed.Range, Variant: solve.AsGiven}
			i.Differs = append(i.Differs, m.Differs(p.Range)...)
		}
		k.Candidate, k.Perhaps, k.Empty = i.Candidate(), i.perhaps(), i.Empty
		if k.SSHPort != 0 && g.SSHPort != 0 && !slices.Contains(g.AcceptPorts, k.SSHPort) {
			i.Differs = append(i.Differs, fmt.Sprintf("ssh port is %d there, %d here", g.SSHPort, k.SSHPort))
		}
		if there := g.Window(); k.Window != 0 && there != k.Window && (there != 0 || f.Kind != FromScript) {
			word := "endless"
			if there != 0 {
				word = phrase.Pause(there)
			}
			i.Differs = append(i.Differs, fmt.Sprintf("window is %s there, %s here", word, phrase.Pause(k.Window)))
		}
	}
	i.Problems = f.Problems(k)
	return i, nil
}

// InspectPorts solves for what the ports of p were made with. It fails only
// when ctx ends.
func InspectPorts(ctx context.Context, p solve.Query) (Inspection, error) {
	i := Inspection{Query: p, Differs: []string{}, Problems: []Problem{}}
	if err := i.solve(ctx, [][knock.Knocks]uint16{p.Ports}); err != nil {
		return i, err
	}
	if i.Empty != nil {
		i.Problems = append(i.Problems, emptySecret(*i.Empty))
	}
	if m := i.Candidate(); m != nil {
		i.Problems = append(i.Problems, candidateProblems(*m, i.perhaps())...)
	}
	return i, nil
}

// solve finds what the likeliest of the sequences was made with.
func (i *Inspection) solve(ctx context.Context, sequences [][knock.Knocks]uint16) (err error) {
	if len(sequences) == 0 {
		return nil
	}
	i.Query.Ports = sequences[0]
	if !i.Query.Secret.IsZero() {
		if i.Query, i.Solution, err = solve.Any(ctx, i.Query, sequences); err != nil {
			return err
		}
	}
	m := i.Candidate()
	if m == nil || !i.Certain() {
		if i.Empty, err = solve.Empty(ctx, i.Query, sequences); err != nil {
			return err
		}
	}
	switch {
	case i.Query.Secret.IsZero() || i.Empty != nil:
	case m == nil:
		if i.Partial = solve.FindPartial(i.Query, sequences); i.Partial != nil {
			i.Differs = append(i.Differs, i.Partial.Differs()...)
		}
	case i.perhaps():
		i.Differs = append(i.Differs, "these are not the ports of this hour, range and secret")
		for _, d := range m.Differs(i.Query.Range) {
			i.Differs = append(i.Differs, "perhaps "+d)
		}
	default:
		i.Differs = append(i.Differs, m.Differs(i.Query.Range)...)
	}
	return nil
}

// perhaps reports whether the candidate is only a guess.
func (i Inspection) perhaps() bool {
	m := i.Candidate()
	return m != nil && !i.Certain() && !m.IsClients(i.Query.Range)
}
