package pcap

import (
	"math"
	"slices"
	"time"

	"rapport/knock"
	"rapport/knock/arrivals"
)

// pair is a SYN as one side or both have it.
type pair struct{ sent, arrived *segment }

// mark identifies a SYN on both sides. A NAT changes addresses, and often the source
// port, but neither the sequence number nor, without a redirection, the port.
type mark struct {
	seq  uint32
	port uint16
	from uint16 // the source port, 0 where it may differ
}

// synsOf returns the SYNs of a capture. One that several interfaces of the machine
// have seen counts once.
func synsOf(c *Capture) (all []*segment) {
	type copied struct {
		flow
		seq uint32
	}
	first := map[copied]*segment{}
	const inside = 5 * time.Millisecond // of one machine
	for i := range c.segments {
		s := &c.segments[i]
		if s.kind != arrivals.SYN {
			continue
		}
		k := copied{flow{s.src, s.dst}, s.seq}
		if o := first[k]; o != nil && o.iface != s.iface && s.at.Sub(o.at) < inside {
			continue
		}
		first[k] = s
		all = append(all, s)
	}
	return all
}

// pairs matches the SYNs of both sides by their sequence numbers. Where one was
// repeated, those that are nearest in time belong together.
func pairs(sent, arrived []*segment) (all []pair) {
	found := make([]*segment, len(sent))
	taken := map[*segment]bool{}
	shift := shiftOf(sent, arrived)
	for _, exact := range []bool{true, false} {
		index := map[mark][]*segment{}
		for _, s := range arrived {
			if !taken[s] {
				index[s.mark(exact)] = append(index[s.mark(exact)], s)
			}
		}
		for i, s := range sent {
			if found[i] != nil {
				continue
			}
			best, off := (*segment)(nil), time.Duration(math.MaxInt64)
			for _, o := range near(index[s.mark(exact)], s.at.Add(shift)) {
				if d := (o.at.Sub(s.at) - shift).Abs(); !taken[o] && o.src.Addr().Is4() == s.src.Addr().Is4() && d < off {
					best, off = o, d
				}
			}
			const farthest = 10 * time.Second
			if best != nil && off < farthest {
				found[i], taken[best] = best, true
			}
		}
	}
	for i, s := range sent {
		all = append(all, pair{s, found[i]})
	}
	for _, s := range arrived {
		if !taken[s] {
			all = append(all, pair{nil, s})
		}
	}
	return all
}

// near returns those of all, which are in order of time, that are nearest to an instant:
// a hostile capture repeats one SYN without end.
func near(all []*segment, at time.Time) []*segment {
	const most = 32
	i, _ := slices.BinarySearchFunc(all, at, func(s *segment, at time.Time) int { return s.at.Compare(at) })
	return all[max(0, i-most):min(len(all), i+most)]
}

func (s *segment) mark(exact bool) mark {
	m := mark{seq: s.seq, port: s.dst.Port()}
	if exact {
		m.from = s.src.Port()
	}
	return m
}

// shiftOf is the median of the time by which SYNs that are on both sides once arrived
// later than they left, by the two clocks.
func shiftOf(sent, arrived []*segment) time.Duration {
	for _, exact := range []bool{false, true} {
		once, mine := map[mark][]*segment{}, map[mark]int{}
		for _, s := range arrived {
			once[s.mark(exact)] = append(once[s.mark(exact)], s)
		}
		for _, s := range sent {
			mine[s.mark(exact)]++
		}
		var all []time.Duration
		for _, s := range sent {
			if o := once[s.mark(exact)]; len(o) == 1 && mine[s.mark(exact)] == 1 {
				all = append(all, o[0].at.Sub(s.at))
			}
		}
		if len(all) > 0 {
			slices.Sort(all)
			return all[len(all)/2]
		}
	}
	return 0
}

// ClockDifference is the server's clock minus the client's, as the times of the
// captures show it.
type ClockDifference struct {
	Offset knock.Millis `json:"offset_ms"`
	// Uncertainty is null where nothing came back: then Offset is the most it can be.
	Uncertainty *knock.Millis `json:"uncertainty_ms"`
}

// compareClocks compares the clocks: a packet leaves before it arrives, each way.
func compareClocks(all []pair, client, server *Capture) *ClockDifference {
	there, back := time.Duration(math.MaxInt64), time.Duration(math.MaxInt64)
	for _, p := range all {
		if p.sent != nil && p.arrived != nil {
			there = min(there, p.arrived.at.Sub(p.sent.at))
		}
	}
	if there == math.MaxInt64 {
		return nil
	}
	left := map[mark]time.Time{}
	for _, s := range server.segments {
		if m := s.mark(false); s.kind == arrivals.Accepted || s.kind == arrivals.Refused {
			if _, had := left[m]; !had {
				left[m] = s.at
			}
		}
	}
	for _, s := range client.segments {
		if at, ok := left[s.mark(false)]; ok && (s.kind == arrivals.Accepted || s.kind == arrivals.Refused) {
			back = min(back, s.at.Sub(at))
		}
	}
	if back == math.MaxInt64 {
		return &ClockDifference{Offset: knock.Millis(there)}
	}
	within := knock.Millis((there + back).Abs() / 2)
	return &ClockDifference{knock.Millis((there - back) / 2), &within}
}

// packets returns what both sides saw, by the server's clock if it is there.
func packets(client, server *Capture) (all []arrivals.Packet, clock *ClockDifference) {
	var sent, arrived []*segment
	if client != nil {
		sent = synsOf(client)
	}
	if server != nil {
		arrived = synsOf(server)
	}
	merged := pairs(sent, arrived)
	if client != nil && server != nil {
		clock = compareClocks(merged, client, server)
	}
	shift := time.Duration(0)
	if clock != nil {
		shift = time.Duration(clock.Offset)
	}
	names := map[flow]flow{} // the client's names of flows, by the server's
	for _, p := range merged {
		if p.sent != nil && p.arrived != nil {
			names[flow{p.arrived.src, p.arrived.dst}] = flow{p.sent.src, p.sent.dst}
		}
	}
	for _, p := range merged {
		var x arrivals.Packet
		if s := p.arrived; s != nil {
			f := flow{s.src, s.dst}
			if mine, ok := names[f]; ok { // also a copy that the network made
				f = mine
			}
			x = arrivals.Packet{Src: f.src, Dst: f.dst, Seq: s.seq, Arrived: s.at}
			if s.src.Addr() != f.src.Addr() {
				x.From = s.src.Addr()
			}
		}
		if s := p.sent; s != nil {
			x.Src, x.Dst, x.Seq, x.Sent = s.src, s.dst, s.seq, s.at.Add(shift)
		}
		all = append(all, x)
	}
	all = append(all, answers(client, server, shift, names)...)
	slices.SortStableFunc(all, func(a, b arrivals.Packet) int { return seen(a).Compare(seen(b)) })
	return all, clock
}

// seen is when a packet was first seen. The clocks are compared less exactly than a
// server answers, so a SYN may seem to arrive before it left.
func seen(p arrivals.Packet) time.Time {
	if p.Sent.IsZero() || !p.Arrived.IsZero() && p.Arrived.Before(p.Sent) {
		return p.Arrived
	}
	return p.Sent
}

// answers returns the answers that either side saw, those of the server first: one
// that only the client saw came from between them.
func answers(client, server *Capture, shift time.Duration, names map[flow]flow) (all []arrivals.Packet) {
	had := map[mark]bool{}
	add := func(s segment, x arrivals.Packet) {
		x.Kind, x.Seq, x.By = s.kind, s.seq, s.by
		all = append(all, x)
	}
	if server != nil {
		for _, s := range server.segments {
			if s.kind == arrivals.SYN {
				continue
			}
			had[s.mark(false)] = true
			f := flow{s.src, s.dst}
			if mine, ok := names[f]; ok {
				f = mine
			}
			add(s, arrivals.Packet{Src: f.src, Dst: f.dst, Sent: s.at})
		}
	}
	if client == nil {
		return all
	}
	for _, s := range client.segments {
		if s.kind != arrivals.SYN && !had[s.mark(false)] {
			add(s, arrivals.Packet{Src: s.src, Dst: s.dst, Sent: s.at.Add(shift), Between: server != nil && covers(server, s.at.Add(shift))})
		}
	}
	return all
}

// covers reports whether a capture was running at an instant: nobody begins or ends one
// within seconds of a packet, unless it was cut.
func covers(c *Capture, at time.Time) bool {
	const beside = 3 * time.Second
	n := len(c.segments)
	if n == 0 || c.Cut != nil && at.After(c.segments[n-1].at) {
		return false
	}
	return !at.Before(c.segments[0].at.Add(-beside)) && !at.After(c.segments[n-1].at.Add(beside))
}
