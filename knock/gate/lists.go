package gate

import (
	"cmp"
	"slices"
	"time"

	"rapport/knock"
	"rapport/knock/netfilter"
)

// Passed counts the connections that the gate's door let through.
func (g Gate) Passed() netfilter.Count {
	if g.acceptHit < 0 {
		return netfilter.Count{}
	}
	s := g.path.Hits[g.acceptHit]
	if s.Verdict == netfilter.Drop { // the door is a rule against all others
		return netfilter.Count{}
	}
	return s.Count
}

// Dropped counts the attempts to connect that came to the SSH port without
// being let through. That takes a rule for this port alone: others count other
// packets as well.
func (g Gate) Dropped() netfilter.Count {
	w := g.path
	end := w.Decide(netfilter.SYN(g.SSHPort), -1)
	if g.SSHPort == 0 || end.Verdict != netfilter.Drop || end.Hit < 0 || w.Hits[end.Hit].Port() != g.SSHPort {
		return netfilter.Count{}
	}
	return w.Hits[end.Hit].Count
}

// PhaseLists returns the lists that hold the addresses in each phase. A knock
// may lead to several at once: the article's fifth does.
func (g Gate) PhaseLists() (all [][]string, table string) {
	w := g.path
	edges := edgesOf(w)
	for _, e := range g.edges {
		table = w.Hits[e.hit].Table
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

// OpenedLists returns the lists on which the door notes whom it lets through.
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

// AcceptsLocally reports whether the door lets packets in to this machine itself.
func (g Gate) AcceptsLocally() bool {
	if g.acceptHit < 0 || g.SSHPort == 0 {
		return false
	}
	w := g.path
	s := w.Hits[g.acceptHit]
	return s.Verdict != netfilter.DNAT && w.Bases[s.Base].Hook == netfilter.Input
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

// ReplayGuard is where a guard keeps what it knows.
type ReplayGuard struct {
	Family knock.Family
	Used   string // how many got in, or who
	Opened string // who got in; the same one with nft
	Size   int    // of whom so many get in
}

// ReplayGuards finds the replay guards before the last phase. With nft it is a set
// of a size that forgets nobody, with the recent match a list that counts all by
// their destination beside one by source.
func (g Gate) ReplayGuards() (all []ReplayGuard) {
	w := g.path
	from := g.edges[len(g.edges)-1].from
	for _, s := range w.Hits {
		if s.Port() == 0 || !slices.ContainsFunc(s.Checks, func(c netfilter.SetMatch) bool { return c.Set == from && !c.Negated }) {
			continue
		}
		l := ReplayGuard{Family: g.Family}
		for _, n := range s.Updates {
			switch {
			case g.native && n.Timeout == 0:
				l.Used, l.Opened, l.Size = n.Set, n.Set, w.Sets[n.Set].Size
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

// IgnoredList is where a sweep guard keeps the sources that it ignores.
type IgnoredList struct {
	Set     string
	Timeout time.Duration // for so long
}

// IgnoredLists finds the lists that too many packets put a source on, and that
// other rules ask for.
func (g Gate) IgnoredLists() (all []IgnoredList) {
	w := g.path
	for _, s := range w.Hits {
		if !slices.ContainsFunc(s.Limits, func(l *netfilter.Limit) bool { return l.Over }) {
			continue
		}
		for _, n := range s.Updates {
			if l, ok := ignoredList(w, n); ok && !slices.Contains(all, l) {
				all = append(all, l)
			}
		}
	}
	return all
}

// ignoredList returns the list of n if a rule asks for it.
func ignoredList(w netfilter.Path, n netfilter.SetUpdate) (IgnoredList, bool) {
	for _, s := range w.Hits {
		for _, c := range s.Own.Checks {
			if c.Set == n.Set && !c.Negated && c.Mode == "rcheck" {
				return IgnoredList{n.Set, cmp.Or(n.Timeout, c.Seconds)}, true
			}
		}
	}
	return IgnoredList{}, false
}
