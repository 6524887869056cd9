package netfilter

import (
	"cmp"
	"slices"
	"strings"

	"rapport/knock"
)

const (
	// maxHits bounds the rules followed: chains that jump to each other can
	// make any number of ways.
	maxHits = 20000
	// maxDepth bounds jumps within jumps; nft allows 16.
	maxDepth = 32
)

// way is all rules that packets of one family to the machine meet, in their
// order, jumps followed.
type Path struct {
	Hits  []Hit
	Bases []Base
	Sets  map[string]Set
	// known: the text shows rules for this family, or that there are none.
	// whole: it shows them all, and not only those that someone picked.
	Shown, Complete bool
	// hooked is the number of steps that a packet meets; the others stand in
	// chains that nothing leads to.
	Hooked int
}

// base is the steps of a base chain, and what becomes of a packet after them.
type Base struct {
	First, End int
	Policy     Verdict
	Hook       Hook
}

// step is a rule with what the jumps to it asked.
type Hit struct {
	Match
	Own     Match // asked by the rule itself; a jump has asked the rest
	jump    bool  // the steps up to skip are those of the chain it goes to
	Updates []SetUpdate
	Removes []string
	Verdict Verdict
	skip    int    // the step after a return, or after a jump's chain
	Chain   string // whose rule asked for the port
	Table   string
	Base    int
	Count   Count
	Resumes bool // not a rule: where a packet that has gone to another chain comes back
}

// follow follows the rules of tables for one family.
func PathOf(tables []*Table, family knock.Family) Path {
	w := Path{Sets: map[string]Set{}}
	type start struct {
		t *Table
		c *Chain
	}
	var starts, rest []start
	reached := map[*Chain]bool{}
	nft := false
	w.Complete = true
	for _, t := range tables {
		nft = nft || isNative(t.Name)
		w.Complete = w.Complete && t.whole
		if family == knock.Family4 && !t.v4 || family == knock.Family6 && !t.v6 {
			continue
		}
		w.Shown = true
		for name, l := range t.Sets {
			w.Sets[name] = l
		}
		for _, c := range t.Chains {
			if c.Hook != NoHook {
				starts = append(starts, start{t, c})
			} else {
				rest = append(rest, start{t, c})
			}
		}
	}
	// nft list ruleset shows every family: what it does not show is not there.
	w.Shown = w.Shown || nft
	slices.SortStableFunc(starts, func(a, b start) int {
		return cmp.Or(cmp.Compare(a.c.Hook, b.c.Hook), cmp.Compare(a.c.Priority, b.c.Priority))
	})
	for _, s := range starts {
		w.add(s.t, s.c, family, reached)
	}
	w.Hooked = len(w.Hits)
	// Chains that call come before those called, or the latter lose what is
	// asked on the way to them.
	called := map[*Chain]bool{}
	for _, s := range rest {
		for _, r := range s.c.Rules {
			if c := s.t.byName[r.Target]; c != nil && c != s.c {
				called[c] = true
			}
		}
	}
	for _, s := range rest {
		if !reached[s.c] && !called[s.c] {
			w.add(s.t, s.c, family, reached)
		}
	}
	return w
}

// of returns the way with the rules of nft's own tables alone, or with those of
// iptables alone. The steps keep their places; the others let all pass.
func (w Path) Only(native bool) Path {
	w.Hits, w.Bases = slices.Clone(w.Hits), slices.Clone(w.Bases)
	for i, s := range w.Hits {
		if isNative(s.Table) != native {
			w.Hits[i] = Hit{Table: s.Table, Base: s.Base}
			w.Bases[s.Base].Policy = Accept
		}
	}
	return w
}

// isNative reports whether a table is nft's own, whose names have a family.
func isNative(table string) bool { return strings.Contains(table, " ") }

// add follows the rules of one chain.
func (w *Path) add(t *Table, c *Chain, family knock.Family, reached map[*Chain]bool) {
	b := Base{First: len(w.Hits), Policy: c.Policy, Hook: c.Hook}
	w.walk(t, c, c.Name, Match{}, family, 0, reached)
	b.End = len(w.Hits)
	w.Bases = append(w.Bases, b)
}

// walk follows a chain. asker is the chain whose rule asked for a port.
func (w *Path) walk(t *Table, c *Chain, asker string, asked Match, family knock.Family, depth int, reached map[*Chain]bool) {
	reached[c] = true
	var returning []int
	for _, r := range c.Rules {
		if len(w.Hits) >= maxHits || depth > maxDepth {
			break
		}
		from := asker
		if r.Ports != nil {
			from = c.Name
		}
		s := Hit{Match: asked.and(r.Match), Own: r.Match, Updates: r.Updates, Removes: r.Removes, Verdict: r.Verdict, Chain: from, Table: t.Name, Base: len(w.Bases), Count: r.Count}
		if s.unsatisfiable || family == knock.Family4 && s.not4 || family == knock.Family6 && s.not6 {
			continue
		}
		switch target := t.byName[r.Target]; r.Verdict {
		case Jump, Goto:
			s.Verdict, s.jump = Next, true
			at := len(w.Hits)
			w.Hits = append(w.Hits, s)
			if target != nil {
				w.walk(t, target, from, s.Match, family, depth+1, reached)
			}
			if r.Verdict == Goto {
				s = Hit{Match: s.Match, Verdict: Return, Resumes: true, Chain: s.Chain, Table: s.Table, Base: s.Base}
				returning = append(returning, len(w.Hits))
				w.Hits = append(w.Hits, s)
			}
			w.Hits[at].skip = len(w.Hits)
		case Return:
			returning = append(returning, len(w.Hits))
			w.Hits = append(w.Hits, s)
		default:
			if s.Verdict != Next || len(s.Updates)+len(s.Removes) > 0 {
				w.Hits = append(w.Hits, s)
			}
		}
	}
	for _, i := range returning {
		w.Hits[i].skip = len(w.Hits)
	}
}
