package watch

import (
	"slices"

	"rapport/knock"
	"rapport/knock/gate"
	"rapport/knock/netfilter/machine"
)

// dropRule returns the rule that drops SYNs to the SSH port, nil unless it is for
// this port alone.
func dropRule(g gate.Gate) *machine.Rule {
	r := g.Drops(g.SSHPort)
	if g.SSHPort == 0 || r == g.Drops(g.SSHPort+1) || r == g.Drops(otherPort) {
		return nil
	}
	return r
}

// otherPort is a port that no rule is expected to name.
const otherPort = 61234

// phaseLists returns the names of the sets of each phase, at most five, and of
// their table. A knock may add an address to several sets: the article's fifth
// does.
func phaseLists(g gate.Gate) (all [][]string, table string) {
	var guards []string
	for _, r := range replayGuards(g) {
		guards = append(guards, r.Opened, r.Used)
	}
	steps := g.Steps()
	for i, s := range steps {
		if s.Rule != nil {
			table = s.Rule.Chain().Table().Name
		}
		lists := []string{s.List}
		for _, l := range s.Lists {
			earlier := slices.ContainsFunc(steps[:i], func(o gate.Step) bool { return slices.Contains(o.Lists, l) })
			if l != s.List && !earlier && !slices.Contains(guards, l) {
				lists = append(lists, l)
			}
		}
		if len(all) < knock.Knocks {
			all = append(all, lists)
		}
	}
	return all, table
}

// openedLists returns the sets to which the accept rule adds what it accepts.
func openedLists(g gate.Gate) (lists []string) {
	phases, _ := phaseLists(g)
	for _, change := range g.Accepted().Changes {
		inPhase := slices.ContainsFunc(phases, func(p []string) bool { return slices.Contains(p, change.List) })
		if set := g.Rules().Set(change.List); change.Verb != "remove" && set != nil && set.Timeout > 0 && !inPhase {
			lists = append(lists, change.List)
		}
	}
	return lists
}

// acceptsLocally reports whether the accept rule is for a port of this machine, not
// one that is forwarded.
func acceptsLocally(g gate.Gate) bool { return g.Opens() && g.SSHPort != 0 && !g.Accepted().Forwarded }

// ReplayGuard names the sets in which a replay guard remembers, for one hour, who
// has opened the gate.
type ReplayGuard struct {
	Family knock.Family
	Used   string // counts them
	Opened string // holds their addresses; with nft it is Used
	Size   int    // how many may open
}

// replayGuards returns the replay guards of the last phase, one for each hour that
// counts. With nft that is a set with a size and no timeout, with the recent match
// a list that counts by destination, and one by source.
func replayGuards(g gate.Gate) (all []ReplayGuard) {
	steps := g.Steps()
	if len(steps) < 2 || g.Rules() == nil {
		return nil
	}
	from := steps[len(steps)-2].List
	last := steps[len(steps)-1].Rule
	if last == nil {
		return nil
	}
	for _, r := range last.Chain().Rules {
		checks := r.Checks()
		if !slices.ContainsFunc(checks, func(c machine.Check) bool { return c.List == from && !c.Negated }) {
			continue
		}
		guard := ReplayGuard{Family: g.Family}
		for _, u := range r.Updates() {
			set := g.Rules().Set(u.List)
			switch {
			case g.Native() && u.Timeout == 0 && set != nil && !u.Remove:
				guard.Used, guard.Opened, guard.Size = u.List, u.List, set.Size
			case !g.Native() && u.ByDest:
				for _, c := range checks {
					if c.List == u.List && c.ByDest && c.Negated {
						guard.Used, guard.Size = c.List, c.Hits
					}
				}
			case !g.Native() && !u.Remove:
				guard.Opened = u.List
			}
		}
		if guard.Used != "" && guard.Opened != "" && guard.Size > 0 && !slices.Contains(all, guard) {
			all = append(all, guard)
		}
	}
	return all
}
