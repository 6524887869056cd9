package script_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"rapport/knock/knocktest"
)

// order is the order of the ports of a pass.
type order int

const (
	ascending order = iota
	descending
	random
	orders
)

// sweep is one source that sends a SYN to every port of a span, pass after pass.
type sweep struct {
	from   netip.Addr
	order  order
	span   knocktest.Ports // the range, if the attacker knows it
	rate   int             // SYNs a second
	passes int
	start  time.Duration

	random *rand.Rand
	pass   int
	plan   []slot // of the pass
	next   int    // the slot of the plan
	opened int    // the pass, from 1, that SSH answered in
	late   time.Duration
}

// slot is a SYN of a pass, at its place in the pass.
type slot struct {
	place int
	port  uint16
}

// load plans the next pass. SYNs to ports outside the gate's range take their
// time, and are not sent: they change nothing (TestOutsideTheRangeNothingCounts).
// Once a second, and at the end of the pass, the source tries SSH.
func (s *sweep) load(bottom, top, ssh int) {
	size := s.span.Last - s.span.First + 1
	s.plan = s.plan[:0]
	var places []int // of a random order
	if s.order == random {
		places = distinct(s.random, top-bottom+1, size)
	}
	for port := bottom; port <= top; port++ {
		place := port - s.span.First
		switch s.order {
		case descending:
			place = size - 1 - place
		case random:
			place = places[port-bottom]
		}
		s.plan = append(s.plan, slot{place, uint16(port)})
	}
	for place := s.rate; place < size; place += s.rate {
		s.plan = append(s.plan, slot{place, uint16(ssh)})
	}
	s.plan = append(s.plan, slot{size, uint16(ssh)})
	slices.SortStableFunc(s.plan, func(a, b slot) int { return a.place - b.place })
}

// distinct returns n numbers below limit, no two the same, in random order.
func distinct(r *rand.Rand, n, limit int) []int {
	if n == limit {
		return r.Perm(n)
	}
	seen, all := make(map[int]bool, n), make([]int, 0, n)
	for len(all) < n {
		if k := r.IntN(limit); !seen[k] {
			seen[k] = true
			all = append(all, k)
		}
	}
	return all
}

// due appends what the source sends until a time.
func (s *sweep) due(to []knocktest.Packet, now time.Duration, g *gated) []knocktest.Packet {
	size := s.span.Last - s.span.First + 1
	for !s.ended() {
		if s.next == 0 {
			s.load(g.Range.Bottom(), g.Range.Top(), g.SSHPort)
		}
		place := s.pass*size + s.plan[s.next].place
		late := now - s.start - time.Duration(place)*time.Second/time.Duration(s.rate)
		if late < 0 {
			return to
		}
		s.late = max(s.late, late)
		to = append(to, knocktest.Packet{From: s.from, Port: s.plan[s.next].port})
		if s.next++; s.next == len(s.plan) {
			s.pass, s.next = s.pass+1, 0
		}
	}
	return to
}

func (s *sweep) ended() bool { return s.opened > 0 || s.pass == s.passes }

// sweeps is a number of sources that sweep in the same time.
type sweeps []*sweep

// run lets them all sweep. It returns how many SYNs were sent.
func (all sweeps) run(a attacked) (sent int) {
	by := map[netip.Addr]*sweep{}
	for _, s := range all {
		by[s.from] = s
	}
	var packets []knocktest.Packet
	for start, left := time.Now(), slices.Clone(all); len(left) > 0; time.Sleep(time.Millisecond) {
		packets = packets[:0]
		now := time.Since(start)
		for _, s := range left {
			packets = s.due(packets, now, a.gated)
		}
		a.x.Send(packets...)
		sent += len(packets)
		for _, from := range a.x.Answers() {
			if s := by[from]; s != nil && s.opened == 0 {
				if s.opened = s.pass; s.next > 0 {
					s.opened++ // before the end of the pass
				}
			}
		}
		left = slices.DeleteFunc(left, (*sweep).ended)
	}
	return sent
}

// cell is a number of sweeps of each order and family that differ in nothing else.
type cell struct {
	d        defence
	unknown  bool // the range: all ports are swept
	rate     int
	passes   int
	each     int  // sweeps of each order and family
	flood    bool // 3,000 wrong SYNs a second from other sources keep the gate strict
	together int  // sources that start in a second
}

// result is how many sweeps of a cell have opened the gate.
type result struct {
	cell
	opened [2][orders]int // IPv4, IPv6
	needed []int          // passes, of those that opened
	sent   int
	took   time.Duration
	late   time.Duration // of the SYN that was most so
	lost   int
}

// run lets a cell's sources sweep, from addresses that count from first.
func (c cell) run(a attacked, first int) result {
	span := knocktest.Ports{First: a.Range.Bottom(), Last: a.Range.Top()}
	if c.unknown {
		span = knocktest.Ports{First: 1, Last: 65535}
	}
	var all sweeps
	for i := range 2 * int(orders) * c.each {
		all = append(all, &sweep{
			from: stranger(first+i, i%2 == 1), order: order(i / 2 % int(orders)), span: span, rate: c.rate, passes: c.passes,
			start:  time.Duration(i) * time.Second / time.Duration(c.together),
			random: rand.New(rand.NewPCG(uint64(first), uint64(i))),
		})
	}
	r, start := result{cell: c}, time.Now()
	stop := func() int { return 0 }
	if c.flood {
		wrong := a.wrong(700)
		stop = a.background(3000, func(i int) knocktest.Packet {
			return knocktest.Packet{From: stranger(500_000+i%500_000, i%2 == 1), Port: wrong[i%len(wrong)]}
		})
	}
	r.sent = all.run(a)
	stop()
	r.took, r.lost = time.Since(start), a.x.Lost()
	for i, s := range all {
		r.late = max(r.late, s.late)
		if s.opened > 0 {
			r.opened[i%2][s.order]++
			r.needed = append(r.needed, s.opened)
		}
	}
	return r
}

// sweepHead is the head of the table of sweeps.
const sweepHead = `| gate | ports swept | SYN/s | passes | beside | IPv4 asc. | desc. | random | IPv6 asc. | desc. | random | opened in pass | SYNs sent | lost | late by at most | took |
|---|---|--:|--:|---|--:|--:|--:|--:|--:|--:|---|--:|--:|--:|--:|
`

// String is the result's row of the table.
func (r result) String() string {
	ports, beside := "range", "-"
	if r.unknown {
		ports = "1-65535"
	}
	if r.flood {
		beside = "flood"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "| %s | %s | %d | %d | %s |", r.d.name, ports, r.rate, r.passes, beside)
	for _, family := range r.opened {
		for _, n := range family {
			fmt.Fprintf(&b, " %d of %d |", n, r.each)
		}
	}
	passes := "-"
	if slices.Sort(r.needed); len(r.needed) > 0 {
		passes = fmt.Sprintf("%d to %d", r.needed[0], r.needed[len(r.needed)-1])
	}
	fmt.Fprintf(&b, " %s | %d | %d | %.2f s | %.0f s |\n", passes, r.sent, r.lost, r.late.Seconds(), r.took.Seconds())
	return b.String()
}

// Sweeps open every gate without a guard: what the next test does can fail.
func TestSweepsOpenGatesWithoutAGuard(t *testing.T) {
	knocktest.Long(t)
	for _, d := range defences {
		if d.guarded {
			continue
		}
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			a := d.attack(t, nil)
			const each = 3
			r := cell{d: d, rate: 20_000, passes: 5, each: each, together: 25}.run(a, 10_000)
			if r.opened != [2][orders]int{{each, each, each}, {each, each, each}} {
				t.Errorf("not all have opened:\n%s%s", sweepHead, r)
			}
		})
	}
}

// No sweep opens a gate with the guard, whether the attacker knows the range or
// not, and whether others keep the gate strict meanwhile or not.
func TestSweepsOpenNoGateWithTheGuard(t *testing.T) {
	knocktest.Long(t)
	for _, d := range defences {
		if !d.guarded {
			continue
		}
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			a := d.attack(t, nil)
			for i, c := range []cell{
				{rate: 1000, passes: 3, each: 5, together: 25},
				{rate: 20_000, passes: 5, each: 5, together: 25},
				{rate: 20_000, passes: 5, each: 5, together: 25, flood: true},
				{rate: 20_000, passes: 2, each: 5, together: 25, unknown: true},
			} {
				c.d = d
				if r := c.run(a, 1000*(i+1)); r.needed != nil {
					t.Errorf("opened:\n%s%s", sweepHead, r)
				}
			}
		})
	}
}

// BenchmarkSweeps makes the table of sweeps, in about 23 minutes.
func BenchmarkSweeps(b *testing.B) {
	fmt.Print(sweepHead)
	var wait sync.WaitGroup
	lane := func(cells []cell) {
		gates := map[string]attacked{}
		for _, c := range cells {
			if _, ok := gates[c.d.name]; !ok {
				gates[c.d.name] = c.d.attack(b, nil)
			}
		}
		wait.Go(func() {
			for i, c := range cells {
				fmt.Print(c.run(gates[c.d.name], 10_000*(i+1)))
			}
		})
	}
	for _, d := range defences {
		for _, rate := range rates {
			// As many passes as 22 minutes have, and no more than 5.
			c := cell{d: d, rate: rate, unknown: true, passes: min(5, max(1, 1320*rate/65535)), each: d.sweeps(), together: 10}
			if rate > 1000 {
				c.together = 2
			}
			lane([]cell{c})
		}
	}
	article, iptables, nft := knownCells(defences[0]), knownCells(defences[1]), knownCells(defences[2])
	lane(append(knownCells(defences[3]), article...))
	lane(slices.Concat(knownCells(defences[4]), iptables, nft))
	wait.Wait()
}

// rates are the SYNs a second of sweeps.
var rates = []int{50, 200, 1000, 20_000}

// sweeps is how many of each order and family the table has. Without the guard
// there are no more sources than the lists of iptables hold, which is 100.
func (d defence) sweeps() int {
	if d.guarded {
		return 100
	}
	return 15
}

// knownCells are the sweeps of the range. So many start in a second that the
// gate counts all their wrong SYNs, and that one core can send them.
func knownCells(d defence) (all []cell) {
	for _, rate := range rates {
		c := cell{d: d, rate: rate, passes: 5, each: d.sweeps(), together: 5}
		if rate == 50 {
			c.together = 25
		}
		all = append(all, c)
		if d.guarded && rate >= 1000 {
			c.flood, c.each = true, 25
			all = append(all, c)
		}
	}
	return all
}
