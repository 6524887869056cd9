package machine

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"time"
)

// Clone returns a copy that lives on independently.
func (m *Machine) Clone() *Machine {
	c := *m
	c.slab, c.x = nil, transit{}
	c.lists = make([]recentList, len(m.lists))
	for i := range m.lists {
		c.lists[i] = m.lists[i].clone()
	}
	c.sets, c.buckets, c.hashes, c.counted = cloneMaps(m.sets), slices.Clone(m.buckets), cloneMaps(m.hashes), cloneMaps(m.counted)
	c.freed, c.roomAt = make([][]time.Duration, len(m.freed)), slices.Clone(m.roomAt)
	for i := range m.freed {
		c.freed[i] = slices.Clone(m.freed[i])
	}
	c.conns = maps.Clone(m.conns)
	for k, o := range c.conns {
		if k == o.orig {
			n := *o
			c.conns[n.orig], c.conns[n.reply] = &n, &n
		}
	}
	c.choices, c.matched = slices.Clone(m.choices), nil // searches copy often, and count nothing
	return &c
}

// cloneMaps copies maps with what they point to.
func cloneMaps[K comparable, E any](all []map[K]*E) []map[K]*E {
	copies := make([]map[K]*E, len(all))
	for i, from := range all {
		if len(from) > 0 {
			copies[i] = make(map[K]*E, len(from))
			for k, e := range from {
				n := *e
				copies[i][k] = &n
			}
		}
	}
	return copies
}

// numbers returns the values of an element that are no addresses.
func (k *key) numbers() (s string) {
	for _, v := range k.f[:k.n] {
		if v.Hi == 0 && v.Lo < 1<<16 {
			s += " . " + strconv.FormatUint(v.Lo, 10)
		}
	}
	return s
}

// Member is an entry of a list or set.
type Member struct {
	List string // the name, for nft with the table's in front and a port behind
	Hits int    // how often it was added, as far as rules count it
}

// Members returns the lists and sets in which something was recorded of a source, in
// the order of their names. Entries that rules cannot see any more are left out.
func (m *Machine) Members() (all []Member) {
	for i := range m.lists {
		info := m.prog.lists[i]
		for _, e := range m.lists[i].entries {
			if n := e.count(m.now, info.longest); n > 0 {
				all = append(all, Member{info.name, min(n, max(1, info.hits))})
			}
		}
	}
	for i, s := range m.sets {
		for k, e := range s {
			if !e.expired(m.now) {
				all = append(all, Member{m.prog.sets[i].Name + k.numbers(), 1})
			}
		}
	}
	slices.SortFunc(all, func(a, b Member) int { return cmp.Or(cmp.Compare(a.List, b.List), cmp.Compare(a.Hits, b.Hits)) })
	return all
}

// Fingerprint identifies what lists and sets hold, without the times.
func (m *Machine) Fingerprint() string {
	var b []byte
	for _, e := range m.Members() {
		b = append(strconv.AppendInt(append(b, e.List+" "...), int64(e.Hits), 10), '\n')
	}
	return string(b)
}

// differ marks the entries that differ from another outcome's as doubtful. It reports
// whether there are any.
func (m *Machine) differ(o *Machine) (differs bool) {
	for i := range m.lists {
		l, other := &m.lists[i], &o.lists[i]
		for a, e := range l.entries {
			if f := other.entries[a]; f == nil || !slices.Equal(e.stamps, f.stamps) {
				e.doubt, differs = true, true
			}
		}
		for a, f := range other.entries {
			if l.entries[a] == nil {
				l.add(a, f.stamps[len(f.stamps)-1], m.ListTotal).doubt, differs = true, true
			}
		}
	}
	for i := range m.sets {
		for k, e := range m.sets[i] {
			if f := o.sets[i][k]; f == nil || f.until != e.until {
				e.doubt, differs = true, true
			}
		}
		for k, f := range o.sets[i] {
			if m.sets[i][k] == nil {
				n := *f
				n.doubt, differs = true, true
				m.store(i, k, &n)
			}
		}
	}
	for k, c := range m.conns {
		if f := o.conns[k]; f != nil && f.mark != c.mark {
			c.mark.vague, differs = true, true
		}
	}
	return differs
}

// Put puts a source on a list or into a set of addresses, as if a rule had done it
// now. It does nothing for other sets, and for a name that rules do not use.
func (m *Machine) Put(list string, src netip.Addr) {
	if i, ok := m.prog.listID[list]; ok {
		if v := m.prog.lists[i].masked(AddrValue(src), src.Is6()); m.lists[i].entries[v] == nil {
			m.lists[i].add(v, m.now, m.ListTotal)
		}
	}
	if i := slices.IndexFunc(m.prog.sets, func(s *Set) bool { return s.Name == list }); i >= 0 {
		e := &element{}
		if stay := m.prog.sets[i].Timeout; stay > 0 {
			e.until = m.now + stay
		}
		k := key{n: 1}
		k.f[0] = AddrValue(src)
		m.store(i, k, e)
	}
}

// Inherit gives the machine what a kernel keeps when rules are replaced: the time,
// connections, and the entries of lists and sets of the same name.
func (m *Machine) Inherit(before *Machine) {
	o := before.Clone()
	m.now, m.conns = o.now, o.conns
	for name, id := range m.prog.listID {
		if from, ok := o.prog.listID[name]; ok {
			m.lists[id] = o.lists[from]
		}
	}
	for id, s := range m.prog.sets {
		if from := slices.IndexFunc(o.prog.sets, func(t *Set) bool { return t.Name == s.Name }); from >= 0 {
			m.sets[id] = o.sets[from]
		}
	}
}

// Holds reports whether an address is on a list or in a set, as far as rules can
// still see it.
func (m *Machine) Holds(list string, a netip.Addr) bool {
	v := AddrValue(a)
	if id, ok := m.prog.listID[list]; ok {
		info := m.prog.lists[id]
		e := m.lists[id].entries[info.masked(v, a.Is6())]
		return e != nil && e.count(m.now, info.longest) > 0
	}
	for id, s := range m.prog.sets {
		if s.Name != list {
			continue
		}
		for k, e := range m.sets[id] {
			if !e.expired(m.now) && slices.Contains(k.f[:k.n], v) {
				return true
			}
		}
	}
	return false
}
