package machine

import (
	"fmt"
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

// HashLimit is a rate for each source, destination or port.
type HashLimit struct {
	Rate   Rate
	Table  string        // rules with the same name share it; the first one makes it
	Most   int           // entries of the table; zero is any number
	Expire time.Duration // of an entry without packets
	Fields []Field
	id     int
}

// hashEntry is a bucket of a table.
type hashEntry struct {
	bucket
	expires time.Duration
}

func (h *HashLimit) link(p *program, _ *Table) { h.id = p.hash(h) }

func (h *HashLimit) eval(m *Machine) Truth {
	k, t := keyOf(m, h.Fields)
	if t != Yes {
		return t
	}
	table := m.hashes[h.id]
	if table == nil {
		table = map[key]*hashEntry{}
		m.hashes[h.id] = table
	}
	first := m.prog.hashes[h.id]
	e := table[k]
	if e != nil && m.now >= e.expires {
		e.bucket = bucket{}
	}
	if e == nil {
		if first.Most > 0 && len(table) >= first.Most && !collect(table, m.now) {
			m.x.verdict = Drop // hotdrop: the kernel drops what it cannot count
			return Yes
		}
		e = &hashEntry{}
		table[k] = e
	}
	e.expires = m.now + first.Expire
	return m.within(&e.bucket, &h.Rate)
}

// collect removes expired entries, and reports whether there were any.
func collect(table map[key]*hashEntry, now time.Duration) (some bool) {
	for k, e := range table {
		if now >= e.expires {
			delete(table, k)
			some = true
		}
	}
	return some
}

func (h *HashLimit) why(*Machine) string { return h.Rate.why() + " for it" }

// ConnLimit compares how many connections a source has.
type ConnLimit struct {
	Most   int
	Negate bool // matches up to Most, not above
	Prefix int  // the first bits of an address that make one source
}

func (c *ConnLimit) eval(m *Machine) Truth { return truth((c.count(m) > c.Most) != c.Negate) }

// count returns the connections of the source, with the new one.
func (c *ConnLimit) count(m *Machine) int {
	a := m.x.p.Src
	mask, n := PrefixMask(min(c.Prefix, a.BitLen()), a.Is4()), 0
	src := AddrValue(a).And(mask)
	for k, o := range m.conns {
		if k == o.orig && k.src.And(mask) == src {
			n++
		}
	}
	if m.x.fresh != nil {
		n++
	}
	return n
}

func (c *ConnLimit) why(m *Machine) string { return fmt.Sprintf("%d connections", c.count(m)) }
