package gate

import (
	"time"
)

// countIgnored counts the sources that the guard ignores; nft's are in f.
func (w *Watcher) countIgnored(f Found, now time.Time) (n int) {
	sets := f.sets()
	for _, l := range w.ignored {
		if w.gate.Kind == FromNFT {
			n += len(sets[l.name].forgetting())
			continue
		}
		entries, _ := recentEntries(l.name)
		for _, e := range entries {
			if at, _ := w.clock.at(e.Last, now); !at.IsZero() && now.Sub(at) <= l.stay {
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
