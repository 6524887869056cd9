package watch

import (
	"time"

	"rapport/knock/gate"
	"rapport/knock/netfilter"
)

// countIgnored counts the sources that the guard ignores; nft's are in f.
func (w *Watcher) countIgnored(f gate.Findings, now time.Time) (n int) {
	sets := f.Sets()
	for _, l := range w.ignored {
		if w.gate.Kind == gate.FromNFT {
			n += len(sets[l.Set].Expiring())
			continue
		}
		entries, _ := netfilter.RecentEntries(l.Set)
		for _, e := range entries {
			if at, _ := w.clock.at(e.Last, now); !at.IsZero() && now.Sub(at) <= l.Timeout {
				n++
			}
		}
	}
	return n
}

// ignores tells of a number of ignored sources that is another one.
func (w *Watcher) ignores(n int, now time.Time) (events []WatchEvent) {
	if n != w.ignoring {
		events = append(events, WatchEvent{Kind: SourcesIgnored, Time: now, Ignored: n})
	}
	w.ignoring = n
	return events
}
