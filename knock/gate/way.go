package gate

import (
	"cmp"
	"slices"
	"strings"

	"rapport/knock"
)

const (
	// maxSteps bounds the rules followed: chains that jump to each other can
	// make any number of ways.
	maxSteps = 20000
	// maxDepth bounds jumps within jumps; nft allows 16.
	maxDepth = 32
)

// way is all rules that packets of one family to the machine meet, in their
// order, jumps followed.
type way struct {
	steps []step
	bases []base
	lists map[string]list
	// known: the text shows rules for this family, or that there are none.
	// whole: it shows them all, and not only those that someone picked.
	known, whole bool
	// hooked is the number of steps that a packet meets; the others stand in
	// chains that nothing leads to.
	hooked int
}

// base is the steps of a base chain, and what becomes of a packet after them.
type base struct {
	first, end int
	policy     verdict
	hook       hook
}

// step is a rule with what the jumps to it asked.
type step struct {
	cond
	own     cond // asked by the rule itself; a jump has asked the rest
	jump    bool // the steps up to skip are those of the chain it goes to
	sets    []note
	removes []string
	verdict verdict
	skip    int    // the step after a return, or after a jump's chain
	chain   string // whose rule asked for the port
	table   string
	base    int
	count   Count
	ends    bool // not a rule: where a packet that has gone to another chain comes back
}

// follow follows the rules of tables for one family.
func follow(tables []*table, family knock.Family) way {
	w := way{lists: map[string]list{}}
	type start struct {
		t *table
		c *chain
	}
	var starts, rest []start
	reached := map[*chain]bool{}
	nft := false
	w.whole = true
	for _, t := range tables {
		nft = nft || isNative(t.name)
		w.whole = w.whole && t.whole
		if family == knock.Family4 && !t.v4 || family == knock.Family6 && !t.v6 {
			continue
		}
		w.known = true
		for name, l := range t.lists {
			w.lists[name] = l
		}
		for _, c := range t.order {
			if c.hook != noHook {
				starts = append(starts, start{t, c})
			} else {
				rest = append(rest, start{t, c})
			}
		}
	}
	// nft list ruleset shows every family: what it does not show is not there.
	w.known = w.known || nft
	slices.SortStableFunc(starts, func(a, b start) int {
		return cmp.Or(cmp.Compare(a.c.hook, b.c.hook), cmp.Compare(a.c.priority, b.c.priority))
	})
	for _, s := range starts {
		w.add(s.t, s.c, family, reached)
	}
	w.hooked = len(w.steps)
	// Chains that call come before those called, or the latter lose what is
	// asked on the way to them.
	called := map[*chain]bool{}
	for _, s := range rest {
		for _, r := range s.c.rules {
			if c := s.t.chains[r.target]; c != nil && c != s.c {
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
func (w way) of(native bool) way {
	w.steps, w.bases = slices.Clone(w.steps), slices.Clone(w.bases)
	for i, s := range w.steps {
		if isNative(s.table) != native {
			w.steps[i] = step{table: s.table, base: s.base}
			w.bases[s.base].policy = accepts
		}
	}
	return w
}

// isNative reports whether a table is nft's own, whose names have a family.
func isNative(table string) bool { return strings.Contains(table, " ") }

// add follows the rules of one chain.
func (w *way) add(t *table, c *chain, family knock.Family, reached map[*chain]bool) {
	b := base{first: len(w.steps), policy: c.policy, hook: c.hook}
	w.walk(t, c, c.name, cond{}, family, 0, reached)
	b.end = len(w.steps)
	w.bases = append(w.bases, b)
}

// walk follows a chain. asker is the chain whose rule asked for a port.
func (w *way) walk(t *table, c *chain, asker string, asked cond, family knock.Family, depth int, reached map[*chain]bool) {
	reached[c] = true
	var returning []int
	for _, r := range c.rules {
		if len(w.steps) >= maxSteps || depth > maxDepth {
			break
		}
		from := asker
		if r.ports != nil {
			from = c.name
		}
		s := step{cond: asked.and(r.cond), own: r.cond, sets: r.sets, removes: r.removes, verdict: r.verdict, chain: from, table: t.name, base: len(w.bases), count: r.count}
		if s.never || family == knock.Family4 && s.not4 || family == knock.Family6 && s.not6 {
			continue
		}
		switch target := t.chains[r.target]; r.verdict {
		case jumps, leaves:
			s.verdict, s.jump = goesOn, true
			at := len(w.steps)
			w.steps = append(w.steps, s)
			if target != nil {
				w.walk(t, target, from, s.cond, family, depth+1, reached)
			}
			if r.verdict == leaves {
				s = step{cond: s.cond, verdict: returns, ends: true, chain: s.chain, table: s.table, base: s.base}
				returning = append(returning, len(w.steps))
				w.steps = append(w.steps, s)
			}
			w.steps[at].skip = len(w.steps)
		case returns:
			returning = append(returning, len(w.steps))
			w.steps = append(w.steps, s)
		default:
			if s.verdict != goesOn || len(s.sets)+len(s.removes) > 0 {
				w.steps = append(w.steps, s)
			}
		}
	}
	for _, i := range returning {
		w.steps[i].skip = len(w.steps)
	}
}
