package netfilter

import (
	"slices"
	"time"
)

// Packet is a TCP packet to the machine: its destination port and its conntrack
// state, one of the State constants.
type Packet struct{ Port, State int }

// SYN returns a packet that requests a connection.
func SYN(port int) Packet { return Packet{port, StateNew} }

// StrayACK returns an ACK that belongs to no connection. Its conntrack state is
// new, as that of a SYN.
func StrayACK(port int) Packet { return Packet{port, StateStray} }

// Established returns a packet of an existing connection.
func Established(port int) Packet { return Packet{port, StateEstablished} }

// Decision is the verdict on a packet, and the index of the hit that gave it, -1
// for a policy. The verdict is [Next] if the text does not show it.
type Decision struct {
	Verdict Verdict
	Hit     int
}

// Source is the state that the rules hold for one source address: the sets it is
// in, and the tokens it has left. The zero Source is in no set.
type Source struct {
	Clock  time.Duration // when the next packet arrives
	lists  map[string]entry
	tokens map[*Limit]tokens
	// WrongPerMinute is the limit of the first rule that matched because of too
	// many packets, in packets a minute; 0 while there was none.
	WrongPerMinute int
}

// entry is a source in a set. It expires if the set has a timeout.
type entry struct {
	stamps  []time.Duration // when it was added, the newest last
	forgets bool
	until   time.Duration
}

type tokens struct {
	left float64
	at   time.Duration
}

// maxStamps bounds the times stored for an entry. xt_recent stores 20 by default.
const maxStamps = 64

// Matches reports whether the source is in the set of c, as c requires. It does
// not apply Negated.
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
		if c.Within == 0 || s.Clock-at <= c.Within {
			hits++
		}
	}
	if c.Hits > 1 && hits >= c.Hits && !c.Negated && s.WrongPerMinute == 0 {
		s.WrongPerMinute = perMinute(c.Hits, max(c.Within, time.Second))
	}
	return hits >= max(c.Hits, 1)
}

// perMinute converts n per duration to a number a minute, at least 1.
func perMinute(n int, per time.Duration) int { return max(1, int(time.Duration(n)*time.Minute/per)) }

// add adds the source to a set.
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

// underLimit takes a token and reports whether the limit matches.
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

// key distinguishes entries by source from those by destination.
func (c SetMatch) key() string {
	if c.ByDest {
		return c.Set + " by destination"
	}
	return c.Set
}

// matches reports whether the rule matches a packet, and updates src as the kernel
// does: also by the conditions before one that fails. An unmodelled rule does not
// match.
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

// Decide plays one packet of a source that is in no set, up to but not including
// the hit until; a negative until plays the whole path.
func (path Path) Decide(p Packet, until int) Decision { return path.Play(p, &Source{}, until) }

// Play plays a packet as [Path.Decide] does, and records in src what the rules
// remember of its source.
func (path Path) Play(p Packet, src *Source, until int) Decision {
	last := Decision{Hit: -1}
	if path.Complete {
		last.Verdict = Accept // what the kernel does without rules
	}
	for _, b := range path.Bases {
		if b.Hook == NoHook {
			break
		}
		end := path.playBase(b, p, src, until)
		if until >= b.First && until < b.End || end.Verdict == Drop {
			return end
		}
		if b.Hook == Input && (last.Verdict == Next || end.Hit >= 0) {
			last = end
		}
	}
	return last
}

// playBase plays a packet through one base chain. It stops at until even if the
// packet would skip the chain that holds that hit.
func (path Path) playBase(b Base, p Packet, src *Source, until int) Decision {
	for i := b.First; i < b.End; i++ {
		if i == until {
			return Decision{Hit: i}
		}
		switch s := &path.Hits[i]; {
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
