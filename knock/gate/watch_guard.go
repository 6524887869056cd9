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

// readGuards reads the guards' lists: those of nft are in f.
func (w *Watcher) readGuards(f Found) (all []Guard) {
	sets := f.sets()
	for _, l := range w.guards {
		g := Guard{Family: l.family}
		if w.gate.Kind == FromNFT {
			for _, e := range sets[l.done].all() {
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
