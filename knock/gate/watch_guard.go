package gate

import (
	"net/netip"
	"slices"

	"rapport/knock"
)

// Guard is what a replay guard holds of one hour, for one family.
type Guard struct {
	Family knock.Family
	Full   bool         // it lets in nobody but those who have been in
	In     []netip.Addr // who has been in
}

// refuses reports whether no guard would let addr in. During the grace there are
// two, and which hour's ports an address knocks on is not told by the lists.
func refuses(all []Guard, addr netip.Addr) bool {
	some := false
	for _, g := range all {
		if g.Family != familyOf(addr) {
			continue
		}
		if !g.Full || slices.Contains(g.In, addr) {
			return false
		}
		some = true
	}
	return some
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
func (f Found) guardLists(g Gate) (all []guardList) {
	w := f.ways[g.Family]
	from := g.edges[len(g.edges)-1].from
	for _, s := range w.steps {
		if s.port() == 0 || !slices.ContainsFunc(s.checks, func(c listCheck) bool { return c.list == from && !c.negated }) {
			continue
		}
		l := guardList{family: g.Family}
		for _, n := range s.sets {
			switch {
			case f.Kind == FromNFT && n.stay == 0:
				l.used, l.done, l.size = n.list, n.list, w.lists[n.list].size
			case f.Kind == FromIPTables && n.byDest:
				for _, c := range s.checks {
					if c.list == n.list && c.byDest && c.negated {
						l.used, l.size = c.list, c.hits
					}
				}
			case f.Kind == FromIPTables:
				l.done = n.list
			}
		}
		if l.used != "" && l.done != "" && l.size > 0 && !slices.Contains(all, l) {
			all = append(all, l)
		}
	}
	return all
}

// readGuards reads the guards' lists: those of nft are in f.
func (w *Watcher) readGuards(f Found) (all []Guard) {
	for _, l := range w.guards {
		g := Guard{Family: l.family}
		if w.gate.Kind == FromNFT {
			for _, e := range f.ways[l.family].lists[l.done].all() {
				if addr, err := parseAddr(e.addr); err == nil {
					g.In = append(g.In, addr)
				}
			}
			g.Full = len(g.In) >= l.size
		} else {
			done, _ := recentEntries(l.done)
			for _, e := range done {
				g.In = append(g.In, e.Addr)
			}
			used, _ := recentEntries(l.used)
			g.Full = slices.ContainsFunc(used, func(e RecentEntry) bool { return e.Stamps >= l.size })
		}
		all = append(all, g)
	}
	return all
}
