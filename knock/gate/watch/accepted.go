package watch

import (
	"net/netip"
	"time"

	"rapport/knock/gate"
)

// accepted records an address that the accept rule has recorded. That proves the
// handshake, even if no reading found the address in a phase.
func (v *Visits) accepted(on Sighting, s Sample) (events []Event) {
	at := on.Since
	if at.IsZero() {
		at = s.Time
	}
	one := v.all[on.Addr]
	if one != nil && one.gotThrough() && (v.accept != gate.OneShot || at.Sub(one.gotIn) <= on.Slack) {
		return nil // one more connection
	}
	if one == nil || one.State != VisitOpen {
		if one == nil || one.State != VisitInside {
			one = v.begin(on.Addr, at)
		}
		events = v.advance(one, len(v.windows), at, s)
		events[len(events)-1].Inferred = true
	}
	return append(events, v.gotIn(on.Addr, "door", at, s)...)
}

// advance moves a visit to a phase, through those in which no reading saw it.
func (v *Visits) advance(one *Visit, phase int, at time.Time, s Sample) (events []Event) {
	for p := one.Phase + 1; p <= phase; p++ {
		e := v.event(PhaseEntered, one, at, s)
		e.Phase, e.Inferred = p, p < phase
		events = append(events, e)
	}
	one.Phase, one.State, one.Changed = phase, VisitInside, at
	one.refused = phase == len(v.windows)-1 && refuses(s.Guards, one.Addr)
	one.Entered[phase-1] = at
	if phase == len(v.windows) {
		one.State = VisitOpen
		if one.Earlier {
			one.State = VisitPast
		} else {
			v.Totals.Handshakes++
		}
	}
	return events
}

// recordConnections records new connections.
func (v *Visits) recordConnections(s Sample) (events []Event) {
	for _, c := range s.Connections {
		_, known := v.conns[c]
		v.conns[c] = s.Time
		if known || !v.started {
			continue
		}
		events = append(events, v.gotIn(c.Client.Addr(), "connection", s.Time, s)...)
	}
	for c, seen := range v.conns {
		if s.Time.Sub(seen) > connMemory {
			delete(v.conns, c)
		}
	}
	return events
}

// waiting is a connection that sshd has not accepted.
type waiting struct {
	since time.Time
	told  bool
}

// recordWaiting tells of connections that sshd has not accepted for a while, once of each
// visit: the address may have knocked again since it got in, as a SYN that is repeated does.
func (v *Visits) recordWaiting(s Sample) (events []Event) {
	before := v.waiting
	v.waiting = map[Connection]waiting{}
	for _, c := range s.Waiting {
		w, known := before[c]
		if !known {
			w.since = s.Time
		}
		one := v.all[c.Client.Addr()]
		if one != nil && !w.told && s.Time.Sub(w.since) >= silentAfter {
			if w.told = true; !one.Silent {
				one.Silent = true
				v.Totals.Silent++
				e := v.event(SSHSilent, one, w.since, s)
				e.Waits = s.Waits
				events = append(events, e)
			}
		}
		v.waiting[c] = w
	}
	return events
}

// gotIn records that an address got in, if anything listens there.
func (v *Visits) gotIn(addr netip.Addr, evidence string, at time.Time, s Sample) []Event {
	one, down := v.all[addr], s.Down && (v.down || !v.started)
	switch open := one != nil && one.State == VisitOpen; {
	case one != nil && one.gotThrough():
		return nil // one more connection
	case open && down:
		one.gotIn = at
		return v.sshDown(one, at, s)
	case open:
		v.Totals.In++
	case down, one != nil && at.Sub(one.gotIn) < lateConnection: // seen late
		return nil
	default:
		one = v.begin(addr, at)
	}
	one.State, one.Changed, one.gotIn = VisitIn, at, at
	e := v.event(GotIn, one, at, s)
	e.Evidence = evidence
	return []Event{e}
}

// sshDown records that nothing listens on the SSH port that is open for a visit.
func (v *Visits) sshDown(one *Visit, at time.Time, s Sample) []Event {
	one.State, one.Changed = VisitSSHDown, at
	v.Totals.SSHDown++
	return []Event{v.event(SSHDown, one, at, s)}
}

// recordCounter uses the counter of the accept rule where closed connections cannot
// be seen: if it counted while SSH was open for one address only, that one got in.
func (v *Visits) recordCounter(s Sample) (events []Event) {
	if !s.Passed.Known || s.Counted.Equal(v.counted) {
		return nil
	}
	before, since := v.passed, v.counted
	v.passed, v.counted = s.Passed, s.Counted
	if s.Ended || s.Passed.Since(before) == 0 {
		return nil
	}
	var could []*Visit
	for _, one := range v.all {
		if one.Phase == len(v.windows) && v.end(one).After(since) &&
			!(one.State == VisitIn && one.Changed.Before(since)) {
			could = append(could, one)
		}
	}
	if len(could) == 1 && could[0].State == VisitOpen {
		events = v.gotIn(could[0].Addr, "counter", s.Time, s)
	}
	return events
}
