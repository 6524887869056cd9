package watch

import (
	"context"
	"os"
	"slices"
	"strings"
	"time"

	"rapport/knock/gate"
	"rapport/knock/netfilter/local"
	"rapport/knock/netfilter/machine"
)

// readRecent reads the lists of the recent match. found is false when one is gone,
// as a list is once no rule uses it.
func (w *Watcher) readRecent(began time.Time) (all []Sighting, found bool) {
	if !began.Before(w.clockDue) {
		w.clockDue = began.Add(clockInterval)
		w.setClock()
	}
	found = true
	entries := map[sightingKey]uint64{}
	for _, l := range w.lists {
		list, there := RecentEntries(l.name)
		found = found && there
		for _, e := range list {
			m := sightingKey{e.Addr, l.phase}
			if entries[m] < e.Last { // the later of two lists of a phase
				entries[m] = e.Last
			}
		}
	}
	now := w.clock.Now()
	if w.stamps != nil {
		for m, last := range entries {
			if w.stamps[m] != last {
				w.jiffies.learn(w.lastRead, now, last)
			}
		}
	}
	w.stamps = entries
	for m, last := range entries {
		at, slack := w.jiffies.at(last, now)
		all = append(all, Sighting{Addr: m.addr, Phase: m.phase, Since: at, Slack: slack, Stamp: last})
	}
	return all, found
}

// setClock learns the current count of jiffies.
func (w *Watcher) setClock() {
	a := w.clock.Now()
	file, err := os.Open("/proc/timer_list")
	if err != nil {
		return
	}
	defer file.Close()
	if n, ok := counter(file); ok {
		w.jiffies.learn(a, w.clock.Now(), n)
	}
}

// listTable reads the gate's table with the elements of its sets. One run of nft for
// each set would take longer. changed is that of [known.read], found whether a gate
// is there.
func (w *Watcher) listTable(ctx context.Context) (changed, found bool) {
	family, name, _ := strings.Cut(w.table, " ")
	filter := elementFilter{wanted: w.reads}
	if err := local.RunTo(ctx, &filter, "nft", "list", "table", family, name); err != nil {
		return false, false
	}
	changed, err := w.known.read(filter.text())
	return changed, err == nil && len(w.known.found.Gates) > 0
}

// reads reports whether the watch reads the elements of a set.
func (w *Watcher) reads(set string) bool {
	return slices.ContainsFunc(w.lists, func(l phaseList) bool { return machine.ShortName(l.name) == set }) ||
		slices.ContainsFunc(w.guards, func(g ReplayGuard) bool { return machine.ShortName(g.Opened) == set }) ||
		slices.ContainsFunc(w.ignored, func(l gate.IgnoredList) bool { return machine.ShortName(l.Set) == set })
}

// readElements returns the addresses in the nft sets, read between a and b. An
// element with 3 s left of 5 s was added 2 s ago.
func (w *Watcher) readElements(a, b time.Time) (all []Sighting) {
	const rounding = 10 * time.Millisecond // a jiffy
	for _, p := range w.lists {
		l := w.known.found.Set(p.name)
		for _, e := range l.Expiring() {
			addr, err := ParseAddr(e.Addr)
			timeout := e.Timeout
			if timeout == 0 {
				timeout = l.Timeout
			}
			if err != nil || timeout < e.Expires {
				continue
			}
			slack := b.Sub(a) / 2
			all = append(all, Sighting{Addr: addr, Phase: p.phase, Since: a.Add(slack - (timeout - e.Expires)), Slack: slack + rounding})
		}
	}
	return all
}

// maxSightings bounds the addresses of one reading: a scan may fill the sets.
const maxSightings = 20_000

// newest returns the newest maxSightings of all, and counts the others.
func (w *Watcher) newest(all []Sighting) []Sighting {
	if n := len(all) - maxSightings; n > 0 {
		slices.SortFunc(all, func(a, b Sighting) int { return b.Since.Compare(a.Since) })
		clear(all[maxSightings:])
		all = all[:maxSightings]
		w.unlisted.Addresses += n
	}
	return all
}
