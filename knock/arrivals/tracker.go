package arrivals

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"rapport/knock"
)

// Tracker collects the packets of each source, and judges a source when it is quiet.
// Its memory is bounded, its counters are exact. It is for one goroutine.
type Tracker struct {
	query  Query
	gate   Gate
	tables map[knock.Hour]*Table
	built  int

	sources map[netip.Addr]*source
	young   queue // those with one SYN
	known   queue // those with more than one SYN
	pending []*Client
	traces  []trace
	next    int // the oldest of traces, when they are full
	used    map[[knock.Knocks]uint16]netip.Addr
	// sweepers are the sources that a sweep guard may still ignore.
	sweepers map[netip.Addr]sweeper
	bitmaps  int
	kept     int // sights

	arrived bool
	now     time.Time
	Stats   Stats
}

// Stats count since the tracker began.
type Stats struct {
	SYNs    uint64
	Sources uint64 // visits of sources: one that comes again after it was quiet counts again
	Clients uint64 // that were judged, with a candidate or as a scan
	In      uint64
	// Phases are visits with a right knock, by the phase that they reached; 0 is none, for
	// want of the first knock.
	Phases [knock.Knocks + 1]uint64
	Codes  map[Code]uint64 // findings
	// Unfollowed are sources that were forgotten before they were quiet, for lack of
	// room.
	Unfollowed uint64
}

// sweeper is a source that hit wrong ports.
type sweeper struct {
	wrong int
	last  time.Time
}

// Bounds of a tracker's memory.
const (
	maxYoung    = 40_000
	maxKnown    = 20_000
	maxKept     = 200_000
	maxKnocks   = 64  // of a source that are kept
	maxTraces   = 512 // sources that are over
	maxBitmaps  = 256 // sweeps whose different ports are counted
	maxUsed     = 1000
	maxSweepers = 1000
	maxTables   = 3
	maxBuilt    = 1000 // tables in all: hostile captures jump from hour to hour
)

// NewTracker returns a tracker for a gate. The hour of the query does not count: each
// client is judged at its own.
func NewTracker(q Query, g Gate) *Tracker {
	return &Tracker{query: q, gate: g, tables: map[knock.Hour]*Table{}, sources: map[netip.Addr]*source{},
		known: queue{known: true},
		used:  map[[knock.Knocks]uint16]netip.Addr{}, sweepers: map[netip.Addr]sweeper{}, Stats: Stats{Codes: map[Code]uint64{}}}
}

// SetGate replaces what is known of the gate.
func (t *Tracker) SetGate(g Gate) { t.gate = g }

// quiet is how long a source sends nothing until it is judged.
func (t *Tracker) quiet() time.Duration {
	const lateConnection = 1500 * time.Millisecond
	return cmp.Or(t.gate.Window, knock.DefaultWindow) + lateConnection
}

// settle is how long a judged client waits for the sources it may be paired with.
const settle = time.Second

// tableAt returns the table of the hour of an instant.
func (t *Tracker) tableAt(at time.Time) *Table {
	h := knock.HourOf(at)
	if table := t.tables[h]; table != nil {
		return table
	}
	if t.built >= maxBuilt {
		for _, table := range t.tables {
			return table
		}
	}
	if len(t.tables) >= maxTables {
		clear(t.tables)
	}
	q := t.query
	q.Hour = h
	t.built++
	t.tables[h] = NewTable(q)
	return t.tables[h]
}

// source is what is remembered of a source. There may be many, so it is small.
type source struct {
	addr, server netip.Addr
	first, last  int64
	syns, wrong  uint32
	ports        uint32 // different ones, without SSH
	right        uint32 // SYNs to ports that the gate accepts
	sights       []sight
	others       []netip.Addr  // what sights refer to
	seen         *[1024]uint64 // a bit for each port, of a sweep
	known        bool          // in the queue of those with more than one SYN
	over         bool
}

// sight is a SYN of a source.
type sight struct {
	sent, arrived int64 // Unix nanoseconds, 0 is not known
	seq           uint32
	port, source  uint16
	repeats       uint8
	answer        Kind
	from, by      uint8 // 1 + place in others, 0 for none
	between       bool
}

// nanos is a time in a sight.
func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

// moment is the reverse of nanos.
func moment(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

// knock returns a sight as the result has it.
func (s *source) knock(one sight) Knock {
	k := Knock{Port: one.port, Sent: moment(one.sent), Arrived: moment(one.arrived), Repeats: int(one.repeats), Answer: one.answer, Between: one.between}
	if one.from > 0 {
		k.From = s.others[one.from-1]
	}
	if one.by > 0 {
		k.By = s.others[one.by-1]
	}
	return k
}

// other returns 1 + the place of an address in others, 0 for none.
func (s *source) other(a netip.Addr) uint8 {
	if !a.IsValid() {
		return 0
	}
	i := slices.Index(s.others, a)
	if i < 0 && len(s.others) < maxKnocks {
		i = len(s.others)
		s.others = append(s.others, a)
	}
	return uint8(i + 1)
}

// queue holds sources, those that came first in front, and some that have left it.
type queue struct {
	known bool // of those with more than one SYN
	all   []*source
	live  int
}

func (q *queue) push(s *source) {
	q.all = append(q.all, s)
	q.live++
}

// holds reports whether a source is still in the queue.
func (q *queue) holds(s *source) bool { return !s.over && s.known == q.known }

// Add takes a packet. Packets come in order of time, more or less.
func (t *Tracker) Add(p Packet) {
	at := p.at()
	if at.After(t.now) {
		t.now = at
	}
	if p.Kind != SYN {
		t.answer(p)
		return
	}
	t.Stats.SYNs++
	t.arrived = t.arrived || !p.Arrived.IsZero()
	s := t.sources[p.Src.Addr()]
	if s == nil {
		s = &source{addr: p.Src.Addr(), server: p.Dst.Addr(), first: at.UnixNano()}
		if !p.Sent.IsZero() {
			s.first = p.Sent.UnixNano()
		}
		t.sources[s.addr] = s
		t.Stats.Sources++
		t.young.push(s)
	}
	s.last = at.UnixNano()
	s.syns++
	t.record(s, p)
	if !s.known && len(s.sights) > 1 {
		s.known = true
		t.young.live--
		t.known.push(s)
	}
	t.forget()
}

// record keeps a SYN.
func (t *Tracker) record(s *source, p Packet) {
	port, ssh := p.Dst.Port(), p.Dst.Port() == t.gate.SSHPort
	fresh := !ssh
	for i := range s.sights {
		k := &s.sights[i]
		if k.port == port && k.seq == p.Seq && k.source == p.Src.Port() {
			k.repeats++
			return
		}
		fresh = fresh && k.port != port
	}
	if s.seen != nil {
		fresh = !ssh && s.seen[port/64]&(1<<(port%64)) == 0
		s.seen[port/64] |= 1 << (port % 64)
	}
	if fresh {
		s.ports++
	}
	switch {
	case ssh:
	case t.expected(port):
		s.right++
	case !t.tableAt(p.at()).isOwn(port):
		s.wrong++
	}
	if s.ports == sweepPorts && s.seen == nil && t.bitmaps < maxBitmaps {
		t.bitmaps++
		s.seen = new([1024]uint64)
		for _, k := range s.sights {
			s.seen[k.port/64] |= 1 << (k.port % 64)
		}
		s.seen[port/64] |= 1 << (port % 64)
	}
	if len(s.sights) < maxKnocks {
		t.kept++
		s.sights = append(s.sights, sight{sent: nanos(p.Sent), arrived: nanos(p.Arrived), from: s.other(p.From), seq: p.Seq, port: port, source: p.Src.Port()})
	}
}

// expected reports whether the gate accepts a port, as far as it is known.
func (t *Tracker) expected(port uint16) bool {
	for _, p := range t.accepts(t.now) {
		if slices.Contains(p[:], port) {
			return true
		}
	}
	return false
}

// accepts returns the sequences that the gate accepts, or should accept.
func (t *Tracker) accepts(at time.Time) [][knock.Knocks]uint16 {
	if len(t.gate.Accepts) > 0 {
		return t.gate.Accepts
	}
	return t.tableAt(at).now[:]
}

// answer records an answer to a SYN.
func (t *Tracker) answer(p Packet) {
	s := t.sources[p.Src.Addr()]
	if s == nil {
		return
	}
	for i := range s.sights {
		k := &s.sights[i]
		if k.port == p.Dst.Port() && k.source == p.Src.Port() && (k.answer == SYN || p.Kind == Accepted) {
			k.answer, k.by, k.between = p.Kind, s.other(p.By), p.Between
		}
	}
}

// forget makes room.
func (t *Tracker) forget() {
	for t.young.live > maxYoung {
		t.drop(&t.young)
	}
	for t.known.live > maxKnown || t.kept > maxKept && t.known.live > 0 {
		t.drop(&t.known)
	}
}

// drop forgets the oldest source of a queue that is still in it.
func (t *Tracker) drop(q *queue) {
	for len(q.all) > 0 {
		s := q.all[0]
		q.all[0] = nil
		q.all = q.all[1:]
		if q.holds(s) {
			if s.right >= minMatched {
				t.finish(s) // no stranger
			} else {
				t.Stats.Unfollowed++
			}
			t.remove(q, s)
			return
		}
	}
	q.live = 0
}

// remove forgets a source.
func (t *Tracker) remove(q *queue, s *source) {
	if s.right > 0 {
		t.Stats.Phases[t.reached(s)]++
	}
	s.over = true
	q.live--
	t.kept -= len(s.sights)
	if s.seen != nil {
		t.bitmaps--
	}
	delete(t.sources, s.addr)
}

// reached returns how far the source came at the gate, by what it accepts.
func (t *Tracker) reached(s *source) (highest int) {
	var knocks []Knock
	for _, one := range s.sights {
		knocks = append(knocks, s.knock(one))
	}
	for _, p := range t.accepts(moment(s.first)) {
		phase, _ := play(knocks, p, t.gate.Window, t.gate.Strict)
		highest = max(highest, phase)
	}
	return highest
}

// Span returns the lowest and the highest port that a candidate of the query has.
func (q Query) Span() (first, last uint16) {
	first = 65535
	for _, r := range likelyRanges(q) {
		first, last = min(first, uint16(r.Bottom())), max(last, uint16(r.Top()))
	}
	return first, last
}
