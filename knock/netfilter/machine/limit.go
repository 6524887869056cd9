package machine

import (
	"fmt"
	"slices"
	"time"
)

// Rate is a token bucket: every packet takes a token. The rule matches while
// there are tokens, or, with Over, once there are none.
type Rate struct {
	Per   time.Duration // between two new tokens
	Burst int           // the most tokens
	Over  bool
}

// String returns the rate in words.
func (r *Rate) String() string {
	return fmt.Sprintf("%d a minute, burst %d", r.perMinute(), r.Burst)
}

// perMinute returns the rate, at least 1.
func (r *Rate) perMinute() int { return max(1, int(time.Minute/r.Per)) }

// why says why a packet did not match.
func (r *Rate) why() string {
	if r.Over {
		return "within " + r.String()
	}
	return "over " + r.String()
}

// bucket is a token bucket. The zero bucket is full.
type bucket struct {
	used  bool
	left  time.Duration // tokens, in the time that it takes to earn them
	since time.Duration
}

// take takes a token if there is one.
func (b *bucket) take(at time.Duration, r *Rate) bool {
	most := r.Per * time.Duration(r.Burst)
	if !b.used {
		b.used, b.left = true, most
	} else {
		b.left = min(most, b.left+at-b.since)
	}
	b.since = at
	if b.left < r.Per {
		return false
	}
	b.left -= r.Per
	return true
}

// within takes a token from the bucket, and evaluates the rate.
func (m *Machine) within(b *bucket, r *Rate) Truth {
	ok := b.take(m.now, r)
	if !ok && r.Over && m.Exceeded == 0 {
		m.Exceeded = min(r.Burst, r.perMinute())
	}
	return truth(ok != r.Over)
}

// Limit is a rate for all packets that meet a rule.
type Limit struct {
	Rate Rate
	id   int
}

func (l *Limit) link(p *program, _ *Table) {
	l.id = p.buckets
	p.buckets++
}

func (l *Limit) eval(m *Machine) Truth { return m.within(&m.buckets[l.id], &l.Rate) }

func (l *Limit) why(*Machine) string { return l.Rate.why() }

// HashLimit is a rate for each source, destination or port. Rules with the same table
// share what the first one says of it: only whether they match above the rate is
// their own.
type HashLimit struct {
	Rate   Rate
	Table  string
	Most   int           // entries of the table
	Expire time.Duration // of an entry without packets
	Every  time.Duration // expired entries are collected
	Fields []Field
	id     int
}

// hashEntry is a bucket of a table.
type hashEntry struct {
	bucket
	expires time.Duration
}

func (h *HashLimit) link(p *program, t *Table) { h.id = p.hash(h, t) }

func (h *HashLimit) eval(m *Machine) Truth {
	first := m.prog.hashes[h.id]
	k, t := keyOf(m, first.Fields)
	if t != Yes {
		return t
	}
	table := m.hashes[h.id]
	if table == nil {
		table = map[key]*hashEntry{}
		m.hashes[h.id] = table
	}
	e := table[k]
	if e != nil && first.expired(e, m.now) {
		e.bucket = bucket{}
	}
	if e == nil {
		if len(table) >= first.Most && !first.collect(table, m.now) {
			m.x.hotdrop = true
			return No
		}
		e = &hashEntry{}
		table[k] = e
	}
	e.expires = m.now + first.Expire
	rate := first.Rate
	rate.Over = h.Rate.Over
	return m.within(&e.bucket, &rate)
}

// expired reports whether an entry is gone: it is collected some time after it expired.
func (h *HashLimit) expired(e *hashEntry, now time.Duration) bool { return now >= e.expires+h.Every }

// collect removes expired entries, and reports whether there were any.
func (h *HashLimit) collect(table map[key]*hashEntry, now time.Duration) (some bool) {
	for k, e := range table {
		if h.expired(e, now) {
			delete(table, k)
			some = true
		}
	}
	return some
}

func (h *HashLimit) why(m *Machine) string {
	if m.x.hotdrop {
		return "the table " + h.Table + " is full: the packet is dropped"
	}
	return h.Rate.why() + " for it"
}

// ConnCount compares a number of connections.
type ConnCount struct {
	Most int
	Over bool // matches above Most, not up to it
}

func (c *ConnCount) has(l *connList) Truth { return truth((len(l.keys) > c.Most) == c.Over) }

// ConnLimit compares how many connections a source has, of those that the rule has
// met: a connection counts from its first packet here until conntrack forgets it.
type ConnLimit struct {
	Count  ConnCount
	Prefix int // the first bits of an address that make one source
	id     int
}

func (c *ConnLimit) link(p *program, _ *Table) {
	c.id = p.connLimits
	p.connLimits++
}

// source returns the address by which the rule knows the source.
func (c *ConnLimit) source(m *Machine) Value {
	a := m.x.p.Src
	return m.x.src.And(PrefixMask(min(c.Prefix, a.BitLen()), a.Is4()))
}

func (c *ConnLimit) eval(m *Machine) Truth {
	if m.counted[c.id] == nil {
		m.counted[c.id] = map[Value]*connList{}
	}
	src := c.source(m)
	l := m.counted[c.id][src]
	if l == nil { // the first packet counts, also of a connection that conntrack knows
		own, _ := m.ownConn()
		l = &connList{keys: []connKey{own}, checked: m.now}
		m.counted[c.id][src] = l
	} else {
		l.count(m)
	}
	if len(l.keys) == 0 { // connlimit_mt takes that for a failure
		m.x.hotdrop = true
		return No
	}
	return c.Count.has(l)
}

func (c *ConnLimit) why(m *Machine) string {
	if m.x.hotdrop {
		return "its last connection is closed: the packet is dropped"
	}
	return m.counted[c.id][c.source(m)].String()
}

// connList are connections that count (nf_conncount.c).
type connList struct {
	keys    []connKey     // replaced, never changed: clones of the machine share them
	checked time.Duration // when all were last checked
	used    time.Duration
}

func (l *connList) String() string { return fmt.Sprintf("%d connections", len(l.keys)) }

// count adds the connection of the packet, and removes those that are gone. An assured
// one is not added. Of the others one that is there ends the check of the list.
func (l *connList) count(m *Machine) {
	own, c := m.ownConn()
	l.used = m.now
	gone := func(k connKey) bool { return !m.alive(k) }
	waits := c != nil && !c.assured
	if at := slices.Index(l.keys, own); waits && at >= 0 && m.conns[own] == c {
		l.keys = append(slices.DeleteFunc(slices.Clone(l.keys[:at]), gone), l.keys[at:]...)
		return
	}
	if waits || l.checked != m.now { // the kernel does not check twice in a jiffy
		l.keys, l.checked = slices.DeleteFunc(slices.Clone(l.keys), gone), m.now
	}
	if waits || c == nil {
		l.keys = append(slices.Clip(l.keys), own)
	}
}

// empty reports whether all connections are gone.
func (l *connList) empty(m *Machine) bool { return !slices.ContainsFunc(l.keys, m.alive) }
