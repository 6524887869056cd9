package machine

import (
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// Mode is what a [Recent] does with an address.
type Mode string

// The modes.
const (
	ModeSet    Mode = "set"    // adds it, and matches
	ModeCheck  Mode = "rcheck" // matches if the list has it
	ModeUpdate Mode = "update" // the same, and stamps it
	ModeRemove Mode = "remove" // the same, and removes it
)

// Recent is the recent match (xt_recent.c, recent_mt).
type Recent struct {
	List   string
	Mode   Mode
	Within time.Duration // that ModeCheck and ModeUpdate look back; zero is without end
	Hits   int           // stamps that they ask for
	Negate bool
	ByDest bool
	Reap   bool       // removes the oldest entry of the list if it is older than Within
	Mask   netip.Addr // of the addresses on the list; the zero Addr keeps them
	id     int
}

// asks reports whether the match depends on the time.
func (r *Recent) asks() bool { return r.Mode == ModeCheck || r.Mode == ModeUpdate }

func (r *Recent) link(p *program, t *Table) {
	r.id = p.list(r.List)
	i := p.lists[r.id]
	if mask := &i.masks[index(t.V6)]; *mask == nil { // the first rule makes the list
		all := PrefixMask(128, false)
		if *mask = &all; r.Mask.IsValid() {
			all = AddrMask(r.Mask)
		}
	}
	i.hits, i.longest = max(i.hits, r.Hits), max(i.longest, r.Within)
	i.endless = i.endless || r.Within == 0 && r.asks()
	for i.stamps < i.hits {
		i.stamps *= 2
	}
}

// address returns the address that the list knows the packet by.
func (r *Recent) address(m *Machine) Value {
	a := m.x.src
	if r.ByDest {
		a = m.x.dst
	}
	return m.prog.lists[r.id].masked(a, m.x.p.v6())
}

func (r *Recent) eval(m *Machine) Truth {
	l := &m.lists[r.id]
	addr := r.address(m)
	e := l.entries[addr]
	if e == nil {
		if r.Mode != ModeSet {
			return truth(r.Negate)
		}
		l.add(addr, m.now, m.ListTotal)
		m.change(r.List, "add")
		return truth(!r.Negate)
	}
	if e.doubt && r.Mode != ModeSet {
		return Unknown
	}
	hit := r.Mode == ModeSet || r.Mode == ModeRemove || e.count(m.now, r.Within) >= max(1, r.Hits)
	result := hit != r.Negate
	if r.Hits > 1 && hit && result && m.Exceeded == 0 && r.asks() {
		m.Exceeded = max(1, int(time.Duration(r.Hits)*time.Minute/max(r.Within, time.Second)))
	}
	if old := l.order[0]; r.Reap && !(old == e && r.Mode == ModeUpdate && result) && m.now-old.stamps[len(old.stamps)-1] > r.Within {
		l.remove(old)
	}
	switch {
	case r.Mode == ModeRemove:
		l.remove(e)
		m.change(r.List, "remove")
	case r.Mode == ModeSet, r.Mode == ModeUpdate && result:
		l.update(e, m.now, m.prog.lists[r.id].stamps)
		e.doubt = false
		m.change(r.List, "update")
	}
	return truth(result)
}

func (r *Recent) why(m *Machine) string {
	e := m.lists[r.id].entries[r.address(m)]
	switch {
	case r.Mode == ModeRemove && !r.Negate, e == nil:
		return "not on the list " + r.List
	case e.doubt:
		return "whether it is on the list " + r.List + " is not known"
	case r.Negate:
		return "on the list " + r.List
	case r.Hits > 1:
		return fmt.Sprintf("%d of %d times on the list %s", e.count(m.now, r.Within), r.Hits, r.List)
	}
	return fmt.Sprintf("seconds %d: last seen on the list %s %s ago", r.Within/time.Second, r.List, seconds(m.now-e.stamps[len(e.stamps)-1]))
}

// seconds rounds a time for a reader.
func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

// recentList is a list of the recent match (xt_recent.c).
type recentList struct {
	entries map[Value]*recentEntry
	order   []*recentEntry // the one updated last is the last
	spare   *recentEntry   // that was removed last
}

// recentEntry is an address on a list.
type recentEntry struct {
	addr   Value
	stamps []time.Duration // when it was added, the newest last
	doubt  bool            // whether it is there depends on what is not modelled
}

// count returns how many stamps are not older than within; zero is without end.
func (e *recentEntry) count(now, within time.Duration) (n int) {
	for _, s := range e.stamps {
		if within == 0 || now-s <= within {
			n++
		}
	}
	return n
}

func (l *recentList) unlink(e *recentEntry) {
	i := slices.Index(l.order, e)
	l.order = slices.Delete(l.order, i, i+1)
}

// add creates an entry; a full list loses the oldest.
func (l *recentList) add(addr Value, at time.Duration, total int) *recentEntry {
	if l.entries == nil {
		l.entries = map[Value]*recentEntry{}
	}
	if len(l.entries) >= total {
		l.remove(l.order[0])
	}
	e := l.spare
	if l.spare = nil; e == nil {
		e = &recentEntry{}
	}
	e.addr, e.doubt, e.stamps = addr, false, append(e.stamps[:0], at)
	l.entries[addr] = e
	l.order = append(l.order, e)
	return e
}

// update stamps an entry. It stores as many stamps as the rules of the list ask for.
func (l *recentList) update(e *recentEntry, at time.Duration, stamps int) {
	if len(e.stamps) >= stamps {
		copy(e.stamps, e.stamps[1:])
		e.stamps[len(e.stamps)-1] = at
	} else {
		e.stamps = append(e.stamps, at)
	}
	l.unlink(e)
	l.order = append(l.order, e)
}

func (l *recentList) remove(e *recentEntry) {
	delete(l.entries, e.addr)
	l.unlink(e)
	l.spare = e
}

func (l *recentList) clone() (c recentList) {
	if len(l.entries) == 0 {
		return c
	}
	c.entries, c.order = make(map[Value]*recentEntry, len(l.entries)), make([]*recentEntry, len(l.order))
	for i, e := range l.order {
		c.order[i] = &recentEntry{addr: e.addr, stamps: slices.Clone(e.stamps), doubt: e.doubt}
		c.entries[e.addr] = c.order[i]
	}
	return c
}
