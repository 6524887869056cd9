package arrivals

import (
	"slices"
	"time"

	"rapport/knock"
)

// Expire returns the clients that are over at an instant, in order of their first
// packets.
func (t *Tracker) Expire(now time.Time) []Client {
	if now.After(t.now) {
		t.now = now
	}
	t.close(&t.young, now.Add(-t.quiet()))
	t.close(&t.known, now.Add(-t.quiet()))
	return t.emit(now.Add(-t.quiet() - settle))
}

// Flush returns all clients that have not been returned, at the end.
func (t *Tracker) Flush() []Client {
	end := t.now.Add(time.Hour)
	t.close(&t.young, end)
	t.close(&t.known, end)
	return t.emit(end)
}

// close judges the sources of a queue that have been quiet since before.
func (t *Tracker) close(q *queue, before time.Time) {
	limit := before.UnixNano()
	q.all = slices.DeleteFunc(q.all, func(s *source) bool {
		if !q.holds(s) {
			return true
		}
		if s.last >= limit {
			return false
		}
		t.finish(s)
		t.remove(q, s)
		return true
	})
}

// finish judges a source that is over.
func (t *Tracker) finish(s *source) {
	c := &Client{Addr: s.addr, Server: s.server, First: moment(s.first), Last: moment(s.last), SYNs: int(s.syns), ports: int(s.ports), wrong: int(s.wrong), arrived: t.arrived}
	var ours []uint16
	for _, one := range s.sights {
		k := s.knock(one)
		c.left = c.left || !k.Sent.IsZero()
		if k.Port == t.gate.SSHPort {
			c.SSH = append(c.SSH, k)
			continue
		}
		if c.Knocks = append(c.Knocks, k); t.expected(k.Port) {
			ours = append(ours, k.Port)
		}
	}
	if (len(ours) > 0 || len(c.SSH) > 0) && s.ports < sweepPorts {
		t.remember(trace{s.addr, c.First, c.SSH, ours, c.ports})
	}
	if s.ports < minMatched {
		if t.gate.LoneSSH && len(c.SSH) > 0 && !c.gotIn() {
			c.add(Finding{Code: NoKnocks})
			t.pending = append(t.pending, c)
		}
		return // nothing else can be told; it may be a part of another client
	}
	t.judge(c)
	if c.Candidate == nil && len(c.Findings) == 0 {
		return
	}
	t.pending = append(t.pending, c)
	if t.gate.SweepGuard > 0 && c.wrong > t.gate.SweepGuard && len(t.sweepers) < maxSweepers {
		t.sweepers[c.Addr] = sweeper{c.wrong, c.Last}
	}
}

// remember keeps a trace, in place of the oldest.
func (t *Tracker) remember(one trace) {
	if len(t.traces) < maxTraces {
		t.traces = append(t.traces, one)
		return
	}
	t.traces[t.next] = one
	t.next = (t.next + 1) % maxTraces
}

// emit completes the pending clients that were quiet since before, and returns them.
func (t *Tracker) emit(before time.Time) (all []Client) {
	slices.SortStableFunc(t.pending, func(a, b *Client) int { return a.First.Compare(b.First) })
	due := func(c *Client) bool { return c.Last.Before(before) }
	for _, c := range t.pending {
		if due(c) {
			t.connect(c)
			t.count(c)
			all = append(all, *c)
		}
	}
	t.pending = slices.DeleteFunc(t.pending, due)
	for addr, s := range t.sweepers {
		if before.Sub(s.last) > time.Minute {
			delete(t.sweepers, addr)
		}
	}
	return all
}

// count counts a client, and remembers that its sequence was used.
func (t *Tracker) count(c *Client) {
	t.Stats.Clients++
	if c.In {
		t.Stats.In++
	}
	if c.right && c.Phase == knock.Knocks && !t.used[c.made.Ports].IsValid() && len(t.used) < maxUsed {
		t.used[c.made.Ports] = c.Addr
	}
	for _, f := range c.Findings {
		t.Stats.Codes[f.Code]++
	}
}
