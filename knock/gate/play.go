package gate

import (
	"slices"
	"time"
)

// packet is one whose fate is asked for.
type packet struct{ port, state int }

// fate is what becomes of a packet: its verdict, and at which step; -1 is the
// policy. The verdict is empty where the text does not tell.
type fate struct {
	verdict verdict
	step    int
}

// source is what the rules remember of a sender: the lists it is on, and the
// tokens that are left. The zero source is unknown to them.
type source struct {
	now    time.Duration // when the next packet comes
	lists  map[string]entry
	tokens map[*limit]tokens
	// wrong is how many wrong ports a minute the rule forgives that was the first
	// to hold because there were too many packets; 0 while none has.
	wrong int
}

// entry is a sender on a list. A list with a time of its own forgets it.
type entry struct {
	noted   []time.Duration // the last ones
	forgets bool
	until   time.Duration
}

type tokens struct {
	left float64
	at   time.Duration
}

// maxNoted is how many times of a sender are remembered, more than xt_recent
// counts unless it is told to.
const maxNoted = 64

// on reports whether s is on the list that c asks for, whatever c wants.
func (s *source) on(c listCheck) bool {
	e, ok := s.lists[c.key()]
	if !ok || e.forgets && s.now > e.until {
		return false
	}
	if c.mode == "remove" {
		return true
	}
	hits := 0
	for _, at := range e.noted {
		if c.seconds == 0 || s.now-at <= c.seconds {
			hits++
		}
	}
	if c.hits > 1 && hits >= c.hits && !c.negated && s.wrong == 0 {
		s.wrong = perMinute(c.hits, max(c.seconds, time.Second))
	}
	return hits >= max(c.hits, 1)
}

// perMinute is a rate of n in a time, as a number in a minute that is not 0.
func perMinute(n int, per time.Duration) int { return max(1, int(time.Duration(n)*time.Minute/per)) }

// note puts s on a list.
func (s *source) note(n note) {
	if s.lists == nil {
		s.lists = map[string]entry{}
	}
	key := listCheck{list: n.list, byDest: n.byDest}.key()
	e := s.lists[key]
	if len(e.noted) == maxNoted {
		e.noted = e.noted[1:]
	}
	s.lists[key] = entry{noted: append(slices.Clip(e.noted), s.now), forgets: n.stay > 0, until: s.now + n.stay}
}

// takes reports whether a limit holds for a packet of s.
func (s *source) takes(l *limit) bool {
	if s.tokens == nil {
		s.tokens = map[*limit]tokens{}
	}
	t, ok := s.tokens[l]
	if !ok {
		t.left = float64(l.burst)
	}
	t.left = min(float64(l.burst), t.left+float64(s.now-t.at)/float64(l.per))
	t.at = s.now
	under := t.left >= 1
	if under {
		t.left--
	} else if l.over && s.wrong == 0 {
		s.wrong = min(l.burst, perMinute(1, l.per))
	}
	s.tokens[l] = t
	return under != l.over
}

// key tells lists by source and by destination apart.
func (c listCheck) key() string {
	if c.byDest {
		return c.list + " by destination"
	}
	return c.list
}

// fits reports whether a rule holds for a packet of src, and does what its
// matches do, also those before one that does not hold. A rule that asks for
// more than is known does not hold.
func (s *step) fits(p packet, src *source) bool {
	c := &s.own
	if c.narrow || c.proto != "" && c.proto != "tcp" || c.states != 0 && c.states&p.state == 0 || !c.takesPort(p.port) {
		return false
	}
	for _, c := range c.checks {
		switch is := src.on(c); {
		case is == c.negated:
			return false
		case is && c.mode == "update":
			src.note(note{list: c.list, byDest: c.byDest})
		case is && c.mode == "remove":
			delete(src.lists, c.key())
		}
	}
	for _, l := range c.limits {
		if !src.takes(l) {
			return false
		}
	}
	for _, list := range s.removes {
		delete(src.lists, list)
	}
	for _, n := range s.sets {
		src.note(n)
	}
	return true
}

// fate sends a packet of an unknown source along the way, up to but not into
// the step until; a negative until is the end.
func (w way) fate(p packet, until int) fate { return w.play(p, &source{}, until) }

// play sends a TCP packet along the way as fate does, and keeps in src what the
// rules remember of it.
func (w way) play(p packet, src *source, until int) fate {
	last := fate{step: -1}
	if w.whole {
		last.verdict = accepts // what the kernel does without rules
	}
	for _, b := range w.bases {
		if b.hook == noHook {
			break
		}
		end := w.playBase(b, p, src, until)
		if until >= b.first && until < b.end || end.verdict == drops {
			return end
		}
		if b.hook == input && (last.verdict == goesOn || end.step >= 0) {
			last = end
		}
	}
	return last
}

// playBase sends a packet through one base chain. Up to a step is also where a
// chain would be left out that holds it.
func (w way) playBase(b base, p packet, src *source, until int) fate {
	for i := b.first; i < b.end; i++ {
		if i == until {
			return fate{step: i}
		}
		switch s := &w.steps[i]; {
		case !s.fits(p, src):
			if s.jump && i < until && until < s.skip {
				return fate{step: until}
			}
			if s.jump {
				i = max(i, s.skip-1)
			}
		case s.verdict == returns:
			i = max(i, s.skip-1)
		case s.verdict != goesOn:
			return fate{s.verdict, i}
		}
	}
	return fate{b.policy, -1}
}
