package watch

import (
	"net/netip"
	"slices"
	"time"

	"rapport/knock"
	"rapport/knock/gate"
)

// Guard is the state of a replay guard, of one hour and one family.
type Guard struct {
	Family knock.Family
	Full   bool         // it accepts only the addresses in Opened
	Opened []netip.Addr // who has opened the gate
}

// refuses reports whether every guard would refuse addr. During the grace time there
// are two, and the lists do not show for which hour an address knocks.
func refuses(all []Guard, addr netip.Addr) bool {
	some := false
	for _, g := range all {
		if g.Family != knock.FamilyOf(addr) {
			continue
		}
		if !g.Full || slices.Contains(g.Opened, addr) {
			return false
		}
		some = true
	}
	return some
}

// readGuards reads the lists of the replay guards; those of nft are in the rules that
// were read last.
func (w *Watcher) readGuards() (all []Guard) {
	for _, l := range w.guards {
		g := Guard{Family: l.Family}
		if w.now.Gate.Kind == gate.FromNFT {
			for _, e := range w.known.found.Set(l.Opened).Elements {
				if addr, err := ParseAddr(e.Addr); err == nil {
					g.Opened = append(g.Opened, addr)
				}
			}
			g.Full = len(g.Opened) >= l.Size
		} else {
			done, _ := RecentEntries(l.Opened)
			for _, e := range done {
				g.Opened = append(g.Opened, e.Addr)
			}
			used, _ := RecentEntries(l.Used)
			g.Full = slices.ContainsFunc(used, func(e RecentEntry) bool { return e.Stamps >= l.Size })
		}
		all = append(all, g)
	}
	return all
}

// countIgnored counts the addresses that the sweep guard ignores; those of nft are
// in the rules that were read last.
func (w *Watcher) countIgnored(now time.Time) (n int) {
	for _, l := range w.ignored {
		if w.now.Gate.Kind == gate.FromNFT {
			ignored := w.known.found.Set(l.Set)
			n += len(ignored.Expiring())
			continue
		}
		entries, _ := RecentEntries(l.Set)
		for _, e := range entries {
			if at, _ := w.jiffies.at(e.Last, now); !at.IsZero() && now.Sub(at) <= l.Timeout {
				n++
			}
		}
	}
	return n
}
