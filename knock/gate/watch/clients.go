package watch

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"rapport/knock"
	"rapport/knock/arrivals"
	"rapport/knock/arrivals/listen"
	"rapport/knock/gate"
	"rapport/knock/gate/trace"
	"rapport/knock/netfilter/local"
	"rapport/knock/solve"
)

// ErrOtherSecret says that a secret does not make the gate's ports.
var ErrOtherSecret = errors.New("no hour, range or variant of this secret makes the gate's ports: give the server's secret")

const (
	// maxTold bounds the clients that one reading tells, maxKept those that a snapshot
	// holds.
	maxTold = 100
	maxKept = 200
	// maxAsked bounds the clients for whom the rules are asked at a time.
	maxAsked = 32
	// unlistedInterval is how often it is told what could not be listed.
	unlistedInterval = 5 * time.Second
	// listenLag is how long a packet may be on its way to the watch.
	listenLag = 200 * time.Millisecond
)

// observer follows the clients whose SYNs reach this machine.
type observer struct {
	listener *listen.Listener
	guard    int
	strict   bool
	clients  []arrivals.Client // the newest last
	lost     uint64            // packets, when that was last told
	unlisted unlisted

	rules   gate.Findings // all of this machine's, read when a client asks for them
	rulesAt time.Time     // when they were read

	mu      sync.Mutex
	tracker *arrivals.Tracker
	asked   []arrivals.Client    // who did all rightly and was not let in: the rules say why
	silent  map[netip.Addr]Event // of those whose connection sshd has not taken, lately
	rng     knock.Range
}

// Observe makes the watch see the SYNs themselves too, and tell what each client's
// knocks were made with; mine is the range to begin with. It fails with ErrOtherSecret,
// or where packets cannot be listened to: the watch works without it.
func (w *Watcher) Observe(ctx context.Context, secret knock.Secret, mine knock.Range) error {
	q := solve.Query{Secret: secret, Range: mine, Hour: knock.HourOf(w.clock.Now()), Past: solve.DefaultHours, Future: solve.DefaultHours}
	made, err := w.candidate(ctx, q)
	if err != nil {
		return err
	}
	o := &observer{rng: made, silent: map[netip.Addr]Event{}}
	if found, _, err := gate.ReadLocal(ctx); err == nil && len(found.Gates) > 0 {
		o.guard, o.strict = found.Gates[0].SweepGuard, found.Gates[0].Strict
	}
	aq := arrivals.Query{Secret: secret, Range: o.rng, Reach: arrivals.DefaultReach}
	first, last := aq.Span()
	if o.listener, err = listen.Open(listen.Ports{First: first, Last: last, SSH: w.sshPort()}); err != nil {
		return err
	}
	o.tracker = arrivals.NewTracker(aq, arrivals.Gate{})
	w.observer = o
	w.tellObserver()
	return nil
}

// candidate returns the range that the gate's ports were made with. A gate of more knocks, or
// in another order, has such ports too.
func (w *Watcher) candidate(ctx context.Context, q solve.Query) (r knock.Range, err error) {
	var sequences [][knock.Knocks]uint16
	for _, g := range w.known.found.Gates {
		sequences = append(sequences, g.Sequences()...)
	}
	_, s, err := solve.Any(ctx, q, sequences)
	if err != nil || len(s.Candidates) > 0 {
		if len(s.Candidates) > 0 {
			r = s.Candidates[0].Range
		}
		return r, err
	}
	table := arrivals.NewTable(arrivals.Query{Secret: q.Secret, Range: q.Range, Hour: q.Hour, Reach: arrivals.DefaultReach})
	for _, g := range w.known.found.Gates {
		if m, ok := table.Find(slices.Compact(slices.Sorted(slices.Values(g.Ports)))); ok {
			return m.Range, nil
		}
	}
	return r, ErrOtherSecret
}

// sshPort is the port of the accept rule, or where that accepts all, the usual one.
func (w *Watcher) sshPort() uint16 { return uint16(cmp.Or(w.now.Gate.SSHPort, knock.DefaultSSHPort)) }

// tellObserver tells the observer what the gate accepts now.
func (w *Watcher) tellObserver() {
	o := w.observer
	if o == nil {
		return
	}
	g := arrivals.Gate{Range: o.rng, SSHPort: w.sshPort(), SweepGuard: o.guard, Strict: o.strict, ReplayGuard: len(w.guards) > 0}
	for _, one := range w.known.found.Gates {
		for _, p := range one.Sequences() {
			if !slices.Contains(g.Accepts, p) {
				g.Accepts = append(g.Accepts, p)
			}
		}
		g.Window = one.Window()
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.tracker.SetGate(g)
}

// follow takes packets until the returned function is called.
func (o *observer) follow() (end func()) {
	var running sync.WaitGroup
	running.Go(func() {
		o.listener.Follow(func(all []arrivals.Packet) {
			o.mu.Lock()
			defer o.mu.Unlock()
			for _, p := range all {
				o.tracker.Add(p)
			}
		})
	})
	return func() {
		_ = o.listener.Close()
		running.Wait()
	}
}

// sight is what an observer has seen so far.
type sight struct {
	clients []arrivals.Client // the newest first
	stats   arrivals.Stats
	lost    uint64 // packets
}

// observe returns the events of clients that are over, and what was seen. Those who did all
// rightly and were not let in wait until the rules are asked.
func (o *observer) observe(now time.Time) (events []Event, seen sight) {
	o.mu.Lock()
	defer o.mu.Unlock()
	over := o.tracker.Expire(now.Add(-listenLag))
	seen.stats = o.tracker.Stats
	seen.stats.Codes = maps.Clone(seen.stats.Codes)
	// Clients come before strangers, whatever the crowd.
	slices.SortStableFunc(over, func(a, b arrivals.Client) int { return b.Matched - a.Matched })
	for i, c := range over {
		switch {
		case i >= maxTold:
			o.unlisted.Clients++
		case c.Barred() && len(o.asked) < maxAsked:
			o.asked = append(o.asked, c)
		default:
			events = append(events, o.event(c, now))
		}
	}
	seen.clients, seen.lost = slices.Clone(o.clients), o.listener.Lost()
	slices.Reverse(seen.clients)
	o.unlisted.Packets += seen.lost - o.lost
	o.lost = seen.lost
	return append(events, o.unlisted.tell(now)...), seen
}

// event returns the event of a client, and keeps the client.
func (o *observer) event(c arrivals.Client, now time.Time) Event {
	e := Event{Kind: ClientSeen, Time: c.Last, Age: max(0, now.Sub(c.Last)), Addr: c.Addr, Phase: c.Reached, Client: &c}
	if c.Has(arrivals.Sweep) {
		e.Kind = Sweep
	}
	if s, ok := o.silent[c.Addr]; ok && c.In {
		c.Findings = append(c.Findings, arrivals.Finding{Code: arrivals.SSHSilent, Waits: s.Waits})
		o.tracker.Stats.Codes[arrivals.SSHSilent]++
	}
	o.clients = append(o.clients, c)
	o.clients = slices.Delete(o.clients, 0, max(0, len(o.clients)-maxKept))
	return e
}

// silentMemory is how long it is remembered that sshd did not take a connection: until its
// client is over.
const silentMemory = time.Minute

// recordSilent remembers those whose connection sshd has not taken.
func (o *observer) recordSilent(events []Event, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	maps.DeleteFunc(o.silent, func(_ netip.Addr, e Event) bool { return now.Sub(e.Time) > silentMemory })
	for _, e := range events {
		if e.Kind == SSHSilent {
			o.silent[e.Addr] = e
		}
	}
}

// explain returns the events of the clients who wait for what the rules say. It reads the
// rules anew unless that was just done: those of the watch may be a part of them.
func (w *Watcher) explain(ctx context.Context, now time.Time) (events []Event) {
	o := w.observer
	o.mu.Lock()
	asked := o.asked
	o.asked = nil
	o.mu.Unlock()
	if len(asked) > 0 && now.Sub(o.rulesAt) >= rulesInterval {
		text, _ := local.Text(ctx)
		o.rules, _ = gate.Find(text) // rules that cannot be read explain nothing
		o.rulesAt = now
	}
	for i := range asked {
		if trace.Explain(o.rules, &asked[i]) {
			asked[i].RecordWaits(w.now.Waits)
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, c := range asked {
		if f := c.Findings[0]; f.Code == arrivals.RuleStops || f.Code == arrivals.GateDiffers {
			o.tracker.Stats.Codes[f.Code]++
		}
		events = append(events, o.event(c, now))
	}
	return events
}

// Unlisted counts what was seen and cannot be listed.
type Unlisted struct {
	Addresses int    `json:"addresses"` // on the gate's lists
	Clients   int    `json:"clients"`
	Packets   uint64 `json:"packets"` // that the kernel dropped before the watch saw them
}

// unlisted are counts, and when they may be told.
type unlisted struct {
	Unlisted
	due time.Time
}

// tell returns the event that says what could not be listed lately.
func (u *unlisted) tell(now time.Time) []Event {
	if u.Unlisted == (Unlisted{}) || now.Before(u.due) {
		return nil
	}
	n := u.Unlisted
	*u = unlisted{due: now.Add(unlistedInterval)}
	return []Event{{Kind: NotListed, Time: now, Unlisted: &n}}
}
