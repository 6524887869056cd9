// Package memory says where a firewall remembers sources of packets, and which of its
// rules ask what it remembers.
package memory

import (
	"net/netip"
	"slices"

	"rapport/knock"
	"rapport/knock/netfilter/machine"
)

// Chains returns the chains with a rule that remembers sources, or that leads
// to such a chain.
func Chains(rules *machine.Ruleset) map[*machine.Chain]bool {
	all := map[*machine.Chain]bool{}
	for changed := true; changed; {
		changed = false
		for r := range rules.Rules {
			if !all[r.Chain()] && Leads(r, all) {
				all[r.Chain()], changed = true, true
			}
		}
	}
	return all
}

// Leads reports whether a rule remembers sources, or leads to a chain that does.
func Leads(r *machine.Rule, remembers map[*machine.Chain]bool) bool {
	return r.Remembers() || slices.ContainsFunc(r.Targets(), func(to *machine.Chain) bool { return remembers[to] })
}

// Insiders returns one address of each set that has no room, such as a replay guard
// that is used up: others are recorded no more.
func Insiders(rules *machine.Ruleset, family knock.Family) (all []netip.Addr) {
	for _, t := range rules.Tables {
		for _, s := range t.Sets {
			if s.Size == 0 || s.Taken() < s.Size {
				continue
			}
			if a, err := netip.ParseAddr(s.Elements[0].Addr); err == nil && knock.FamilyOf(a) == family {
				all = append(all, a)
			}
		}
	}
	slices.SortFunc(all, netip.Addr.Compare) // the sets have no order
	return all
}

// Unrelated returns a function that selects the rules that decide about packets
// without asking what the firewall remembers of their source. Of redirects it selects
// those of knocks: others may lead to the port that the gate opens.
func Unrelated(rules *machine.Ruleset, ofKnocks map[*machine.Rule]bool) func(*machine.Rule, machine.Verdict) bool {
	asked := map[*machine.Chain]bool{} // chains that a rule leads to which asks
	for changed := true; changed; {
		changed = false
		for r := range rules.Rules {
			if !asked[r.Chain()] && len(r.Checks()) == 0 {
				continue
			}
			for _, to := range r.Targets() {
				changed = changed || !asked[to]
				asked[to] = true
			}
		}
	}
	return func(r *machine.Rule, v machine.Verdict) bool {
		if r.Redirect != nil {
			return ofKnocks[r]
		}
		if asked[r.Chain()] {
			return false
		}
		gates := func(c machine.Check) bool { return c.Negated || v == machine.Accept }
		return !slices.ContainsFunc(r.Checks(), gates) // a drop for those on a list is a ban
	}
}

// Unreached returns the chains that remember sources and that no packet gets to, the
// callers before what they call.
func Unreached(rules *machine.Ruleset, family knock.Family, native bool) (all []*machine.Chain) {
	reached := map[*machine.Chain]bool{}
	called := map[*machine.Chain]bool{}
	var reach func(c *machine.Chain)
	reach = func(c *machine.Chain) {
		if reached[c] {
			return
		}
		reached[c] = true
		for _, r := range c.Rules {
			for _, to := range r.Targets() {
				reach(to)
			}
		}
	}
	remembers := Chains(rules)
	var rest []*machine.Chain
	for _, t := range rules.Tables {
		if t.Native() != native || family == knock.Family4 && !t.V4 || family == knock.Family6 && !t.V6 {
			continue
		}
		for _, c := range t.Chains {
			if c.Hook != machine.NoHook {
				reach(c)
			} else {
				rest = append(rest, c)
			}
		}
	}
	for _, c := range rest {
		for _, r := range c.Rules {
			for _, to := range r.Targets() {
				if to != c {
					called[to] = true
				}
			}
		}
	}
	for _, c := range rest {
		if !reached[c] && !called[c] && remembers[c] {
			all = append(all, c)
		}
	}
	return all
}

// Lists returns the names of the lists and sets that rules put sources on, in the
// order of the rules.
func Lists(rules *machine.Ruleset) (all []string) {
	for rule := range rules.Rules {
		for _, u := range rule.Updates() {
			if !u.Remove && !u.ByDest && !slices.Contains(all, u.List) {
				all = append(all, u.List)
			}
		}
	}
	return all
}

// Asked returns the conditions on lists and sets whose members rules ask for, in the
// order of the rules; of those with the same list, negation and mode the first.
func Asked(rules *machine.Ruleset) (all []machine.Check) {
	for rule := range rules.Rules {
		for _, check := range rule.Checks() {
			same := func(c machine.Check) bool {
				return c.List == check.List && c.Negated == check.Negated && c.Mode == check.Mode
			}
			if !check.ByDest && !slices.ContainsFunc(all, same) {
				all = append(all, check)
			}
		}
	}
	return all
}

// Filling returns the rules that lead to one that puts sources on a list, and those
// themselves.
func Filling(rules *machine.Ruleset, list string) (all []*machine.Rule) {
	fills := map[*machine.Chain]bool{}
	for rule := range rules.Rules {
		if slices.ContainsFunc(rule.Updates(), func(u machine.Update) bool { return u.List == list && !u.Remove }) {
			all = append(all, rule)
			fills[rule.Chain()] = rule.Chain().Hook == machine.NoHook
		}
	}
	var leading []*machine.Rule
	for rule := range rules.Rules {
		if slices.ContainsFunc(rule.Targets(), func(to *machine.Chain) bool { return fills[to] }) {
			leading = append(leading, rule)
		}
	}
	return append(leading, all...)
}
