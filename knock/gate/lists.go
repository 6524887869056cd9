package gate

import (
	"fmt"
	"slices"
	"time"

	"rapport/knock/gate/memory"
	"rapport/knock/netfilter/machine"
	"rapport/knock/phrase"
)

// setSize returns how many addresses fit into the smallest set of the phases, zero if
// no size is given, or none fits.
func (g Gate) setSize() (n int) {
	for i := range g.steps {
		set := g.rules.Set(g.steps[i].List)
		if set == nil || set.Size == 0 || g.isFull(i) {
			continue
		}
		if room := set.Size - set.Taken(); n == 0 || room < n {
			n = room
		}
	}
	return n
}

// isFull reports whether the set of a phase has no room beside what stays in it.
func (g Gate) isFull(i int) bool {
	set := g.rules.Set(g.steps[i].List)
	return set != nil && set.Size > 0 && set.Taken() >= set.Size
}

// checkSets judges sets of the phases that have no room, or had none.
func (g Gate) checkSets() (all []Problem) {
	for i := range g.steps {
		set := g.rules.Set(g.steps[i].List)
		switch {
		case set == nil || set.Size == 0:
		case g.isFull(i):
			all = append(all, newProblem("set-full", SeverityError, fmt.Sprintf("the set %s is full of addresses that stay: a knock is not recorded", g.Lists[i]), "remove them, and give the sets a size of 65535"))
		case len(set.Elements) >= set.Size:
			all = append(all, newProblem("set-full", SeverityWarning, fmt.Sprintf("the set %s was full when it was listed: until its addresses expire no other knock is recorded", g.Lists[i]), "give the sets a size of 65535"))
		}
	}
	if n := g.usedUp(); n > 0 {
		all = append(all, newProblem("guard-full", SeverityWarning, fmt.Sprintf("the replay guard is used up: until the hour ends it opens to %s and no other", phrase.Plural(n, "address")), "raise it: rapport rules HOST --replay-guard=N"))
	}
	return all
}

// usedUp returns how many addresses a replay guard holds that has room for no more; 0
// is none, or one with room.
func (g Gate) usedUp() int {
	if !g.Guarded || g.client == nil {
		return 0
	}
	for _, t := range g.rules.Tables {
		for _, s := range t.Sets {
			if s.Size > 0 && s.Taken() >= s.Size && s.Elements[0].Addr == g.client.src.String() {
				return len(s.Elements)
			}
		}
	}
	return 0
}

// Native reports whether the gate stands in a table of nft.
func (g Gate) Native() bool { return g.native }

// Drops returns the rule by which a SYN of a stranger to a port is dropped, nil if it
// is not, or by a policy.
func (g Gate) Drops(port int) *machine.Rule {
	if g.client == nil {
		return nil
	}
	c := g.anybody()
	if r := c.connect(c.machine(), port); r.Verdict == machine.Drop {
		return r.Rule
	}
	return nil
}

// IgnoredList is the set of the addresses that a sweep guard ignores.
type IgnoredList struct {
	Set     string
	Timeout time.Duration // how long it ignores them
}

// IgnoredLists returns the sets to which the rules add an address that sends many
// wrong ports, if another rule asks them.
func (g Gate) IgnoredLists() (all []IgnoredList) {
	if g.client == nil {
		return nil
	}
	m := g.client.machine()
	var added []string
	for i := range 400 {
		r := g.client.send(m, knockAt{port: g.wrong() + i%2})
		for _, change := range r.Changes {
			if m.Exceeded > 0 && change.Verb == "add" && !slices.Contains(added, change.List) {
				added = append(added, change.List)
			}
		}
		if m.Exceeded > 0 && i > 300 {
			break
		}
	}
	for _, c := range memory.Asked(g.rules) {
		if slices.Contains(added, c.List) && !c.Negated && c.Mode == machine.ModeCheck {
			all = append(all, IgnoredList{c.List, c.Within})
		}
	}
	return all
}
