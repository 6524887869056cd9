package arrivals

import (
	"slices"
	"time"

	"rapport/knock"
	"rapport/knock/solve"
)

// Gate is what is known of the gate that is observed.
type Gate struct {
	Range   knock.Range
	SSHPort uint16
	Window  time.Duration // the shortest of its phases; 0 is endless
	// Accepts are the sequences that its rules have; empty is not known, and then they
	// count as those of each hour.
	Accepts    [][knock.Knocks]uint16
	SweepGuard int // how many wrong ports a minute it forgives; 0 is not known
	Strict     bool
	// ReplayGuard: it may accept a sequence from a few addresses only.
	ReplayGuard bool
	// LoneSSH: sources that try SSH without a handshake are told too, with NoKnocks.
	LoneSSH bool
	// AnyRange: ports beyond the range may be knocks too, of a client with another one.
	AnyRange bool
}

// sweepPorts is how many different ports make a scan: a handshake near the hour change
// has ten, and a client's other ranges and repetitions some more.
const sweepPorts = 25

// judge finds the client's candidate and its mistakes, as far as they show from its
// own packets.
func (t *Tracker) judge(c *Client) {
	order := portsOf(c.Knocks)
	table := t.tableAt(c.First)
	m, ok := table.findIn(order)
	switch {
	case ok:
		c.made, c.Candidate, c.Matched = m, &m.Candidate, m.Matched
		t.markPhases(c)
		t.enter(c)
	case t.aimed(order) >= knock.Knocks-1:
		c.add(Finding{Code: NoCandidate})
	}
	if c.ports >= sweepPorts && (c.Matched < knock.Knocks || c.ports >= 2*sweepPorts) {
		c.Findings = nil
		f := Finding{Code: Sweep, Ports: c.ports, Took: c.Last.Sub(c.First)}
		if t.gate.SweepGuard > 0 && c.wrong > t.gate.SweepGuard {
			f.Guard = t.gate.SweepGuard
		}
		c.add(f)
		if c.Matched < knock.Knocks {
			return
		}
	}
	if c.Candidate == nil {
		return
	}
	t.compare(c, table)
	t.walk(c)
	t.mixed(c, table, order)
	c.answers()
}

// aimed returns how many ports may be knocks.
func (t *Tracker) aimed(ports []uint16) (n int) {
	for _, p := range ports {
		if t.gate.AnyRange || t.gate.Range.Contains(int(p)) {
			n++
		}
	}
	return n
}

// add adds a finding.
func (c *Client) add(f Finding) { c.Findings = append(c.Findings, f) }

// portsOf returns the different ports of knocks, in order.
func portsOf(knocks []Knock) (all []uint16) {
	for _, k := range knocks {
		if !slices.Contains(all, k.Port) {
			all = append(all, k.Port)
		}
	}
	return all
}

// markPhases marks which knocks are which of the candidate's. A port that it has twice
// is first the earlier one.
func (t *Tracker) markPhases(c *Client) {
	times := map[uint16]int{}
	for i := range c.Knocks {
		k := &c.Knocks[i]
		var phases []int
		for n, p := range c.made.Ports {
			if p == k.Port {
				phases = append(phases, n+1)
			}
		}
		if len(phases) > 0 {
			k.Phase = phases[times[k.Port]%len(phases)]
			times[k.Port]++
		}
	}
}

// compare says how the candidate differs from what the gate accepts.
func (t *Tracker) compare(c *Client, table *Table) {
	mine := *c.Candidate
	if c.right = slices.Contains(t.gate.Accepts, c.made.Ports); c.right {
		return
	}
	there := solve.Candidate{Range: t.gate.Range, Variant: solve.AsGiven}
	for i, p := range t.gate.Accepts {
		if m, ok := table.Find(different(p)); ok && (i == 0 || abs(m.Offset) < abs(there.Offset)) {
			there = m.Candidate
		}
	}
	off := mine.Offset - there.Offset
	switch {
	case off != 0 && mine.Offset == 0:
		c.add(Finding{Code: RulesStale, Hours: abs(off)})
	case off < 0:
		c.add(Finding{Code: HourBehind, Hours: -off})
	case off > 0:
		c.add(Finding{Code: HourAhead, Hours: off})
	}
	if mine.Range != there.Range {
		c.add(Finding{Code: RangeDiffers, Range: mine.Range, Gate: there.Range})
	}
	if mine.Variant != there.Variant {
		c.add(Finding{Code: SecretVariant, Variant: mine.Variant})
	}
	c.right = len(c.Findings) == 0
}

// different returns the different ports of a sequence, in order.
func different(p [knock.Knocks]uint16) (all []uint16) {
	for k, port := range p {
		if !slices.Contains(p[:k], port) {
			all = append(all, port)
		}
	}
	return all
}

func abs(n int) int { return max(n, -n) }

// walk plays the knocks, and says why they do not lead through all phases.
func (t *Tracker) walk(c *Client) {
	knocks := slices.Clone(c.Knocks)
	if c.arrived {
		knocks = slices.DeleteFunc(knocks, func(k Knock) bool { return k.Arrived.IsZero() })
	}
	slices.SortStableFunc(knocks, func(a, b Knock) int { return a.At().Compare(b.At()) })
	c.Phase, c.entered = play(knocks, c.made.Ports, t.gate.Window, t.gate.Strict)
	if c.Phase < knock.Knocks {
		t.stuck(c, knocks)
	}
}

// play plays knocks in order, marks which phase each entered, and returns the highest one
// and when each was entered.
func play(knocks []Knock, ports [knock.Knocks]uint16, window time.Duration, strict bool) (highest int, entered [knock.Knocks]time.Time) {
	for i, k := range knocks {
		next := -1
		for n := len(ports) - 1; n >= 0; n-- {
			open := n == 0 || !entered[n-1].IsZero() && (window == 0 || k.At().Sub(entered[n-1]) <= window)
			if ports[n] == k.Port && open {
				next = n
				break
			}
		}
		if strict && next != highest%knock.Knocks {
			highest = 0
			clear(entered[:])
			if next = slices.Index(ports[:1], k.Port); next < 0 {
				continue
			}
		}
		if next >= 0 {
			entered[next], knocks[i].Entered = k.At(), next+1
			highest = max(highest, next+1)
		}
		if highest == knock.Knocks {
			break
		}
	}
	return highest, entered
}

// enter marks which phase of the observed gate each knock entered.
func (t *Tracker) enter(c *Client) {
	var order []int
	for i, k := range c.Knocks {
		if !c.arrived || !k.Arrived.IsZero() {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return c.Knocks[a].At().Compare(c.Knocks[b].At()) })
	for _, ports := range t.accepts(c.First) {
		knocks := make([]Knock, len(order))
		for n, i := range order {
			knocks[n] = c.Knocks[i]
			knocks[n].Entered = 0
		}
		phase, _ := play(knocks, ports, t.gate.Window, t.gate.Strict)
		if phase <= c.Reached {
			continue
		}
		c.Reached = phase
		for n, i := range order {
			c.Knocks[i].Entered = knocks[n].Entered
		}
	}
}

// mixed finds the ports of another client that has the same address: another candidate's,
// or another secret's. Those of the next hour are its own, near the hour change.
func (t *Tracker) mixed(c *Client, table *Table, order []uint16) {
	rest := slices.DeleteFunc(slices.Clone(order), func(p uint16) bool {
		return slices.Contains(c.made.Ports[:], p) || !t.gate.Range.Contains(int(p)) && !c.Candidate.Range.Contains(int(p))
	})
	if len(rest) < knock.Knocks-1 || len(rest) > 2*knock.Knocks {
		return
	}
	f := Finding{Code: Mixed, Ports: len(rest)}
	if m, ok := table.Find(rest); ok {
		if f.Hours = m.Offset - c.Candidate.Offset; abs(f.Hours) <= 1 {
			return
		}
	}
	c.add(f)
}

// stuck says why the knocks lead no further than a phase.
func (t *Tracker) stuck(c *Client, knocks []Knock) {
	var missing, lost, unsent []int
	for n, p := range c.made.Ports {
		if slices.ContainsFunc(knocks, func(k Knock) bool { return k.Port == p }) {
			continue
		}
		sent := slices.ContainsFunc(c.Knocks, func(k Knock) bool { return k.Port == p && !k.Sent.IsZero() })
		switch {
		case sent && c.arrived:
			lost = append(lost, n+1)
		case c.left:
			unsent = append(unsent, n+1)
		default:
			missing = append(missing, n+1)
		}
	}
	if c.left && len(missing)+len(lost)+len(unsent) > 0 {
		if len(lost) > 0 {
			c.add(Finding{Code: KnockLost, Knocks: lost})
		}
		if len(unsent) > 0 {
			c.add(Finding{Code: KnockUnsent, Knocks: unsent})
		}
		return
	}
	if len(missing) > 0 {
		c.add(Finding{Code: KnockMissing, Knocks: missing})
		return
	}
	t.outOfStep(c, knocks)
}

// outOfStep says which knock came too early or too late, where all five arrived.
func (t *Tracker) outOfStep(c *Client, knocks []Knock) {
	if loose, _ := play(knocks, c.made.Ports, t.gate.Window, false); loose == knock.Knocks {
		c.add(Finding{Code: StartedOver})
		return
	}
	first := [knock.Knocks]time.Time{}
	for _, k := range knocks {
		if n := k.Phase - 1; n >= 0 && first[n].IsZero() {
			first[n] = k.At()
		}
	}
	for n := 1; n < knock.Knocks; n++ {
		gap := first[n].Sub(first[n-1])
		switch {
		case first[n].IsZero() || first[n-1].IsZero():
		case gap < 0:
			c.add(Finding{Code: Reordered, Knocks: []int{n + 1}, Before: n})
			return
		case t.gate.Window > 0 && gap > t.gate.Window:
			c.add(Finding{Code: Late, Knocks: []int{n + 1}, Took: gap, Window: t.gate.Window})
			return
		}
	}
	c.add(Finding{Code: Late, Knocks: []int{min(c.Phase+1, knock.Knocks)}, Took: t.gate.Window, Window: t.gate.Window})
}

// answers records who answered the knocks in the server's place. The server's own
// refusals are usual: most gates leave a knock to the rest of the firewall, which refuses it.
func (c *Client) answers() {
	for _, k := range c.Knocks {
		f, by := c.answer(k)
		if f.Code != "" && (by || f.Code == KnocksSeized && !c.gotIn()) && !c.Has(f.Code) {
			c.add(f)
		}
	}
}

// refusal returns the server's own answer to one of the five knocks, if it refused one.
func (c *Client) refusal() (Finding, bool) {
	for _, k := range c.Knocks {
		if f, by := c.answer(k); f.Code == KnocksRejected && !by {
			return f, true
		}
	}
	return Finding{}, false
}

// answer returns what answered one of the five knocks, and whether that was not the server.
func (c *Client) answer(k Knock) (f Finding, other bool) {
	if k.Answer == SYN || k.Phase == 0 {
		return f, false
	}
	f = aboutAnswer(KnocksRejected, c, k)
	if k.Answer == Accepted {
		f.Code = KnocksSeized
	}
	return f, f.Between || len(f.Addrs) > 0
}

// gotIn reports whether SSH accepted a connection.
func (c *Client) gotIn() bool {
	return slices.ContainsFunc(c.SSH, func(k Knock) bool { return k.Answer == Accepted && !k.Between })
}
