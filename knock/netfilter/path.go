package netfilter

import (
	"cmp"
	"slices"
	"strings"

	"rapport/knock"
)

const (
	// maxHits bounds the rules that are followed: chains that jump to each other
	// can multiply them without limit.
	maxHits = 20000
	// maxDepth bounds jumps within jumps; nft allows 16.
	maxDepth = 32
)

// Path is all rules that a packet of one family to the machine may meet, in their
// order, with jumps followed.
type Path struct {
	Hits  []Hit
	Bases []Base
	Sets  map[string]Set
	// Shown says that the text shows this family's rules, even if there are none.
	// Complete says that it shows all of them, not only some chains.
	Shown, Complete bool
	// Hooked is the number of hits in base chains and the chains that they reach.
	// The other hits are in chains that no packet reaches.
	Hooked int
}

// Base is a base chain: Hits[First:End], and the policy after them.
type Base struct {
	First, End int
	Policy     Verdict
	Hook       Hook
}

// Hit is a place in a [Path]: a rule, joined with the conditions of the jumps that
// lead to it.
type Hit struct {
	Match
	Own     Match // the rule's own conditions, without those of the jumps
	jump    bool  // the hits up to skip are those of the target chain
	Updates []SetUpdate
	Removes []string
	Verdict Verdict
	skip    int    // the hit after a return, or after the chain of a jump
	Chain   string // whose rule matches the port
	Table   string
	Base    int // index into Bases
	Count   Count
	Resumes bool // not a rule: the return at the end of a chain reached by goto
}

// Path returns the path of packets of one family.
func (r Ruleset) Path(family knock.Family) Path {
	path := Path{Sets: map[string]Set{}}
	type start struct {
		t *Table
		c *Chain
	}
	var starts, rest []start
	reached := map[*Chain]bool{}
	nft := false
	path.Complete = true
	for _, t := range r.Tables {
		nft = nft || isNative(t.Name)
		path.Complete = path.Complete && t.whole
		if family == knock.Family4 && !t.v4 || family == knock.Family6 && !t.v6 {
			continue
		}
		path.Shown = true
		for name, l := range t.Sets {
			path.Sets[name] = l
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
	path.Shown = path.Shown || nft
	slices.SortStableFunc(starts, func(a, b start) int {
		return cmp.Or(cmp.Compare(a.c.Hook, b.c.Hook), cmp.Compare(a.c.Priority, b.c.Priority))
	})
	for _, s := range starts {
		path.add(s.t, s.c, family, reached)
	}
	path.Hooked = len(path.Hits)
	// Callers come before their targets: a target that came first would lose the
	// conditions of the jump.
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
			path.add(s.t, s.c, family, reached)
		}
	}
	return path
}

// Only returns the path with only the rules of native nft tables, or only those
// of iptables. Indexes stay the same; the other hits are empty.
func (path Path) Only(native bool) Path {
	path.Hits, path.Bases = slices.Clone(path.Hits), slices.Clone(path.Bases)
	for i, s := range path.Hits {
		if isNative(s.Table) != native {
			path.Hits[i] = Hit{Table: s.Table, Base: s.Base}
			path.Bases[s.Base].Policy = Accept
		}
	}
	return path
}

// isNative reports whether a table is a native one of nft, whose name starts with
// a family.
func isNative(table string) bool { return strings.Contains(table, " ") }

// add appends a base chain, or a chain that nothing reaches.
func (path *Path) add(t *Table, c *Chain, family knock.Family, reached map[*Chain]bool) {
	b := Base{First: len(path.Hits), Policy: c.Policy, Hook: c.Hook}
	path.walk(t, c, c.Name, Match{}, family, 0, reached)
	b.End = len(path.Hits)
	path.Bases = append(path.Bases, b)
}

// walk appends the hits of a chain. asker is the chain whose rule matched a port.
func (path *Path) walk(t *Table, c *Chain, asker string, asked Match, family knock.Family, depth int, reached map[*Chain]bool) {
	reached[c] = true
	var returning []int
	for _, r := range c.Rules {
		if len(path.Hits) >= maxHits || depth > maxDepth {
			break
		}
		from := asker
		if r.Ports != nil {
			from = c.Name
		}
		s := Hit{Match: asked.and(r.Match), Own: r.Match, Updates: r.Updates, Removes: r.Removes, Verdict: r.Verdict, Chain: from, Table: t.Name, Base: len(path.Bases), Count: r.Count}
		if s.unsatisfiable || family == knock.Family4 && s.not4 || family == knock.Family6 && s.not6 {
			continue
		}
		switch target := t.byName[r.Target]; r.Verdict {
		case Jump, Goto:
			s.Verdict, s.jump = Next, true
			at := len(path.Hits)
			path.Hits = append(path.Hits, s)
			if target != nil {
				path.walk(t, target, from, s.Match, family, depth+1, reached)
			}
			if r.Verdict == Goto {
				s = Hit{Match: s.Match, Verdict: Return, Resumes: true, Chain: s.Chain, Table: s.Table, Base: s.Base}
				returning = append(returning, len(path.Hits))
				path.Hits = append(path.Hits, s)
			}
			path.Hits[at].skip = len(path.Hits)
		case Return:
			returning = append(returning, len(path.Hits))
			path.Hits = append(path.Hits, s)
		default:
			if s.Verdict != Next || len(s.Updates)+len(s.Removes) > 0 {
				path.Hits = append(path.Hits, s)
			}
		}
	}
	for _, i := range returning {
		path.Hits[i].skip = len(path.Hits)
	}
}
