package gate

import (
	"cmp"
	"slices"
	"time"
)

// ignoredList is where a sweep guard keeps the sources that it ignores.
type ignoredList struct {
	name string
	stay time.Duration // for so long
}

// ignoredLists finds the lists that too many packets put a source on, and that
// other rules ask for.
func (f Found) ignoredLists(g Gate) (all []ignoredList) {
	w := f.ways[g.Family]
	for _, s := range w.steps {
		if !slices.ContainsFunc(s.limits, func(l *limit) bool { return l.over }) {
			continue
		}
		for _, n := range s.sets {
			if l, ok := w.asks(n); ok && !slices.Contains(all, l) {
				all = append(all, l)
			}
		}
	}
	return all
}

// asks returns the list of n if a rule asks for it.
func (w way) asks(n note) (ignoredList, bool) {
	for _, s := range w.steps {
		for _, c := range s.own.checks {
			if c.list == n.list && !c.negated && c.mode == "rcheck" {
				return ignoredList{n.list, cmp.Or(n.stay, c.seconds)}, true
			}
		}
	}
	return ignoredList{}, false
}

// countIgnored counts the sources that the guard ignores; nft's are in f.
func (w *Watcher) countIgnored(f Found, now time.Time) (n int) {
	for _, l := range w.ignored {
		if w.gate.Kind == FromNFT {
			for _, way := range f.ways {
				if set, ok := way.lists[l.name]; ok {
					n += len(set.forgetting())
					break // a set of both families' table is in both ways
				}
			}
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
