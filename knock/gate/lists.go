package gate

import (
	"cmp"
	"slices"
	"time"

	"rapport/knock"
	"rapport/knock/netfilter"
)

// Passed returns how many packets the accept rule accepted. It is unknown where a
// rule drops all other packets instead.
func (g Gate) Passed() netfilter.Count {
	if g.acceptHit < 0 {
		return netfilter.Count{}
	}
	s := g.path.Hits[g.acceptHit]
	if s.Verdict == netfilter.Drop {
		return netfilter.Count{}
	}
	return s.Count
}

// Dropped returns how many SYNs to the SSH port were dropped. It is known only
// if a rule for this port alone drops them.
func (g Gate) Dropped() netfilter.Count {
	path := g.path
	end := path.Decide(netfilter.SYN(g.SSHPort), -1)
	if g.SSHPort == 0 || end.Verdict != netfilter.Drop || end.Hit < 0 || path.Hits[end.Hit].Port() != g.SSHPort {
		return netfilter.Count{}
	}
	return path.Hits[end.Hit].Count
}

// PhaseLists returns the names of the sets of each phase, at most five, and of
// their table. A knock may add an address to several sets: the article's fifth
// does.
func (g Gate) PhaseLists() (all [][]string, table string) {
	path := g.path
	edges := edgesOf(path)
	for _, e := range g.edges {
		table = path.Hits[e.hit].Table
		lists := []string{e.to}
		for _, o := range edges {
			if o.from == e.from && o.port == e.port && !o.byDest && !contains(all, o.to) && !contains([][]string{lists}, o.to) {
				lists = append(lists, o.to)
			}
		}
		all = append(all, lists)
	}
	if len(all) > knock.Knocks {
		all = all[:knock.Knocks]
	}
	return all, table
}

// OpenedLists returns the sets to which the accept rule adds what it accepts.
func (g Gate) OpenedLists() (lists []string) {
	if g.acceptHit < 0 {
		return nil
	}
	phases, _ := g.PhaseLists()
	for _, n := range g.path.Hits[g.acceptHit].Updates {
		if n.Timeout > 0 && !contains(phases, n.Set) {
			lists = append(lists, n.Set)
		}
	}
	return lists
}

// AcceptsLocally reports whether the accept rule is for a port of this machine, not
// one that is forwarded.
func (g Gate) AcceptsLocally() bool {
	if g.acceptHit < 0 || g.SSHPort == 0 {
		return false
	}
	path := g.path
	s := path.Hits[g.acceptHit]
	return s.Verdict != netfilter.DNAT && path.Bases[s.Base].Hook == netfilter.Input
}

func contains(all [][]string, list string) bool {
	for _, lists := range all {
		for _, l := range lists {
			if l == list {
				return true
			}
		}
	}
	return false
}

// ReplayGuard names the sets in which a replay guard remembers, for one hour, who
// has opened the gate.
type ReplayGuard struct {
	Family knock.Family
	Used   string // counts them
	Opened string // holds their addresses; with nft it is Used
	Size   int    // how many may open
}

// ReplayGuards returns the replay guards of the last phase, one for each hour that
// counts. With nft that is a set with a size and no timeout, with the recent match
// a list that counts by destination, and one by source.
func (g Gate) ReplayGuards() (all []ReplayGuard) {
	path := g.path
	from := g.edges[len(g.edges)-1].from
	for _, s := range path.Hits {
		if s.Port() == 0 || !slices.ContainsFunc(s.Checks, func(c netfilter.SetMatch) bool { return c.Set == from && !c.Negated }) {
			continue
		}
		l := ReplayGuard{Family: g.Family}
		for _, n := range s.Updates {
			switch {
			case g.native && n.Timeout == 0:
				l.Used, l.Opened, l.Size = n.Set, n.Set, path.Sets[n.Set].Size
			case !g.native && n.ByDest:
				for _, c := range s.Checks {
					if c.Set == n.Set && c.ByDest && c.Negated {
						l.Used, l.Size = c.Set, c.Hits
					}
				}
			case !g.native:
				l.Opened = n.Set
			}
		}
		if l.Used != "" && l.Opened != "" && l.Size > 0 && !slices.Contains(all, l) {
			all = append(all, l)
		}
	}
	return all
}

// IgnoredList is the set of the addresses that a sweep guard ignores.
type IgnoredList struct {
	Set     string
	Timeout time.Duration // how long it ignores them
}

// IgnoredLists returns the sets to which a rule adds an address that sends too many
// packets, if another rule checks them.
func (g Gate) IgnoredLists() (all []IgnoredList) {
	path := g.path
	for _, s := range path.Hits {
		if !slices.ContainsFunc(s.Limits, func(l *netfilter.Limit) bool { return l.Over }) {
			continue
		}
		for _, n := range s.Updates {
			if l, ok := ignoredList(path, n); ok && !slices.Contains(all, l) {
				all = append(all, l)
			}
		}
	}
	return all
}

// ignoredList returns the set of n if a rule checks it.
func ignoredList(path netfilter.Path, n netfilter.SetUpdate) (IgnoredList, bool) {
	for _, s := range path.Hits {
		for _, c := range s.Own.Checks {
			if c.Set == n.Set && !c.Negated && c.Mode == "rcheck" {
				return IgnoredList{n.Set, cmp.Or(n.Timeout, c.Within)}, true
			}
		}
	}
	return IgnoredList{}, false
}
