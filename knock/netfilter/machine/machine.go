package machine

import (
	"slices"
	"time"
)

const (
	// maxMet bounds the rules that one packet meets, beside meeting each rule some
	// times: chains that jump to each other can multiply them without limit.
	maxMet, maxMeetings = 5_000, 4
	// manyMet is from when on a chain is not walked again in vain.
	manyMet = 1_000
	// maxDepth bounds jumps within jumps; nft allows 16.
	maxDepth = 64
	// maxOutcomes bounds how many ways through unmodelled matches are followed.
	maxOutcomes = 32
	// changesAhead is how many changes there is made room for at a time.
	changesAhead = 256
	// usualListTotal is ip_list_tot of xt_recent.
	usualListTotal = 100
	// usualCollect is how often the kernel collects the elements of a set.
	usualCollect = time.Second
)

// Machine executes a [Ruleset]: packets go in, one at a time and in the order of
// time, verdicts come out, and lists, sets, limits and conntrack change as the
// kernel's do. Time is virtual. A machine is not safe for concurrent use.
type Machine struct {
	// Assume is the outcome of a match that is not modelled. With Unknown, the zero
	// machine's, both outcomes are followed, and the verdict is [Undecided] where
	// they lead to different ones.
	Assume Truth
	// Member is whether an address is in a set whose contents the text does not
	// show, such as one of ipset.
	Member Truth
	// Exact says that destinations are as packets have them: no address that a rule names
	// is taken for this machine's.
	Exact bool
	// ListTotal is how many addresses a list of the recent match holds.
	ListTotal int
	// CollectEvery is how often elements of sets that are gone are collected. Until
	// then they take room.
	CollectEvery time.Duration
	// Tracing makes results hold the rules that the packet met.
	Tracing bool
	// Skip, if set, selects rules whose verdict does not count, and no policy drops: a
	// question of the form "what if these rules were not there". A packet comes back
	// from a chain that a goto leads to if a verdict there did not count. Conntrack
	// sees all packets then, and sets have room.
	Skip func(*Rule, Verdict) bool
	// Include, if set, selects the tables whose base chains packets meet.
	Include func(*Table) bool
	// Entry, if set, is met by packets to this machine before everything else.
	Entry *Chain

	// Exceeded is the rate of the first limit, in packets a minute, because of which
	// a rule matched; 0 while there was none.
	Exceeded int

	prog    *program
	now     time.Duration
	lists   []recentList
	sets    []map[key]*element
	freed   [][]time.Duration // when elements left sets in which they still take room
	roomAt  []time.Duration   // until when a set that was full stays so
	buckets []bucket
	hashes  []map[key]*hashEntry
	conns   map[connKey]*conn
	counted []map[Value]*connList // by rules of ConnLimit
	matched []uint64              // how many packets each rule matched
	choices []bool                // the outcomes of unmodelled matches that are tried
	asked   int                   // how many of them this packet met
	unsure  []Hit                 // the rules of those
	spare   conn                  // of a packet that conntrack does not know
	slab    []Change
	x       transit
}

// transit is the packet that is under way.
type transit struct {
	p       Packet
	src     Value // the addresses of p
	dst     Value
	conn    *conn
	fresh   *conn // not stored yet
	state   State
	isReply bool
	notrack bool
	tracked bool
	hotdrop bool // a match of the rule failed in such a way that the packet is dropped
	skipped int  // verdicts that Skip made none
	forward bool // to another machine, behind a redirect
	mark    mark
	verdict Verdict // of the rule that is evaluated
	to      *Chain
	nat     *Redirect
	follows *Redirect // of the connection, not applied yet
	hook    Hook
	decided *Rule
	policy  *Chain
	met     int
	effects int            // how often a rule may have changed what other rules read
	vain    map[*Chain]int // effects when a packet came back from a chain that had none
	trace   []Hit
	changes []Change
}

// Result is what became of a packet.
type Result struct {
	Verdict Verdict // Accept, Drop, Reject or Undecided
	// Rule is the rule that decided, nil where a policy did; Chain is its chain, or
	// the base chain of the policy. Both are nil where no rule met the packet.
	Rule  *Rule
	Chain *Chain
	// Packet is the packet behind a redirect; Forwarded says that it went on to
	// another machine.
	Packet    Packet
	Forwarded bool
	Changes   []Change
	Met       int   // how many rules the packet met
	Trace     []Hit // only of a machine that traces
	Unsure    []Hit // the unmodelled matches that the verdict depends on
	Doubts    []Hit // those that what lists and sets hold afterwards depends on
}

// Hit is a rule that a packet met.
type Hit struct {
	Chain   *Chain
	Rule    *Rule // nil: the policy of the chain
	Outcome Truth
	Verdict Verdict
	Reason  string // why it did not match, or why that is unknown
	Changes []Change
}

// Change is a change of a list or set by a rule.
type Change struct {
	List string
	Verb string // "add", "update" or "remove"
}

// NewMachine returns a machine in which nothing has happened yet. What sets hold is
// there, but elements with a timeout of sets that rules change.
func (r *Ruleset) NewMachine() *Machine {
	p := r.program()
	return &Machine{Assume: Unknown, Member: Unknown, ListTotal: usualListTotal, CollectEvery: usualCollect, prog: p,
		lists: make([]recentList, len(p.lists)), sets: make([]map[key]*element, len(p.sets)), freed: make([][]time.Duration, len(p.sets)), roomAt: make([]time.Duration, len(p.sets)),
		buckets: make([]bucket, p.buckets), hashes: make([]map[key]*hashEntry, len(p.hashes)),
		conns: map[connKey]*conn{}, counted: make([]map[Value]*connList, p.connLimits), matched: make([]uint64, p.rules)}
}

// Now returns the time of the last packet.
func (m *Machine) Now() time.Duration { return m.now }

// Wait lets time pass.
func (m *Machine) Wait(d time.Duration) { m.now += max(0, d) }

// Deliver plays a packet that comes from the network.
func (m *Machine) Deliver(p Packet, at time.Duration) Result { return m.decide(p, at, true) }

// Send plays a packet that this machine sends.
func (m *Machine) Send(p Packet, at time.Duration) Result { return m.decide(p, at, false) }

// decide plays a packet once for every outcome of the unmodelled matches.
func (m *Machine) decide(p Packet, at time.Duration, inbound bool) Result {
	m.now = max(m.now, at)
	m.choices, m.asked, m.unsure = m.choices[:0], 0, nil
	var before *Machine
	if m.prog.unmodelled && (m.Assume == Unknown || m.Member == Unknown) {
		before = m.Clone()
	}
	first := m.play(p, inbound)
	if m.asked == 0 || before == nil {
		return first
	}
	choices := slices.Clone(m.choices)
	unsure := m.unsure
	for range maxOutcomes {
		last := len(choices) - 1
		for last >= 0 && choices[last] {
			last--
		}
		if last < 0 {
			return first
		}
		choices = append(choices[:last], true)
		o := before.Clone()
		o.now, o.choices, o.asked, o.unsure = m.now, slices.Clone(choices), 0, nil
		r := o.play(p, inbound)
		choices = o.choices
		if m.differ(o) {
			first.Doubts = unsure
		}
		if r.Verdict != first.Verdict {
			first.Verdict, first.Unsure = Undecided, append(slices.Clone(unsure), o.unsure...)
		}
	}
	if first.Verdict != Undecided {
		first.Verdict, first.Unsure = Undecided, unsure
	}
	return first
}

// choose returns the outcome of an unmodelled match that is tried now.
func (m *Machine) choose(r *Rule, p Part) bool {
	if m.asked == len(m.choices) {
		m.choices = append(m.choices, false)
		m.unsure = append(m.unsure, Hit{Chain: r.chain, Rule: r, Outcome: Unknown, Reason: p.why(m)})
	}
	m.asked++
	return m.choices[m.asked-1]
}

// play plays a packet along its hooks.
func (m *Machine) play(p Packet, inbound bool) Result {
	x := &m.x
	*x = transit{p: p, src: AddrValue(p.Src), dst: AddrValue(p.Dst), state: StateInvalid}
	hooks := [...]Hook{Ingress, Prerouting, Input}
	if !inbound {
		hooks = [...]Hook{NoHook, Output, Postrouting}
	}
	v := Accept
	for i := 0; i < len(hooks) && v != Drop && v != Reject; i++ {
		h := hooks[i]
		if h == Input && x.forward {
			h = Forward
		}
		w := m.hook(h)
		if decided := x.decided; h == Forward && w == Accept {
			w = m.hook(Postrouting)
			if w == Accept {
				x.decided = decided
			}
		}
		if w != Accept {
			v = w
		}
	}
	if v != Drop && v != Reject && x.fresh != nil {
		c := *x.fresh
		m.conns[c.orig], m.conns[c.reply] = &c, &c
	}
	r := Result{Verdict: v, Rule: x.decided, Chain: x.policy, Packet: x.p, Forwarded: x.forward, Changes: slices.Clip(x.changes), Met: x.met, Trace: x.trace}
	if x.decided != nil {
		r.Chain = x.decided.chain
	}
	return r
}

// hook enters the base chains of a hook.
func (m *Machine) hook(h Hook) Verdict {
	x := &m.x
	x.hook, x.decided, x.policy, x.vain = h, nil, nil, nil
	tracks := h == Prerouting || h == Output
	family := index(x.p.v6())
	end := Accept
	if h == Input && !m.prog.complete[family] {
		end = Undecided
	}
	if h == Input && m.Entry != nil {
		if v := m.walk(m.Entry, 0); v != Next && v != Return {
			return v
		}
	}
	for _, c := range m.prog.bases[family][h] {
		if tracks && !x.tracked && c.Priority > conntrackPriority {
			m.track()
		}
		if tracks && c.place() >= natPriority {
			m.follow()
		}
		if c.NAT && (x.fresh == nil || tracks && x.fresh.nat != nil) || // only the first redirect counts
			m.Include != nil && !m.Include(c.table) {
			continue
		}
		switch v := m.base(c); v {
		case Drop, Reject:
			return v
		case Accept:
			if h == Input && !c.NAT && c.Priority == 0 {
				end = Accept
			}
		default:
			end = v
		}
	}
	if tracks {
		if !x.tracked {
			m.track()
		}
		m.follow()
	}
	return end
}

// base plays a base chain to its end, or to its policy.
func (m *Machine) base(c *Chain) Verdict {
	v := m.walk(c, 0)
	if v != Next && v != Return {
		return v
	}
	v = c.Policy
	switch {
	case v == Next:
		v = Undecided
	case v == Drop && m.Skip != nil:
		v = Accept
	}
	if v != Accept || m.x.decided == nil { // another chain's rule may have accepted it
		m.x.decided, m.x.policy = nil, c
	}
	if m.Tracing {
		m.x.trace = append(m.x.trace, Hit{Chain: c, Outcome: Yes, Verdict: v})
	}
	return v
}

// walk plays a chain, unless it has just come to nothing. It returns Next at the end of
// the chain.
func (m *Machine) walk(c *Chain, depth int) Verdict {
	x := &m.x
	effects := x.effects
	if at, walked := x.vain[c]; walked && at == effects {
		return Next
	}
	v := m.rules(c, depth)
	if x.met > manyMet && x.effects == effects && (v == Next || v == Return) {
		if x.vain == nil {
			x.vain = map[*Chain]int{}
		}
		x.vain[c] = effects
	}
	return v
}

// rules plays the rules of a chain.
func (m *Machine) rules(c *Chain, depth int) Verdict {
	x := &m.x
	for _, r := range c.Rules {
		x.met++
		if x.met > maxMet+maxMeetings*m.prog.rules || depth > maxDepth {
			return Undecided
		}
		if !m.matches(r) {
			if x.hotdrop && (m.Skip == nil || !m.Skip(r, Drop)) {
				x.decided, x.policy = r, nil
				return Drop
			}
			continue
		}
		v, to := x.verdict, x.to
		switch v {
		case Next:
		case Return:
			return Return
		case Jump, Goto:
			if to == nil {
				continue
			}
			skipped := x.skipped
			end := m.walk(to, depth+1)
			if end != Next && end != Return {
				return end
			}
			if v == Goto && x.skipped == skipped {
				return Return
			}
		default:
			x.decided, x.policy = r, nil
			if x.nat != nil && v == Accept {
				m.redirect()
			}
			return v
		}
	}
	return Next
}

// matches evaluates the parts of a rule.
func (m *Machine) matches(r *Rule) bool {
	x := &m.x
	x.verdict, x.to, x.nat, x.hotdrop = r.Verdict, r.to, r.Redirect, false
	before := len(x.changes)
	for i, p := range r.Parts {
		outcome := p.eval(m)
		t := outcome
		if t == Unknown || i >= r.reads {
			x.effects++
		}
		if t == Unknown {
			t = truth(m.choose(r, p))
		}
		if t == No {
			if m.Tracing {
				x.trace = append(x.trace, Hit{Chain: r.chain, Rule: r, Outcome: outcome, Reason: p.why(m), Changes: slices.Clip(x.changes[before:])})
			}
			return false
		}
	}
	if m.Skip != nil && x.verdict.Final() && m.Skip(r, x.verdict) {
		x.skipped++
		x.effects++
		return false
	}
	if m.matched != nil {
		m.matched[r.id]++
	}
	if m.Tracing {
		x.trace = append(x.trace, Hit{Chain: r.chain, Rule: r, Outcome: Yes, Verdict: x.verdict, Changes: slices.Clip(x.changes[before:])})
	}
	return true
}

// change records a change of a list or set.
func (m *Machine) change(list, verb string) {
	if len(m.slab) == cap(m.slab) {
		m.slab = append(make([]Change, 0, len(m.x.changes)+changesAhead), m.x.changes...)
	}
	m.slab = append(m.slab, Change{List: list, Verb: verb})
	m.x.changes = m.slab[len(m.slab)-len(m.x.changes)-1:]
}

// Matched returns how many packets a rule matched. Copies do not count, and have no answer.
func (m *Machine) Matched(r *Rule) uint64 { return m.matched[r.id] }
