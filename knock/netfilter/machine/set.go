package machine

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// Lookup asks whether a set of nft holds what a packet has, and follows a verdict
// map.
type Lookup struct {
	Fields []Field
	Name   string // of a set of the table; "" for Items
	Items  []Item // between braces in the rule
	Negate bool
	VMap   bool
	set    *Set // nil if the text does not show it
}

// anonymous reports whether the rule itself holds the elements.
func (l *Lookup) anonymous() bool { return l.Name == "" }

// dynamic reports whether rules change the set.
func (l *Lookup) dynamic() bool {
	return !l.anonymous() && l.set != nil && (l.set.dynamic || len(l.set.Items) == 0)
}

func (l *Lookup) link(p *program, t *Table) {
	if l.anonymous() {
		l.set = &Set{Items: l.Items}
		l.set.link(t)
	} else if l.set = t.Sets[l.Name]; l.set == nil {
		p.unmodelled = true
	}
}

func (l *Lookup) eval(m *Machine) Truth {
	k, t := keyOf(m, l.Fields)
	if t != Yes {
		return t
	}
	if l.set == nil {
		return m.Member.not(l.Negate)
	}
	if i := l.set.static(&k); i != nil {
		if l.VMap {
			m.x.verdict, m.x.to = i.Verdict, i.to
		}
		return Yes.not(l.Negate)
	}
	if l.anonymous() {
		return No.not(l.Negate)
	}
	e := m.sets[l.set.id][k]
	switch {
	case e == nil || e.gone(m):
		return No.not(l.Negate)
	case e.doubt:
		return Unknown
	case l.Negate:
		return No
	}
	return e.pass(m)
}

func (l *Lookup) why(m *Machine) string {
	k, t := keyOf(m, l.Fields)
	var names []string
	for i := range l.Fields {
		names = append(names, string(l.Fields[i].Subject))
	}
	what := strings.Join(names, " . ")
	switch {
	case t == No:
		return "no " + what + " in this packet"
	case t == Unknown:
		return what + " is not known"
	case l.set == nil:
		return "what " + l.Name + " holds is not known"
	case l.anonymous():
		return what + " is another"
	case l.Negate:
		return "in the set " + ShortName(l.Name)
	}
	if e := m.sets[l.set.id][k]; e != nil {
		if e.doubt {
			return "whether it is in the set " + ShortName(l.Name) + " is not known"
		}
		return fmt.Sprintf("left the set %s %s ago", ShortName(l.Name), seconds(m.now-e.until))
	}
	return "not in the set " + ShortName(l.Name)
}

// SetUpdate adds to a set of nft, or removes from it (nft_dynset.c).
type SetUpdate struct {
	Fields  []Field
	Verb    string // "add", "update" or "delete"
	Name    string
	Timeout time.Duration // zero is that of the set
	// Rate and Count are statements of the elements that it makes, nil without one.
	Rate  *Rate
	Count *ConnCount
	set   *Set
}

func (s *SetUpdate) link(p *program, t *Table) {
	if s.set = t.Sets[s.Name]; s.set == nil { // a meter makes its own
		s.set = &Set{Name: s.Name, id: len(p.sets)}
		t.Sets[s.Name] = s.set
		p.sets = append(p.sets, s.set)
	}
	s.set.dynamic = true
	if s.Rate == nil && s.Count == nil {
		s.Rate, s.Count = s.set.Rate, s.set.Count
	}
}

// stay returns how long an element stays, zero is until it is removed.
func (s *SetUpdate) stay() time.Duration { return cmp.Or(s.Timeout, s.set.Timeout) }

func (s *SetUpdate) eval(m *Machine) Truth {
	k, t := keyOf(m, s.Fields)
	if t != Yes {
		return t
	}
	e := m.sets[s.set.id][k]
	if e != nil && e.gone(m) {
		m.free(s.set, k, e.until)
		e = nil
	}
	stay := s.stay()
	switch {
	case s.Verb == "delete":
		if e != nil {
			m.free(s.set, k, m.now)
			m.change(s.Name, "remove")
		}
		return Yes
	case e == nil && s.set.Size > 0 && m.full(s.set):
		return truth(s.set.find(&k) != nil) // one that stays needs no more room
	case e == nil:
		e = &element{rate: s.Rate, count: s.Count}
		if stay > 0 {
			e.until = m.now + stay
		}
		m.store(s.set.id, k, e)
		m.change(s.Name, "add")
	case s.Verb == "update" && e.until > 0:
		e.until, e.doubt = m.now+stay, false
		m.roomAt[s.set.id] = min(m.roomAt[s.set.id], e.until)
		m.change(s.Name, "update")
	}
	return e.pass(m)
}

// full reports whether a set has no room: elements that are gone take some until the
// kernel collects them.
func (m *Machine) full(s *Set) bool {
	room := s.Size
	if m.Skip == nil {
		room -= s.Taken()
	}
	used := func() int { return len(m.sets[s.id]) + len(m.freed[s.id]) }
	if used() < room || m.now < m.roomAt[s.id] {
		return used() >= room
	}
	next := time.Duration(math.MaxInt64)
	for k, e := range m.sets[s.id] {
		if e.gone(m) {
			m.free(s, k, e.until)
		} else if e.count != nil {
			next = m.now // conntrack says when it goes
		} else if e.until > 0 {
			next = min(next, e.until)
		}
	}
	m.freed[s.id] = slices.DeleteFunc(m.freed[s.id], func(since time.Duration) bool { return m.now-since >= m.CollectEvery })
	for _, since := range m.freed[s.id] {
		next = min(next, since+m.CollectEvery)
	}
	m.roomAt[s.id] = next
	return used() >= room
}

// free removes an element that is gone since the given time.
func (m *Machine) free(s *Set, k key, since time.Duration) {
	delete(m.sets[s.id], k)
	if s.Size > 0 {
		m.freed[s.id] = append(m.freed[s.id], since)
		m.roomAt[s.id] = min(m.roomAt[s.id], since+m.CollectEvery)
	}
}

func (s *SetUpdate) why(m *Machine) string {
	k, t := keyOf(m, s.Fields)
	e := m.sets[s.set.id][k]
	switch {
	case t != Yes:
		return "nothing to add in this packet"
	case e == nil:
		return "the set " + ShortName(s.Name) + " is full"
	case e.rate != nil:
		return e.rate.why() + " for it"
	}
	return e.conns.String()
}

// keyOf reads the fields that identify an element.
func keyOf(m *Machine, fields []Field) (k key, t Truth) {
	k.n = int8(len(fields))
	for i := range fields {
		if k.f[i], t = fields[i].read(m); t != Yes {
			return k, t
		}
	}
	return k, Yes
}

// element is a member that rules added to an nft set.
type element struct {
	until  time.Duration // zero never expires
	rate   *Rate         // of the rule that made it, as count
	bucket bucket        // of the rate
	count  *ConnCount
	conns  connList // of the count
	doubt  bool     // whether it is there depends on what is not modelled
}

func (e *element) expired(at time.Duration) bool { return e.until != 0 && at >= e.until }

// gone reports whether an element has expired, or was collected with its last
// connection.
func (e *element) gone(m *Machine) bool {
	return e.expired(m.now) || e.count != nil && m.now-e.conns.used >= m.CollectEvery && e.conns.empty(m)
}

// pass evaluates the statements of an element.
func (e *element) pass(m *Machine) Truth {
	if e.rate != nil && m.within(&e.bucket, e.rate) == No {
		return No
	}
	if e.count == nil {
		return Yes
	}
	e.conns.count(m)
	return e.count.has(&e.conns)
}

// store puts an element into a set.
func (m *Machine) store(set int, k key, e *element) {
	if m.sets[set] == nil {
		m.sets[set] = map[key]*element{}
	}
	m.sets[set][k] = e
}

// link resolves the chains that the elements of a verdict map lead to, and sorts
// ranges.
func (s *Set) link(t *Table) {
	for i := range s.Items {
		s.Items[i].to = t.chainOf[s.Items[i].Target]
	}
	s.sorted = !slices.ContainsFunc(s.Items, func(i Item) bool { return len(i.In) != 1 })
	if s.sorted {
		slices.SortStableFunc(s.Items, func(a, b Item) int {
			return cmp.Or(cmp.Compare(a.In[0].From.Hi, b.In[0].From.Hi), cmp.Compare(a.In[0].From.Lo, b.In[0].From.Lo))
		})
	}
}

// static returns the item that matches k, of a set that rules do not change: what
// they have put into the others counts as not there yet.
func (s *Set) static(k *key) *Item {
	if s.dynamic {
		return nil
	}
	return s.find(k)
}

// find returns the item that matches k.
func (s *Set) find(k *key) *Item {
	if !s.sorted {
		i := slices.IndexFunc(s.Items, func(i Item) bool { return i.has(k) })
		if i < 0 {
			return nil
		}
		return &s.Items[i]
	}
	// The last item that does not begin behind the value.
	i, _ := slices.BinarySearchFunc(s.Items, k.f[0], func(i Item, v Value) int {
		if v.less(i.In[0].From) {
			return 1
		}
		return -1
	})
	// Items may lie within each other: those of an anonymous set are as written.
	for back := 0; i > 0 && back < 64; back++ {
		i--
		if s.Items[i].has(k) {
			return &s.Items[i]
		}
	}
	return nil
}
