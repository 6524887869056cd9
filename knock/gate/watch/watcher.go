// Package watch follows client addresses through the gate of the machine it runs
// on, live.
//
// [NewWatcher] finds the gate, which needs root on Linux, and [Watcher.Run] reads
// the gate's sets, the connections and the rules' counters several times a second.
// It changes nothing. After each reading it passes on a [Snapshot]: the visits, the
// totals, and the [Event] values since the one before.
//
// [Visits] takes one [Sample] after the other and concludes what happened in
// between. It does no I/O. An address enters phase after phase; in the end it got
// in, got stuck, or was refused.
//
// Times come from the kernel: a list of the recent match holds jiffies, which are
// converted by observation, and an element of an nft set holds what is left of its
// timeout. A connection that is over is seen in /proc/net/nf_conntrack, or by the
// counter of the accept rule.
package watch

import (
	"context"
	"errors"
	"slices"
	"time"

	"rapport/knock"
	"rapport/knock/arrivals"
	"rapport/knock/gate"
	"rapport/knock/netfilter"
	"rapport/knock/netfilter/local"
	"rapport/knock/netfilter/machine"
)

// ErrNoGate says that this machine's rules hold no gate.
var ErrNoGate = errors.New("no gate in this machine's rules; rapport inspect says more")

// Snapshot is what a watch has seen so far.
type Snapshot struct {
	Time   time.Time
	Gate   Gate
	Lost   bool    // there is no gate now
	Down   bool    // nothing listens on the SSH port
	Waits  int     // connections that sshd has not taken
	Visits []Visit // the newest change first
	Totals Totals
	// Ignored is how many sources the sweep guard ignores now.
	Ignored int
	Events  []Event // since the snapshot before
	More    int     // visits beyond those in Visits
	// Clients are those that were seen last, the newest first, and Arrivals counts
	// everything that arrived: nil unless the watch observes SYNs.
	Clients     []arrivals.Client
	Arrivals    *arrivals.Stats
	LostPackets uint64 // that the kernel dropped before the watch saw them
}

const (
	// recentInterval is how often lists in /proc are read, nftInterval how often nft
	// runs. After a reading the watch sleeps at least idleFactor times as long as it
	// kept a core busy, so that it uses no more than a tenth of one. How long it took
	// does not count: on a busy machine that is long, and windows end all the same.
	recentInterval = 200 * time.Millisecond
	nftInterval    = 500 * time.Millisecond
	idleFactor     = 9
	// rulesInterval is how often the rules of iptables are read, and busyInterval
	// while an address is inside, for which their counters matter.
	rulesInterval = 5 * time.Second
	busyInterval  = time.Second
	// conntrackInterval is how often closed connections are read. They stay in the kernel's table for ten seconds and more.
	conntrackInterval = time.Second
	// clockInterval is how often jiffies are compared with the clock.
	clockInterval = 10 * time.Second
)

// Watcher follows addresses through the gate of this machine. It reads the rules
// with iptables-save and nft list, the rest in /proc, and changes nothing.
type Watcher struct {
	clock   knock.Clock
	now     Snapshot
	lists   []phaseList
	ports   []int // of the accept rules
	table   string
	guards  []ReplayGuard
	ignored []gate.IgnoredList // the sets of the addresses that a sweep guard ignores
	local   bool               // the accept rules are for ports of this machine
	known   known
	listed  string // identifies the lists, and what they lead to
	key     string // identifies the gate, whatever its ports
	next    string // the key of rules that were read once: a change counts when it is read twice
	visits  *Visits

	accepts, drops  []*machine.Rule // the accept rules, and those that drop other SYNs to the SSH port
	passed, dropped machine.Count
	counted         time.Time
	rulesDue        time.Time
	conntrackDue    time.Time
	clockDue        time.Time
	jiffies         jiffies
	lastRead        time.Time // when the reading before began
	stamps          map[sightingKey]uint64

	observer *observer // nil: SYNs are not seen
	unlisted unlisted
}

// NewWatcher finds the gate, which needs root on Linux; clock is this machine's. It
// fails with ErrNoGate, or the errors of [local.Text] and [gate.Find].
func NewWatcher(ctx context.Context, clock knock.Clock) (*Watcher, error) {
	w := &Watcher{clock: clock, jiffies: jiffies{tick: jiffy()}}
	text, err := local.Text(ctx)
	if err == nil {
		_, err = w.known.read(text)
	}
	switch {
	case errors.Is(err, local.ErrNone), errors.Is(err, netfilter.ErrNoRules), err == nil && w.known.key == "":
		return nil, ErrNoGate
	case err != nil:
		return nil, err
	}
	w.now.Events = w.apply()
	return w, nil
}

// Run watches until ctx ends, and returns its cause. It calls on after every
// reading, in its own goroutine; on may store what it gets. When the gate is gone,
// Run waits for another one.
func (w *Watcher) Run(ctx context.Context, on func(Snapshot)) error {
	var clients <-chan time.Time // reading large sets takes long; clients do not wait for it
	if w.observer != nil {
		defer w.observer.follow()()
		tick := time.NewTicker(recentInterval)
		defer tick.Stop()
		clients = tick.C
	}
	var last Snapshot
	pass := func() {
		now := last
		if w.observer != nil {
			events, seen := w.observer.observe(w.clock.Now())
			now.Events = append(now.Events, events...)
			now.Clients, now.Arrivals, now.LostPackets = seen.clients, &seen.stats, seen.lost
		}
		last.Events = nil
		on(now)
	}
	readings, due := make(chan reading), time.NewTimer(0)
	defer due.Stop()
	for busy := false; ; {
		select {
		case <-due.C:
			busy = true
			go func() { readings <- w.readNext(ctx) }() // it owns the watcher until it is done
		case r := <-readings:
			busy = false
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			last = r.Snapshot
			pass()
			due.Reset(r.pause)
		case <-clients:
			if !last.Time.IsZero() {
				pass()
			}
		case <-ctx.Done():
			if busy {
				<-readings
			}
			return context.Cause(ctx)
		}
	}
}

// reading is a snapshot, and how long to wait until the next.
type reading struct {
	Snapshot
	pause time.Duration
}

// readNext reads everything once.
func (w *Watcher) readNext(ctx context.Context) reading {
	began, worked := w.clock.Now(), cpuTime()
	w.now.Events = append(w.now.Events, w.read(ctx)...)
	if w.observer != nil {
		w.observer.recordSilent(w.now.Events, began)
		w.now.Events = append(w.now.Events, w.explain(ctx, began)...)
	}
	w.unlisted.Addresses += w.visits.forgotten
	w.visits.forgotten = 0
	w.now.Events = append(w.now.Events, w.unlisted.tell(began)...)
	w.now.Time, w.now.Visits, w.now.Totals, w.now.More = began, w.visits.List(), w.visits.Totals, w.visits.more()
	w.now.Down = w.now.Down && !w.now.Lost
	r := reading{Snapshot: w.now}
	w.now.Events = nil
	interval := recentInterval
	if w.now.Gate.Kind == gate.FromNFT && !w.now.Lost {
		interval = nftInterval
	}
	r.pause = max(time.Millisecond, interval-w.clock.Now().Sub(began), idleFactor*(cpuTime()-worked))
	return r
}

// phaseList is a list, and the phase of its addresses: 1 to 5, or [Accepted].
type phaseList struct {
	name  string
	phase int
}

// apply watches the gate that was read last from now on. Visits continue if its lists
// do.
func (w *Watcher) apply() []Event {
	f := w.known.found
	same := w.listed == w.known.listed
	w.key, w.listed, w.now.Lost = w.known.key, w.known.listed, false
	w.now.Gate, w.ports, w.table = Gate{Kind: f.Kind}, nil, ""
	for i, g := range f.Gates {
		w.now.Gate.Families = append(w.now.Gate.Families, g.Family)
		if i == 0 {
			lists, table := phaseLists(g)
			w.now.Gate.SSHPort, w.now.Gate.Door, w.table = g.SSHPort, g.Accept, table
			w.now.Gate.Windows = make([]time.Duration, len(lists))
			copy(w.now.Gate.Windows, g.Windows)
		}
		for _, p := range append(slices.Clone(g.AcceptPorts), g.SSHPort) {
			if p > 0 && !slices.Contains(w.ports, p) {
				w.ports = append(w.ports, p)
			}
		}
	}
	w.applyLists()
	w.now.Gate.Ended, w.now.Gate.Counted = hasConntrack(), w.dropped.Known
	if w.visits == nil {
		w.visits = NewVisits(w.now.Gate.Windows, w.now.Gate.Door)
	} else {
		w.visits.GateChanged(w.now.Gate.Windows, w.now.Gate.Door, same)
	}
	w.stamps, w.conntrackDue = nil, time.Time{}
	w.rulesDue = w.clock.Now().Add(rulesInterval)
	return w.gateFound()
}

// gateFound returns the event of the watched gate.
func (w *Watcher) gateFound() []Event {
	g := w.now.Gate
	return []Event{{Kind: GateFound, Time: w.clock.Now(), Gate: &g}}
}

// applyLists applies what changes while the gate stays the same: its lists, and the
// rules that count.
func (w *Watcher) applyLists() {
	gates := w.known.found.Gates
	w.lists, w.guards, w.ignored, w.local, w.accepts, w.drops = nil, nil, nil, len(gates) > 0, nil, nil
	for _, g := range gates {
		w.accepts, w.drops = append(w.accepts, g.Accepted().Rule), append(w.drops, dropRule(g))
		w.guards, w.ignored = append(w.guards, replayGuards(g)...), append(w.ignored, g.IgnoredLists()...)
		w.local = w.local && acceptsLocally(g)
		for _, name := range openedLists(g) {
			w.lists = append(w.lists, phaseList{name, Accepted})
		}
		lists, _ := phaseLists(g)
		for p, names := range lists {
			for _, name := range names {
				if l := (phaseList{name, p + 1}); !slices.Contains(w.lists, l) {
					w.lists = append(w.lists, l)
				}
			}
		}
	}
	w.readCounters()
	w.tellObserver()
}

// readCounters takes the counters of the rules that were read last.
func (w *Watcher) readCounters() {
	w.passed, w.dropped, w.counted = count(w.accepts), count(w.drops), w.clock.Now()
}

// compareRules compares the rules that were read last with those that are watched.
// changed says that they differ from those read before.
func (w *Watcher) compareRules(changed bool) []Event {
	switch key := w.known.key; {
	case key == w.key && !w.now.Lost:
		if w.next = key; changed {
			w.applyLists()
		} else {
			w.readCounters()
		}
	case key != w.next:
		w.next, w.rulesDue = key, time.Time{} // read it once more
	case key == "" && !w.now.Lost:
		w.now.Lost = true
		w.visits.GateLost()
		return []Event{{Kind: GateLost, Time: w.clock.Now()}}
	case key == w.key: // the gate is back, and with it perhaps its visits
		w.now.Lost = false
		w.applyLists()
		return w.gateFound()
	case key != "":
		return w.apply()
	}
	return nil
}

// read reads everything once: first connections, then lists, then counters, so that
// whatever shows a later step comes before what shows an earlier one.
func (w *Watcher) read(ctx context.Context) (events []Event) {
	began := w.clock.Now()
	s := Sample{Ended: w.now.Gate.Ended}
	sockets, down := w.readConnections(began)
	s.Connections, s.Waiting, s.Waits, s.Down = sockets.Connections, sockets.Waiting, sockets.Waits, down
	w.now.Down, w.now.Waits = s.Down, s.Waits
	found, changed, listed := false, false, w.listed
	native := w.now.Gate.Kind == gate.FromNFT
	if native && !w.now.Lost {
		if changed, found = w.listTable(ctx); found {
			s.On, s.Guards = w.newest(w.readElements(began, w.clock.Now())), w.readGuards()
		}
	} else {
		s.On, found = w.readRecent(began)
		s.On = w.newest(s.On)
		s.Guards = w.readGuards()
	}
	switch busy := w.busy(); {
	case native && found:
		events = w.compareRules(changed)
	// Whoever came inside since the reading before has its counters read at once.
	case !found && !w.now.Lost, !began.Before(w.rulesDue), busy && w.rulesDue.After(began.Add(busyInterval)):
		w.rulesDue = began.Add(rulesInterval)
		if busy || !found {
			w.rulesDue = began.Add(busyInterval)
		}
		text, _ := local.Text(ctx)
		changed, _ = w.known.read(text) // rules that cannot be read hold no gate
		events = w.compareRules(changed)
	}
	if ctx.Err() != nil || w.listed != listed { // what was read belongs to the gate before
		return events
	}
	s.Blind, s.Time, s.Passed, s.Dropped, s.Counted = !found, w.clock.Now(), w.passed, w.dropped, w.counted
	w.lastRead = began
	if n := w.countIgnored(s.Time); n != w.now.Ignored {
		w.now.Ignored = n
		events = append(events, Event{Kind: SourcesIgnored, Time: s.Time, Ignored: n})
	}
	return append(events, w.visits.Record(s)...)
}

// busy reports whether an address is inside.
func (w *Watcher) busy() bool {
	for _, v := range w.visits.all {
		if v.inside() {
			return true
		}
	}
	return false
}
