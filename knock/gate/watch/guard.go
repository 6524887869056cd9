package watch

import (
	"net/netip"
	"slices"

	"rapport/knock"
	"rapport/knock/gate"
	"rapport/knock/netfilter"
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
func (w *Watcher) readGuards(f gate.Findings) (all []Guard) {
	sets := f.Sets()
	for _, l := range w.guards {
		g := Guard{Family: l.Family}
		if w.gate.Kind == gate.FromNFT {
			for _, e := range sets[l.Opened].Elements() {
				if addr, err := netfilter.ParseAddr(e.Addr); err == nil {
					g.In = append(g.In, addr)
				}
			}
			g.Full = len(g.In) >= l.Size
		} else {
			done, _ := netfilter.RecentEntries(l.Opened)
			for _, e := range done {
				g.In = append(g.In, e.Addr)
			}
			used, _ := netfilter.RecentEntries(l.Used)
			g.Full = slices.ContainsFunc(used, func(e netfilter.RecentEntry) bool { return e.Stamps >= l.Size })
		}
		all = append(all, g)
	}
	return all
}
