package netfilter

import (
	"slices"
	"time"
)

// Packet is a TCP packet to this machine: its destination port, and its
// conntrack state.
type Packet struct{ Port, State int }

// SYN is a packet that asks for a connection.
func SYN(port int) Packet { return Packet{port, StateNew} }

// StrayACK is a bare ACK of no connection, which is new to conntrack too.
func StrayACK(port int) Packet { return Packet{port, StateStray} }

// Established is a packet of a connection that exists.
func Established(port int) Packet { return Packet{port, StateEstablished} }

// Decision is the verdict on a packet, and the index of the hit that gave it; -1
// is the policy. The verdict is empty where the text does not tell.
type Decision struct {
	Verdict Verdict
	Hit     int
}

// source is what the rules remember of a sender: the lists it is on, and the
// tokens that are left. The zero source is unknown to them.
type Source struct {
	Clock    time.Duration // when the next packet comes
	lists  map[string]entry
	tokens map[*Limit]tokens
	// wrong is how many wrong ports a minute the rule forgives that was the first
	// to hold because there were too many packets; 0 while none has.
	WrongPerMinute int
}

// entry is a sender on a list. A list with a time of its own forgets it.
type entry struct {
	stamps   []time.Duration // the last ones
	forgets bool
	until   time.Duration
}

type tokens struct {
	left float64
	at   time.Duration
}

// maxStamps is how many times of a sender are remembered, more than xt_recent
// counts unless it is told to.
const maxStamps = 64

// on reports whether s is on the list that c asks for, whatever c wants.
func (s *Source) Matches(c SetMatch) bool {
	e, ok := s.lists[c.key()]
	if !ok || e.forgets && s.Clock > e.until {
		return false
	}
	if c.Mode == "remove" {
		return true
	}
	hits := 0
	for _, at := range e.stamps {
		if c.Seconds == 0 || s.Clock-at <= c.Seconds {
			hits++
		}
	}
	if c.Hits > 1 && hits >= c.Hits && !c.Negated && s.WrongPerMinute == 0 {
		s.WrongPerMinute = perMinute(c.Hits, max(c.Seconds, time.Second))
	}
	return hits >= max(c.Hits, 1)
}

// perMinute is a rate of n in a time, as a number in a minute that is not 0.
func perMinute(n int, per time.Duration) int { return max(1, int(time.Duration(n)*time.Minute/per)) }

// add puts s on a list.
func (s *Source) add(n SetUpdate) {
	if s.lists == nil {
		s.lists = map[string]entry{}
	}
	key := SetMatch{Set: n.Set, ByDest: n.ByDest}.key()
	e := s.lists[key]
	if len(e.stamps) == maxStamps {
		e.stamps = e.stamps[1:]
	}
	s.lists[key] = entry{stamps: append(slices.Clip(e.stamps), s.Clock), forgets: n.Timeout > 0, until: s.Clock + n.Timeout}
}

// underLimit reports whether a limit holds for a packet of s.
func (s *Source) underLimit(l *Limit) bool {
	if s.tokens == nil {
		s.tokens = map[*Limit]tokens{}
	}
	t, ok := s.tokens[l]
	if !ok {
		t.left = float64(l.Burst)
	}
	t.left = min(float64(l.Burst), t.left+float64(s.Clock-t.at)/float64(l.Per))
	t.at = s.Clock
	under := t.left >= 1
	if under {
		t.left--
	} else if l.Over && s.WrongPerMinute == 0 {
		s.WrongPerMinute = min(l.Burst, perMinute(1, l.Per))
	}
	s.tokens[l] = t
	return under != l.Over
}

// key tells lists by source and by destination apart.
func (c SetMatch) key() string {
	if c.ByDest {
		return c.Set + " by destination"
	}
	return c.Set
}

// matches reports whether a rule holds for a packet of src, and does what its
// matches do, also those before one that does not hold. A rule that asks for
// more than is known does not hold.
func (s *Hit) matches(p Packet, src *Source) bool {
	c := &s.Own
	if c.unmodelled || c.Proto != "" && c.Proto != "tcp" || c.States != 0 && c.States&p.State == 0 || !c.MatchesPort(p.Port) {
		return false
	}
	for _, c := range c.Checks {
		switch is := src.Matches(c); {
		case is == c.Negated:
			return false
		case is && c.Mode == "update":
			src.add(SetUpdate{Set: c.Set, ByDest: c.ByDest})
		case is && c.Mode == "remove":
			delete(src.lists, c.key())
		}
	}
	for _, l := range c.Limits {
		if !src.underLimit(l) {
			return false
		}
	}
	for _, list := range s.Removes {
		delete(src.lists, list)
	}
	for _, n := range s.Updates {
		src.add(n)
	}
	return true
}

// Decision sends a packet of an unknown source along the way, up to but not into
// the step until; a negative until is the end.
func (w Path) Decide(p Packet, until int) Decision { return w.Play(p, &Source{}, until) }

// play sends a TCP packet along the way as fate does, and keeps in src what the
// rules remember of it.
func (w Path) Play(p Packet, src *Source, until int) Decision {
	last := Decision{Hit: -1}
	if w.Complete {
		last.Verdict = Accept // what the kernel does without rules
	}
	for _, b := range w.Bases {
		if b.Hook == NoHook {
			break
		}
		end := w.playBase(b, p, src, until)
		if until >= b.First && until < b.End || end.Verdict == Drop {
			return end
		}
		if b.Hook == Input && (last.Verdict == Next || end.Hit >= 0) {
			last = end
		}
	}
	return last
}

// playBase sends a packet through one base chain. Up to a step is also where a
// chain would be left out that holds it.
func (w Path) playBase(b Base, p Packet, src *Source, until int) Decision {
	for i := b.First; i < b.End; i++ {
		if i == until {
			return Decision{Hit: i}
		}
		switch s := &w.Hits[i]; {
		case !s.matches(p, src):
			if s.jump && i < until && until < s.skip {
				return Decision{Hit: until}
			}
			if s.jump {
				i = max(i, s.skip-1)
			}
		case s.Verdict == Return:
			i = max(i, s.skip-1)
		case s.Verdict != Next:
			return Decision{s.Verdict, i}
		}
	}
	return Decision{b.Policy, -1}
}
