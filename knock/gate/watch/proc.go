package watch

import (
	"context"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"rapport/knock/gate"
	"rapport/knock/netfilter"
)

const (
	conntrack = "/proc/net/nf_conntrack"
	// maxConntrack bounds the size of a conntrack table that is read. A router has
	// more, and the kernel takes long to print them.
	maxConntrack = 50_000
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
		list, there := netfilter.RecentEntries(l.name)
		found = found && there
		for _, e := range list {
			m := sightingKey{e.Addr, l.phase}
			if entries[m] < e.Last { // the later of two lists of a phase
				entries[m] = e.Last
			}
		}
	}
	now := time.Now()
	if w.stamps != nil {
		for m, last := range entries {
			if w.stamps[m] != last {
				w.clock.learn(w.lastRead, now, last)
			}
		}
	}
	w.stamps = entries
	for m, last := range entries {
		at, slack := w.clock.at(last, now)
		all = append(all, Sighting{Addr: m.addr, Phase: m.phase, Since: at, Slack: slack, Stamp: last})
	}
	return newest(all), found
}

// setClock learns the current count of jiffies.
func (w *Watcher) setClock() {
	a := time.Now()
	file, err := os.Open("/proc/timer_list")
	if err != nil {
		return
	}
	defer file.Close()
	if n, ok := counter(file); ok {
		w.clock.learn(a, time.Now(), n)
	}
}

// listTable reads the gate's table with the elements of its sets. One run of nft for
// each set would take longer.
func (w *Watcher) listTable(ctx context.Context) (gate.Findings, bool) {
	family, name, _ := strings.Cut(w.table, " ")
	text, err := netfilter.RunTool(ctx, "nft", "list", "table", family, name)
	if err != nil {
		return gate.Findings{}, false
	}
	f, err := gate.Find(text)
	return f, err == nil && len(f.Gates) > 0
}

// readConnections returns the connections to the ports of the accept rules, and
// whether nothing listens on the SSH port.
func (w *Watcher) readConnections(now time.Time) (all []Connection, down bool) {
	down = w.local
	for i, name := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		file, err := os.Open(name)
		if err != nil {
			down = down && i > 0 // a kernel may be without IPv6
			continue
		}
		some, listening := ReadSockets(file, w.ports)
		file.Close()
		all = append(all, some...)
		down = down && !slices.Contains(listening, w.gate.SSHPort)
	}
	if !w.gate.Ended || now.Before(w.conntrackDue) {
		return all, down
	}
	w.conntrackDue = now.Add(conntrackInterval)
	file, err := os.Open(conntrack)
	if err != nil {
		return all, down
	}
	defer file.Close()
	return append(all, ReadConntrack(file, w.ports, ownAddresses())...), down
}

// hasConntrack reports whether /proc shows the connections, and not too many.
func hasConntrack() bool {
	file, err := os.Open(conntrack)
	if err != nil {
		return false
	}
	file.Close()
	text, err := os.ReadFile("/proc/sys/net/netfilter/nf_conntrack_count")
	n, err2 := strconv.Atoi(strings.TrimSpace(string(text)))
	return err != nil || err2 != nil || n <= maxConntrack
}

func ownAddresses() (all []netip.Addr) {
	nets, _ := net.InterfaceAddrs()
	for _, n := range nets {
		if p, err := netip.ParsePrefix(n.String()); err == nil {
			all = append(all, p.Addr().Unmap())
		}
	}
	return all
}
