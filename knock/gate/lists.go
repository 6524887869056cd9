package gate

import (
	"cmp"
	"rapport/knock"
	"slices"
	"time"
)

// passed counts the connections that the gate's door let through.
func (g Gate) passed() Count {
	if g.door < 0 {
		return Count{}
	}
	s := g.way.steps[g.door]
	if s.verdict == drops { // the door is a rule against all others
		return Count{}
	}
	return s.count
}

// dropped counts the attempts to connect that came to the SSH port without
// being let through. That takes a rule for this port alone: others count other
// packets as well.
func (g Gate) dropped() Count {
	w := g.way
	end := w.fate(packet{g.SSHPort, isNew}, -1)
	if g.SSHPort == 0 || end.verdict != drops || end.step < 0 || w.steps[end.step].port() != g.SSHPort {
		return Count{}
	}
	return w.steps[end.step].count
}

// phaseLists returns the lists that hold the addresses in each phase. A knock
// may lead to several at once: the article's fifth does.
func (g Gate) phaseLists() (all [][]string, table string) {
	w := g.way
	edges := edgesOf(w)
	for _, e := range g.edges {
		table = w.steps[e.step].table
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

// throughLists returns the lists on which the door notes whom it lets through.
func (g Gate) throughLists() (lists []string) {
	if g.door < 0 {
		return nil
	}
	phases, _ := g.phaseLists()
	for _, n := range g.way.steps[g.door].sets {
		if n.stay > 0 && !contains(phases, n.list) {
			lists = append(lists, n.list)
		}
	}
	return lists
}

// guardsLocal reports whether the door lets packets in to this machine itself.
func (g Gate) guardsLocal() bool {
	if g.door < 0 || g.SSHPort == 0 {
		return false
	}
	w := g.way
	s := w.steps[g.door]
	return s.verdict != dnats && w.bases[s.base].hook == input
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

// guardList is where a guard keeps what it knows.
type guardList struct {
	family knock.Family
	used   string // how many got in, or who
	done   string // who got in; the same one with nft
	size   int    // of whom so many get in
}

// guardLists finds the replay guards before the last phase. With nft it is a set
// of a size that forgets nobody, with the recent match a list that counts all by
// their destination beside one by source.
func (g Gate) guardLists() (all []guardList) {
	w := g.way
	from := g.edges[len(g.edges)-1].from
	for _, s := range w.steps {
		if s.port() == 0 || !slices.ContainsFunc(s.checks, func(c listCheck) bool { return c.list == from && !c.negated }) {
			continue
		}
		l := guardList{family: g.Family}
		for _, n := range s.sets {
			switch {
			case g.native && n.stay == 0:
				l.used, l.done, l.size = n.list, n.list, w.lists[n.list].size
			case !g.native && n.byDest:
				for _, c := range s.checks {
					if c.list == n.list && c.byDest && c.negated {
						l.used, l.size = c.list, c.hits
					}
				}
			case !g.native:
				l.done = n.list
			}
		}
		if l.used != "" && l.done != "" && l.size > 0 && !slices.Contains(all, l) {
			all = append(all, l)
		}
	}
	return all
}

// ignoredList is where a sweep guard keeps the sources that it ignores.
type ignoredList struct {
	name string
	stay time.Duration // for so long
}

// ignoredLists finds the lists that too many packets put a source on, and that
// other rules ask for.
func (g Gate) ignoredLists() (all []ignoredList) {
	w := g.way
	for _, s := range w.steps {
		if !slices.ContainsFunc(s.limits, func(l *limit) bool { return l.over }) {
			continue
		}
		for _, n := range s.sets {
			if l, ok := asks(w, n); ok && !slices.Contains(all, l) {
				all = append(all, l)
			}
		}
	}
	return all
}

// asks returns the list of n if a rule asks for it.
func asks(w way, n note) (ignoredList, bool) {
	for _, s := range w.steps {
		for _, c := range s.own.checks {
			if c.list == n.list && !c.negated && c.mode == "rcheck" {
				return ignoredList{n.list, cmp.Or(n.stay, c.seconds)}, true
			}
		}
	}
	return ignoredList{}, false
}
