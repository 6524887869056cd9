package arrivals

import (
	"math"
	"math/bits"
	"slices"

	"rapport/knock"
	"rapport/knock/solve"
)

// Query says which candidates a [Table] holds.
type Query struct {
	Secret knock.Secret
	Range  knock.Range   // the gate's
	Also   []knock.Range // further ones, beside those that people use
	Hour   knock.Hour
	Reach  int // hours before and after Hour
}

// DefaultReach is how many hours a table usually reaches either way: it covers all time
// zones, and a day without a refresh.
const DefaultReach = 26

// Table finds the candidate that made a few ports, without computing: it holds the
// sequences of all hours, likely ranges and secret variants. It is for one goroutine.
type Table struct {
	hour     knock.Hour
	ranges   []knock.Range
	variants []solve.Variant
	made     []entry
	// posts are the places of each port, start where those of a port begin.
	start [1<<16 + 1]uint32
	posts []uint32 // entry*8 + place in the sequence

	now [1][knock.Knocks]uint16 // of Hour and Range, with nothing changed
	own [1024]uint64            // a bit for each port that an hour's unchanged sequence has

	masks   []uint8  // of each entry: which of its places the ports of a query have
	touched []uint32 // entries whose mask is not zero
}

// entry is a candidate of the table.
type entry struct {
	ports     [knock.Knocks]uint16
	offset    int16
	rng, kind uint8
	cost      float32 // minus the logarithm of how likely it is
}

// Match is the candidate that made some of the ports of a query.
type Match struct {
	solve.Candidate
	Ports   [knock.Knocks]uint16 // of its whole sequence
	Matched int                  // how many of them are among the ports
	score   float64
}

// The logarithms of how much rarer each mistake is than none. A wrong guess costs
// nothing where all five ports fit; it decides about two or three of them.
const (
	costOffHour  = 1.0 // and the logarithm of the distance
	costNear     = 3.0 // a range with an end off by one, or named by the caller
	costCommon   = 4.0 // a range that people use
	costVariant  = 3.0
	minEvidence  = 11.5 // a hundred thousand to one against chance
	minMatched   = 2
	placesOfPost = 8
)

// NewTable builds the table: some 20,000 candidates in a few milliseconds.
func NewTable(q Query) *Table {
	t := &Table{hour: q.Hour, ranges: likelyRanges(q), variants: solve.Variants(q.Secret)}
	t.made = make([]entry, 0, (2*q.Reach+1)*len(t.ranges)*len(t.variants))
	for offset := -q.Reach; offset <= q.Reach; offset++ {
		h := q.Hour.Add(offset)
		if h.Sub(q.Hour) != offset {
			continue // no four-digit year has it
		}
		for v, variant := range t.variants {
			for r, ports := range variant.PortsOfEach(h, t.ranges, q.Secret) {
				e := entry{ports: ports, offset: int16(offset), rng: uint8(r), kind: uint8(v)}
				e.cost = float32(costOfRange(r, len(q.Also)))
				if offset != 0 {
					e.cost += float32(costOffHour + math.Log(math.Abs(float64(offset))))
				}
				if v > 0 {
					e.cost += costVariant
				}
				t.made = append(t.made, e)
				if r == 0 && v == 0 {
					for _, p := range ports {
						t.own[p/64] |= 1 << (p % 64)
					}
				}
			}
		}
	}
	t.now[0] = knock.Derive(q.Hour, q.Range, q.Secret).Ports()
	t.index()
	return t
}

// likelyRanges are the ranges of a table, the gate's first.
func likelyRanges(q Query) (all []knock.Range) {
	had := map[knock.Range]bool{}
	for _, some := range [][]knock.Range{{q.Range}, q.Also, solve.Neighbours(q.Range), solve.CommonRanges()} {
		for _, r := range some {
			if r.IsValid() && !had[r] && len(all) < math.MaxUint8 {
				had[r] = true
				all = append(all, r)
			}
		}
	}
	return all
}

// costOfRange is the cost of range number i.
func costOfRange(i, also int) float64 {
	const neighbours = 6
	switch {
	case i == 0:
		return 0
	case i <= also+neighbours:
		return costNear
	}
	return costCommon
}

// index builds the places of each port.
func (t *Table) index() {
	for _, e := range t.made {
		for _, p := range e.ports {
			t.start[int(p)+1]++
		}
	}
	for p := range 1 << 16 {
		t.start[p+1] += t.start[p]
	}
	next := t.start
	t.posts = make([]uint32, len(t.made)*knock.Knocks)
	for i, e := range t.made {
		for k, p := range e.ports {
			t.posts[next[p]] = uint32(i*placesOfPost + k)
			next[p]++
		}
	}
	t.masks = make([]uint8, len(t.made))
}

// isOwn reports whether a port is one of the gate's secret and range in some hour. The
// sweep guard of rapport's scripts forgives these.
func (t *Table) isOwn(p uint16) bool { return t.own[p/64]&(1<<(p%64)) != 0 }

// Len returns how many candidates the table holds.
func (t *Table) Len() int { return len(t.made) }

// Find returns the likeliest candidate that made the ports, which are different and
// in the order in which they came first. ok is false where chance may have made what
// fits.
func (t *Table) Find(ports []uint16) (best Match, ok bool) {
	for _, p := range ports {
		for _, post := range t.posts[t.start[p]:t.start[int(p)+1]] {
			i := post / placesOfPost
			if t.masks[i] == 0 {
				t.touched = append(t.touched, i)
			}
			t.masks[i] |= 1 << (post % placesOfPost)
		}
	}
	found := -1
	best.score = minEvidence
	for _, i := range t.touched {
		if bits.OnesCount8(t.masks[i]) >= minMatched {
			if s, n := t.evidence(&t.made[i], ports); n >= minMatched && s >= best.score {
				found, best.score, best.Matched = int(i), s, n
			}
		}
		t.masks[i] = 0
	}
	t.touched = t.touched[:0]
	if found < 0 {
		return Match{}, false
	}
	best.Candidate, best.Ports = t.candidate(found), t.made[found].ports
	return best, true
}

// findIn is Find for many ports, of which most may be others: a handshake after a scan,
// or two of them near the hour change.
func (t *Table) findIn(ports []uint16) (best Match, ok bool) {
	const window = 2 * knock.Knocks
	for first := 0; first == 0 || first+knock.Knocks < len(ports); first += knock.Knocks {
		if m, found := t.Find(ports[first:min(first+window, len(ports))]); found && (!ok || m.score > best.score) {
			best, ok = m, true
		}
	}
	return best, ok
}

// candidate returns candidate number i.
func (t *Table) candidate(i int) solve.Candidate {
	e := t.made[i]
	return solve.Candidate{Hour: t.hour.Add(int(e.offset)), Offset: int(e.offset), Range: t.ranges[e.rng], Variant: t.variants[e.kind]}
}

// evidence weighs a candidate against chance: the logarithm of how much likelier it
// makes the ports, and how many of its different ports are among them.
func (t *Table) evidence(e *entry, ports []uint16) (score float64, matched int) {
	inOrder, last := true, -1
	for k, p := range e.ports {
		if slices.Contains(e.ports[:k], p) {
			continue
		}
		if i := slices.Index(ports, p); i >= 0 {
			matched++
			inOrder = inOrder && i > last
			last = i
		}
	}
	n, m := float64(len(ports)), float64(matched)
	ways := choose(n, m) * choose(knock.Knocks, m)
	if !inOrder {
		ways *= math.Gamma(m + 1)
	}
	return m*math.Log(float64(t.ranges[e.rng].Size())) - math.Log(ways) - float64(e.cost), matched
}

// choose is the binomial coefficient.
func choose(n, k float64) float64 {
	c := 1.0
	for i := 1.0; i <= k; i++ {
		c *= (n - k + i) / i
	}
	return c
}
