package watch

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"rapport/knock"
	"rapport/knock/gate"
	"rapport/knock/netfilter/machine"
)

// Sighting is an address on a list of the gate, as one reading found it.
type Sighting struct {
	Addr  netip.Addr
	Phase int // 1 to 5, or [Accepted]
	// Since is when it was last added, zero if not known; Slack is how far off it may be.
	Since time.Time
	Slack time.Duration
	// Stamp changes when the address is added again; 0 leaves that to Since.
	Stamp uint64
}

// Accepted is the phase of a sighting on a list of accepted addresses.
const Accepted = knock.Knocks + 1

// Sample is one reading of the gate.
type Sample struct {
	Time time.Time
	On   []Sighting
	// Blind: the lists could not be read, for example while rules change.
	Blind bool
	// Connections are those to ports of the accept rules. With Ended they include
	// closed ones.
	Connections []Connection
	Ended       bool
	// Waiting are those that sshd has not accepted, of which the kernel knows Waits.
	Waiting []Connection
	Waits   int
	// Passed and Dropped are how many SYNs to the SSH port were accepted and dropped
	// until the time Counted.
	Passed, Dropped machine.Count
	Counted         time.Time
	Guards          []Guard // the gate's replay guards
	Down            bool    // nothing listens on the SSH port
}

// VisitState is the state of a visit.
type VisitState string

// The states of a visit.
const (
	VisitInside  VisitState = "inside"   // gotIn a phase, its window open
	VisitOpen    VisitState = "open"     // in the last phase: SSH is open for it
	VisitIn      VisitState = "in"       // a connection was accepted
	VisitStuck   VisitState = "stuck"    // the window ended without the next knock or connection
	VisitRefused VisitState = "refused"  // stuck: a replay guard accepted no new address
	VisitSSHDown VisitState = "ssh-down" // SSH was open for it, and nothing listened there
	VisitCut     VisitState = "cut"      // the gate changed; how it would have ended is not known
	VisitPast    VisitState = "past"     // it was in the last phase before the watch began; how it ended is not known
)

// Visit is the last visit of an address to the gate.
type Visit struct {
	Addr netip.Addr
	// Entered is when each phase was entered. Zero is never, or for a phase below
	// Phase, an unknown time between two readings.
	Entered [knock.Knocks]time.Time
	Phase   int // the highest; 0: it got in, and no handshake was seen
	State   VisitState
	Changed time.Time // when the state began
	// Shared: perhaps one client knocks from several addresses. Others are the other
	// ones, empty if they are not known.
	Shared bool
	Others []netip.Addr
	// Earlier: the visit was over when the watch began.
	Earlier bool
	// Silent: it got in, and sshd did not take its connection.
	Silent bool

	start       time.Time
	gotIn       time.Time // when it last got in, perhaps by an earlier handshake
	drops       drops     // while SSH was open for it
	refused     bool      // a replay guard was full when it entered the phase before the last
	sshUp       bool      // something listened while SSH was open for it
	gateChanged bool      // the gate changed during the visit
}

// Totals are counts since the watch began.
type Totals struct {
	Handshakes int // complete
	In         int
	Stuck      [knock.Knocks]int // by phase; in the fifth: no connection came
	Shared     int
	Refused    int // by a replay guard; not in Stuck
	SSHDown    int // opened, and nothing listened; not in Stuck
	Silent     int // got in, and sshd did not take the connection
}

// Visits follows addresses from sample to sample.
type Visits struct {
	Totals Totals

	windows   []time.Duration // of each phase; zero is endless
	accept    gate.AcceptKind
	all       map[netip.Addr]*Visit
	sightings map[sightingKey]Sighting
	conns     map[Connection]time.Time
	waiting   map[Connection]waiting
	started   bool
	down      bool      // in the sample before
	counted   time.Time // when passed was read
	passed    machine.Count
	dropped   counting                  // the last reading
	networks  map[netip.Prefix][]*Visit // of this sample; nil until they are asked for
	forgotten int                       // visits that were not over, since this was last told
}

// sightingKey identifies a sighting from sample to sample.
type sightingKey struct {
	addr  netip.Addr
	phase int
}

const (
	// maxVisits bounds the visits that are over and remembered, maxListed those that are
	// listed, maxInside all that are followed. Beyond it those in the lowest phases are
	// forgotten, and counted.
	maxVisits = 1000
	maxListed = 1000
	maxInside = 20_000
	// crowd is how many visits are too many to see those that got far among them.
	crowd = 100
	// readLag is how late a reading may be: until then no window counts as over.
	readLag = 500 * time.Millisecond
	// lateConnection is how late a connection may be seen and still count for the
	// handshake before it.
	lateConnection = 1500 * time.Millisecond
	// silentAfter is from when on a connection that sshd has not accepted is told: a busy
	// sshd accepts within milliseconds.
	silentAfter = time.Second
	// connMemory is how long a connection that is no longer seen is remembered.
	connMemory = 10 * time.Second
)

// NewVisits returns an empty record of visits to a gate with these windows, one for
// each phase, and this kind of accept rule.
func NewVisits(windows []time.Duration, accept gate.AcceptKind) *Visits {
	v := &Visits{all: map[netip.Addr]*Visit{}, conns: map[Connection]time.Time{}}
	v.GateChanged(windows, accept, false)
	return v
}

// GateChanged continues with another gate. With the same lists, visits continue;
// else they end as VisitCut. None of them counts as stuck or shared: the change may
// be the reason.
func (v *Visits) GateChanged(windows []time.Duration, accept gate.AcceptKind, same bool) {
	v.GateLost()
	windows = windows[:min(len(windows), knock.Knocks)]
	if !same || len(windows) != len(v.windows) {
		v.sightings, v.started = nil, false
		for _, one := range v.all {
			if one.inside() {
				one.State = VisitCut
			}
		}
	}
	v.windows, v.accept = windows, accept
}

// GateLost records that the rules hold no gate any more.
func (v *Visits) GateLost() {
	for _, one := range v.all {
		one.gateChanged = one.gateChanged || one.inside()
	}
}

// Record records a sample, and returns what has happened since the one before, in
// order.
func (v *Visits) Record(s Sample) (events []Event) {
	defer func() { v.networks = nil }()
	for _, on := range v.newSightings(s) {
		if on.Phase == Accepted {
			events = append(events, v.accepted(on, s)...)
		} else {
			events = append(events, v.enter(on, s)...)
		}
	}
	events = append(events, v.recordConnections(s)...)
	events = append(events, v.recordWaiting(s)...)
	events = append(events, v.recordCounter(s)...)
	events = append(events, v.closeExpired(s)...)
	v.started, v.down = true, s.Down
	if len(v.all) > maxVisits {
		v.forget()
	}
	return events
}

// newSightings returns the sightings that are new since the sample before, the
// oldest first.
func (v *Visits) newSightings(s Sample) (all []Sighting) {
	if s.Blind {
		return nil
	}
	marks := make(map[sightingKey]Sighting, len(s.On))
	for _, on := range s.On {
		if on.Phase < 1 || on.Phase > len(v.windows) && on.Phase != Accepted {
			continue
		}
		m := sightingKey{on.Addr, on.Phase}
		if other, twice := marks[m]; twice && !other.Since.Before(on.Since) {
			continue // it is on two lists of this phase
		}
		marks[m] = on
	}
	for m, on := range marks {
		old, known := v.sightings[m]
		same := known && on.Stamp == old.Stamp
		if same && on.Stamp == 0 {
			same = on.Since.Sub(old.Since).Abs() <= on.Slack+old.Slack
		}
		if same {
			if on.Stamp == 0 {
				marks[m] = old // else it would drift
			}
			continue
		}
		all = append(all, on)
	}
	v.sightings = marks
	slices.SortFunc(all, func(a, b Sighting) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Phase, b.Phase), a.Addr.Compare(b.Addr))
	})
	return all
}

// windowEnd returns the end of the window of a phase that was entered at t.
func (v *Visits) windowEnd(phase int, t time.Time) time.Time {
	if phase < 1 || phase > len(v.windows) || v.windows[phase-1] == 0 {
		return t.Add(1000 * time.Hour)
	}
	return t.Add(v.windows[phase-1])
}

// end returns the end of a visit's window.
func (v *Visits) end(one *Visit) time.Time { return v.windowEnd(one.Phase, one.Entered[one.Phase-1]) }

// enter records a knock.
func (v *Visits) enter(on Sighting, s Sample) (events []Event) {
	at := on.Since
	if at.IsZero() {
		if !v.started {
			return nil // older than the watch; the time is unknown
		}
		at = s.Time
	}
	earlier := !v.started && s.Time.After(v.windowEnd(on.Phase, at).Add(readLag))
	one := v.all[on.Addr]
	last := len(v.windows)
	switch {
	case one == nil, !one.inside() && !one.gotThrough(), one.gotThrough() && (one.Phase < last || on.Phase < last || v.accept != gate.Sliding):
	case one.State == VisitInside && one.Phase > on.Phase, one.Phase == on.Phase && on.Phase < last:
		// A repeated knock; the handshake continues.
		one.Entered[on.Phase-1], one.Changed = at, at
		return nil
	case one.Phase == last && on.Phase == last && v.accept == gate.Sliding:
		one.Entered[last-1] = at // a packet extends the window
		return nil
	case one.Phase == last: // it knocks again before the window is over
		events = v.close(one, s)
	default:
		return append(events, v.advance(one, on.Phase, at, s)...)
	}
	one = v.begin(on.Addr, at)
	one.Earlier = earlier
	return append(events, v.advance(one, on.Phase, at, s)...)
}

// inside reports whether the visit's window is open, and it has not got in.
func (v *Visit) inside() bool { return v.State == VisitInside || v.State == VisitOpen }

// gotThrough reports whether a connection was accepted, or would have been if
// something had listened.
func (v *Visit) gotThrough() bool { return v.State == VisitIn || v.State == VisitSSHDown }

// begin starts a new visit of an address.
func (v *Visits) begin(addr netip.Addr, at time.Time) *Visit {
	one := &Visit{Addr: addr, start: at}
	if old := v.all[addr]; old != nil {
		one.gotIn = old.gotIn
	}
	v.all[addr] = one
	return one
}

// closeExpired ends the visits whose window is over.
func (v *Visits) closeExpired(s Sample) (events []Event) {
	var due []*Visit
	for _, one := range v.all {
		switch one.State {
		case VisitOpen:
			end := v.end(one)
			one.sshUp = one.sshUp || !s.Down
			for _, c := range []counting{v.dropped, {s.Counted, s.Dropped}} {
				one.drops.record(c, one.Entered[one.Phase-1], end)
			}
			if s.Time.After(end.Add(lateConnection)) {
				due = append(due, one)
			}
		case VisitInside:
			if s.Time.After(v.end(one).Add(readLag)) {
				due = append(due, one)
			}
		}
	}
	v.dropped = counting{s.Counted, s.Dropped}
	slices.SortFunc(due, func(a, b *Visit) int {
		return cmp.Or(v.end(a).Compare(v.end(b)), a.Addr.Compare(b.Addr))
	})
	for _, one := range due {
		events = append(events, v.close(one, s)...)
	}
	return events
}

// close ends a visit that did not get in.
func (v *Visits) close(one *Visit, s Sample) (events []Event) {
	if !one.inside() {
		return nil
	}
	at := v.end(one)
	if at.After(s.Time) {
		at = s.Time
	}
	switch {
	case one.gateChanged:
		one.State, one.Changed = VisitCut, at
		return nil
	case one.State == VisitOpen && !one.sshUp && s.Down:
		return v.sshDown(one, at, s)
	case one.refused:
		one.State, one.Changed = VisitRefused, at
		if !one.Earlier {
			v.Totals.Refused++
		}
		return []Event{v.event(GuardRefused, one, at, s)}
	}
	one.State, one.Changed = VisitStuck, at
	events = append(events, v.event(Stuck, one, at, s))
	if one.Earlier {
		return events
	}
	v.Totals.Stuck[one.Phase-1]++
	others := partners(one, v.neighbours(one.Addr), slices.Max(v.windows))
	if len(others) == 0 && (one.Phase < len(v.windows) || one.drops.count() == 0) {
		return events
	}
	one.Shared, one.Others = true, others
	for _, o := range others {
		other := v.all[o]
		other.Shared = true
		if !slices.Contains(other.Others, one.Addr) {
			other.Others = append(other.Others, one.Addr)
		}
	}
	v.Totals.Shared++
	e := v.event(SharedHandshake, one, at, s)
	e.Others = slices.Clone(others)
	return append(events, e)
}

// event returns an event of a visit.
func (v *Visits) event(kind EventKind, one *Visit, at time.Time, s Sample) Event {
	return Event{Kind: kind, Time: at, Age: max(0, s.Time.Sub(at)), Addr: one.Addr, Phase: one.Phase, Earlier: one.Earlier}
}
