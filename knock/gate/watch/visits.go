package watch

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"rapport/knock"
	"rapport/knock/gate"
	"rapport/knock/netfilter"
)

// Sighting is an address on a list of the gate, as one look found it.
type Sighting struct {
	Addr  netip.Addr
	Phase int // 1 to 5, or ThroughDoor
	// Since is when it was put there last, and Slack how far off that can be.
	// A zero Since is not known.
	Since time.Time
	Slack time.Duration
	// Stamp differs when the address was put there anew; 0 leaves it to Since.
	Stamp uint64
}

// Accepted stands for a phase in a sighting on a list of those whom the door
// let through.
const Accepted = knock.Knocks + 1

// Sample is one look at the gate.
type Sample struct {
	Time time.Time
	On   []Sighting
	// Blind: the lists could not be read, as when rules are being changed.
	Blind bool
	// Connections are those to the door's ports that exist. Where Ended, also
	// those that were over by the time of the look.
	Connections []Connection
	Ended       bool
	// Passed and Dropped are the packets that asked for a connection to the SSH
	// port until the time Counted, and were let through by the door, or dropped.
	Passed, Dropped netfilter.Count
	Counted         time.Time
	Guards          []Guard // the gate's replay guards, none without
	Down            bool    // nothing listens on the SSH port
}

// VisitState is where an address stands.
type VisitState string

// The states of a visit.
const (
	VisitInside  VisitState = "inside"   // gotIn a phase, its window open
	VisitOpen    VisitState = "open"     // accepted all phases: the door is open to it
	VisitIn      VisitState = "in"       // a connection came through the door
	VisitStuck   VisitState = "stuck"    // the window is over, and neither came
	VisitRefused VisitState = "refused"  // as stuck, and a replay guard let nobody new in
	VisitSSHDown VisitState = "ssh-down" // the door was open to it, and nothing listened behind it
	VisitCut     VisitState = "cut"      // the gate became another one; what would have come of it is not known
	VisitPast    VisitState = "past"     // it was through before the watch began; what came of it is not known
)

// Visit is what one address did at the gate last.
type Visit struct {
	Addr netip.Addr
	// Entered is when each phase was entered; zero is never, or for a phase
	// below Phase, at a time between two looks that nothing tells.
	Entered [knock.Knocks]time.Time
	Phase   int // the highest; 0: it came in, and no handshake was seen
	State   VisitState
	Changed time.Time // when the state came about
	// Shared says that perhaps one client knocks from more than this address;
	// Others are the other ones, none where they are not known.
	Shared bool
	Others []netip.Addr
	// Earlier says that all of it was over when the watch began.
	Earlier bool

	start       time.Time
	gotIn       time.Time       // when it got in last, perhaps by an earlier handshake
	drops       netfilter.Count // when the door had just opened to it
	dropped     uint64          // since then
	refused     bool            // a guard refused it by the time it came before the last phase
	sshUp       bool            // something listened while the door was open to it
	gateChanged bool            // the gate became another one meanwhile
}

// Totals are counts since the watch began.
type Totals struct {
	Handshakes int // complete
	In         int
	Stuck      [knock.Knocks]int // by phase; of the fifth: nobody connected
	Shared     int
	Refused    int // by a replay guard; not in Stuck
	SSHDown    int // opened, with nothing behind the door; not in Stuck
}

// Visits follows addresses from sample to sample.
type Visits struct {
	Totals Totals

	windows   []time.Duration // of each phase; zero is without end
	accept    gate.AcceptKind
	all       map[netip.Addr]*Visit
	sightings map[sightingKey]Sighting
	conns     map[Connection]time.Time
	started   bool
	down      bool      // by the look before
	counted   time.Time // when passed was
	passed    netfilter.Count
}

type sightingKey struct {
	addr  netip.Addr
	phase int
}

const (
	maxVisits = 1000
	// readLag is what a look can come late by: until then no window counts as over.
	readLag = 500 * time.Millisecond
	// lateConnection is how long a connection that shows late still counts for the
	// handshake before it.
	lateConnection = 1500 * time.Millisecond
	// connMemory is how long a connection that is not seen any more is
	// remembered as one that is not new.
	connMemory = 10 * time.Second
)

// NewVisits returns the visits of a gate, none so far: of its phases' windows,
// the last the door's, and its door.
func NewVisits(windows []time.Duration, door gate.AcceptKind) *Visits {
	windows = windows[:min(len(windows), knock.Knocks)]
	return &Visits{windows: windows, accept: door, all: map[netip.Addr]*Visit{}, conns: map[Connection]time.Time{}}
}

// GateChanged goes on with another gate. With the same lists, addresses are where
// they were; else their visits end. None of them is told as stuck or shared: what
// they lack may be the change's doing.
func (v *Visits) GateChanged(windows []time.Duration, door gate.AcceptKind, same bool) {
	v.GateLost()
	windows = windows[:min(len(windows), knock.Knocks)]
	if !same || len(windows) != len(v.windows) {
		v.sightings, v.started = nil, false
		for _, one := range v.all {
			if one.State == VisitInside || one.State == VisitOpen {
				one.State = VisitCut
			}
		}
	}
	v.windows, v.accept = windows, door
}

// GateLost says that the rules hold no gate any more.
func (v *Visits) GateLost() {
	for _, one := range v.all {
		one.gateChanged = one.gateChanged || one.State == VisitInside || one.State == VisitOpen
	}
}

// List returns the visits, the newest change first.
func (v *Visits) List() []Visit {
	list := make([]Visit, 0, len(v.all))
	for _, one := range v.all {
		list = append(list, *one)
	}
	slices.SortFunc(list, func(a, b Visit) int {
		return cmp.Or(b.Changed.Compare(a.Changed), a.Addr.Compare(b.Addr))
	})
	return list
}

// Record follows what a sample shows, and returns what has happened, in order.
func (v *Visits) Record(s Sample) (events []Event) {
	for _, on := range v.newSightings(s) {
		if on.Phase == Accepted {
			events = append(events, v.accepted(on, s)...)
		} else {
			events = append(events, v.enter(on, s)...)
		}
	}
	events = append(events, v.recordConnections(s)...)
	events = append(events, v.recordCounter(s)...)
	events = append(events, v.closeExpired(s)...)
	v.started, v.down = true, s.Down
	v.dropOldest()
	return events
}

// newSightings returns the sightings that are new since the sample before, in the
// order in which they came about.
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
			continue // on two lists of this phase
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
				marks[m] = old // or it would drift, reading by reading
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

// windowEnd returns when the window of a phase entered at t is over.
func (v *Visits) windowEnd(phase int, t time.Time) time.Time {
	if phase < 1 || phase > len(v.windows) || v.windows[phase-1] == 0 {
		return t.Add(1000 * time.Hour)
	}
	return t.Add(v.windows[phase-1])
}

// enter is a knock that was noted.
func (v *Visits) enter(on Sighting, s Sample) (events []Event) {
	at := on.Since
	if at.IsZero() {
		if !v.started {
			return nil // older than the watch, who knows how much
		}
		at = s.Time
	}
	earlier := !v.started && s.Time.After(v.windowEnd(on.Phase, at).Add(readLag))
	one := v.all[on.Addr]
	last := len(v.windows)
	switch {
	case one == nil, one.ended(), (one.State == VisitIn || one.State == VisitSSHDown) && (one.Phase < last || on.Phase < last || v.accept != gate.Sliding):
	case one.State == VisitInside && one.Phase > on.Phase, one.Phase == on.Phase && on.Phase < last:
		// A knock again, as a SYN that is repeated; the handshake goes on.
		one.Entered[on.Phase-1], one.Changed = at, at
		return nil
	case one.Phase == last && on.Phase == last && v.accept == gate.Sliding:
		one.Entered[last-1] = at // a connection keeps the door open
		return nil
	case one.Phase == last: // and knocks anew, before the window is over
		events = v.close(one, s)
	default:
		return append(events, v.advance(one, on.Phase, at, s)...)
	}
	one = v.begin(on.Addr, at)
	one.Earlier = earlier
	return append(events, v.advance(one, on.Phase, at, s)...)
}

// ended reports whether nothing more comes of a visit.
func (v *Visit) ended() bool {
	switch v.State {
	case VisitStuck, VisitRefused, VisitCut, VisitPast:
		return true
	}
	return false
}

// begin starts a new visit of an address.
func (v *Visits) begin(addr netip.Addr, at time.Time) *Visit {
	one := &Visit{Addr: addr, start: at}
	if old := v.all[addr]; old != nil {
		one.gotIn = old.gotIn
	}
	v.all[addr] = one
	return one
}

// closeExpired finds the windows that are over.
func (v *Visits) closeExpired(s Sample) (events []Event) {
	var due []*Visit
	for _, one := range v.all {
		switch one.State {
		case VisitOpen:
			end := v.windowEnd(one.Phase, one.Entered[one.Phase-1])
			one.sshUp = one.sshUp || !s.Down
			switch {
			case s.Counted.Before(one.Entered[one.Phase-1]), s.Counted.After(end):
			case !one.drops.Known:
				one.drops = s.Dropped
			default:
				one.dropped = s.Dropped.Since(one.drops)
			}
			if s.Time.After(end.Add(lateConnection)) {
				due = append(due, one)
			}
		case VisitInside:
			if s.Time.After(v.windowEnd(one.Phase, one.Entered[one.Phase-1]).Add(readLag)) {
				due = append(due, one)
			}
		}
	}
	slices.SortFunc(due, func(a, b *Visit) int {
		return cmp.Or(v.windowEnd(a.Phase, a.Entered[a.Phase-1]).Compare(v.windowEnd(b.Phase, b.Entered[b.Phase-1])), a.Addr.Compare(b.Addr))
	})
	for _, one := range due {
		events = append(events, v.close(one, s)...)
	}
	return events
}

// close ends a visit that has come to nothing.
func (v *Visits) close(one *Visit, s Sample) (events []Event) {
	if one.State != VisitInside && one.State != VisitOpen {
		return nil
	}
	at := v.windowEnd(one.Phase, one.Entered[one.Phase-1])
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
	others := partners(one, v.all, v.longest())
	if len(others) == 0 && (one.Phase < len(v.windows) || one.dropped == 0) {
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

// longest returns the longest window.
func (v *Visits) longest() time.Duration { return slices.Max(append(v.windows, 0)) }

// dropOldest keeps the newest visits.
func (v *Visits) dropOldest() {
	if len(v.all) <= maxVisits {
		return
	}
	for _, one := range v.List()[maxVisits:] {
		delete(v.all, one.Addr)
	}
}

func (v *Visits) event(kind EventKind, one *Visit, at time.Time, s Sample) Event {
	return Event{Kind: kind, Time: at, Age: max(0, s.Time.Sub(at)), Addr: one.Addr, Phase: one.Phase, Earlier: one.Earlier}
}
