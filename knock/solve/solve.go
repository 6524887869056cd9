// Package solve finds out what five ports were made with: which hour, which range,
// and which variant of the secret.
//
// A [Candidate] is such a triple; the whole program uses this type. [Solve] takes a
// [Query], the ports and what the client knows, and returns a [Solution]: every
// candidate within the query's hours that makes the ports, the likeliest first.
// [Any] solves several sequences. [Empty] finds out whether the ports come from an
// empty secret. [FindPartial] finds the hour that makes most of the ports, for when
// no candidate makes all.
//
// A [Variant] is the secret with its newline, CR, spaces or case changed, as
// happens on the way into a server's rules; [Variant.Fix] says how to undo it.
package solve

import (
	"cmp"
	"context"
	"crypto/md5"
	"encoding/binary"
	"iter"
	"math/bits"
	"slices"

	"rapport/knock"
)

const (
	// MaxHours bounds Past and Future of a query: a year.
	MaxHours = 366 * 24
	// maxMatches bounds the candidates of a solution. There are more than a few
	// only for ranges of a handful of ports.
	maxMatches = 100
	// MaxSize is the size of the widest range.
	MaxSize = 65535
)

// Query is five ports that a server accepts, and what the client knows.
type Query struct {
	Ports  [knock.Knocks]uint16
	Secret knock.Secret
	Range  knock.Range // the client's: its candidates come first; zero is not known
	Hour   knock.Hour  // the client's
	Past   int         // hours before and after Hour to try, up to MaxHours
	Future int
}

// Solution is the result of [Solve].
type Solution struct {
	// Candidates are all that make the ports, the likeliest first. Several are
	// possible only for narrow ranges.
	Candidates []Candidate
	More       int    // further candidates, beyond the first 100
	Searched   uint64 // combinations of hour, secret and range size that were tried
}

// number is an MD5 sum as a number: limbs of 43 bits, the lowest first.
type number [3]uint64

const limbBits = 43

// origin is what a number was made from.
type origin struct {
	sum    [md5.Size]byte
	offset int
	Variant
}

// Solve tries every hour of the query, every range of ports and every [Variant] of
// the secret. It returns an empty solution for a query without a secret, and fails
// only with the cause of ctx.
func Solve(ctx context.Context, p Query) (Solution, error) {
	if p.Secret.IsZero() {
		return Solution{}, nil
	}
	return p.solve(ctx)
}

// Empty finds the hour and range for which an empty secret, or one of spaces
// alone, makes one of the sequences. It returns nil if there is none, or if the
// ports are so close together that chance may have made them. It fails only with
// the cause of ctx.
func Empty(ctx context.Context, p Query, sequences [][knock.Knocks]uint16) (*Candidate, error) {
	p.Secret = knock.Secret{}
	texts := len(Variants(p.Secret))
	for _, ports := range sequences {
		span := float64(slices.Max(ports[:])) - float64(slices.Min(ports[:])) + 1
		// Four of the ports are right by chance once in the size to the fourth.
		if byChance := float64(texts*(p.Past+p.Future+1)) / (3 * span * span * span); byChance > 0.01 {
			continue
		}
		p.Ports = ports
		s, err := p.solve(ctx)
		if err != nil {
			return nil, err
		}
		if len(s.Candidates) > 0 {
			return &s.Candidates[0], nil
		}
	}
	return nil, nil
}

// solve is Solve also for the zero secret.
func (p Query) solve(ctx context.Context) (Solution, error) {
	var s Solution
	if slices.Contains(p.Ports[:], 0) {
		return s, nil
	}
	numbers, origins := p.numbers()
	low, high := int64(slices.Min(p.Ports[:])), int64(slices.Max(p.Ports[:]))
	first := int64(p.Ports[0])
	step := int64(p.Ports[1]) - first
	// A range holds all five ports, and both its ends are ports.
	for size := max(high-low+1, 2); size <= MaxSize; size++ {
		if size&0xff == 0 && ctx.Err() != nil {
			return s, context.Cause(ctx)
		}
		// The first port is (num mod size) + bottom. Bounds on the bottom are
		// bounds on that remainder.
		least := uint64(max(first-low, first+size-1-65535, 0))
		most := min(first-1, first-high+size-1)
		if most < int64(least) {
			continue
		}
		n := uint64(size)
		for _, i := range filter(numbers, n, step, least, uint64(most)-least) {
			if bottom, ok := origins[i].bottom(&p.Ports, n); ok {
				s.add(p, origins[i], bottom, int(size))
			}
		}
		s.Searched += uint64(len(numbers))
	}
	slices.SortStableFunc(s.Candidates, func(a, b Candidate) int { return compare(p, a, b) })
	if len(s.Candidates) > maxMatches {
		s.More, s.Candidates = len(s.Candidates)-maxMatches, s.Candidates[:maxMatches]
	}
	return s, nil
}

// Any solves several sequences, since a gate may accept two for a while. It
// returns the likeliest solution, and the query with the ports that it is for. It
// fails only with the cause of ctx.
func Any(ctx context.Context, p Query, sequences [][knock.Knocks]uint16) (Query, Solution, error) {
	var best Solution
	var searched uint64
	for _, ports := range sequences {
		next := p
		next.Ports = ports
		s, err := Solve(ctx, next)
		if err != nil {
			return p, best, err
		}
		searched += s.Searched
		if len(s.Candidates) > 0 && (len(best.Candidates) == 0 || compare(p, s.Candidates[0], best.Candidates[0]) < 0) {
			p, best = next, s
		}
		if len(best.Candidates) > 0 && best.Candidates[0] == (Candidate{Hour: p.Hour, Range: p.Range, Variant: AsGiven}) {
			break // nothing is likelier
		}
	}
	best.Searched = searched
	return p, best, nil
}

// filter returns which numbers may have two lowest digits in base n that are step
// apart, the lowest within span of least: all that have, and hardly another. It does
// nearly all of the work and shares no data: the race detector would only make it four
// times slower.
//
//go:norace
func filter(numbers []number, n uint64, step int64, least, span uint64) (found []int) {
	// Such a number is r*(n+1) + step*n modulo n^2, where r is the lowest digit. As
	// (n+1)*(1-n) is 1, r is number*(1-n) - step*n. That times 2^64/n^2 is a sum of three
	// products, from which the overflow takes the multiples of n^2; the factors are
	// rounded down, which makes it too small by less than slack.
	const slack = uint64(len(number{})) << limbBits
	square := n * n
	scaled := func(v uint64) uint64 {
		q, _ := bits.Div64(v%square, 0, square)
		return q
	}
	var factor [len(number{})]uint64
	for i, power := 0, square+1-n; i < len(factor); i++ {
		factor[i] = scaled(power)
		hi, lo := bits.Mul64(power, 1<<limbBits)
		power = bits.Rem64(hi, lo, square)
	}
	low := scaled(least+uint64(step+int64(n))*n) - slack
	width := scaled(span) + slack + 1
	f0, f1, f2 := factor[0], factor[1], factor[2]
	for i := range numbers {
		l := &numbers[i]
		if l[0]*f0+l[1]*f1+l[2]*f2-low <= width {
			found = append(found, i)
		}
	}
	return found
}

// bottom returns the bottom of the range of n ports with which the number makes all
// ports, if it does.
func (o *origin) bottom(p *[knock.Knocks]uint16, n uint64) (bottom int, ok bool) {
	hi, lo := binary.BigEndian.Uint64(o.sum[:8]), binary.BigEndian.Uint64(o.sum[8:])
	var digit uint64
	for k, port := range p {
		digit = hi % n
		hi /= n
		lo, digit = bits.Div64(digit, lo, n)
		if k == 0 {
			bottom = int(port) - int(digit)
		}
		if bottom+int(digit) != int(port) {
			return 0, false
		}
	}
	return bottom, true
}

// hours yields the hours of the query, each with its offset from the client's.
func (p Query) hours() iter.Seq2[int, knock.Hour] {
	return func(yield func(int, knock.Hour) bool) {
		for offset := -min(max(p.Past, 0), MaxHours); offset <= min(max(p.Future, 0), MaxHours); offset++ {
			h := p.Hour.Add(offset)
			if h.Sub(p.Hour) == offset && !yield(offset, h) { // else beyond four-digit years
				return
			}
		}
	}
}

// numbers hashes every hour with every variant of the secret.
func (p Query) numbers() (all []number, from []origin) {
	secrets, texts := variants(p.Secret)
	for offset, h := range p.hours() {
		for v, text := range texts {
			sum := md5.Sum([]byte(h.String() + "-" + text))
			hi, lo := binary.BigEndian.Uint64(sum[:8]), binary.BigEndian.Uint64(sum[8:])
			const mask = 1<<limbBits - 1
			n := number{lo & mask, (lo>>limbBits | hi<<(64-limbBits)) & mask, hi >> (2*limbBits - 64)}
			all, from = append(all, n), append(from, origin{sum, offset, secrets[v]})
		}
	}
	return all, from
}

// add adds a candidate.
func (s *Solution) add(p Query, o origin, bottom, size int) {
	r, err := knock.NewRange(bottom, bottom+size-1)
	if err != nil || len(s.Candidates) >= 1<<16 {
		return
	}
	s.Candidates = append(s.Candidates, Candidate{Hour: p.Hour.Add(o.offset), Offset: o.offset, Range: r, Variant: o.Variant})
}

// compare orders candidates, the likelier first.
func compare(p Query, a, b Candidate) int {
	odd := func(m Candidate) (n int) {
		if m.Range != p.Range {
			n += 4
		}
		if m.Variant != AsGiven {
			n += 2
		}
		if m.Range.Bottom() != p.Range.Bottom() && m.Range.Top() != p.Range.Top() {
			n++
		}
		return n
	}
	return cmp.Or(
		cmp.Compare(odd(a), odd(b)),
		cmp.Compare(max(a.Offset, -a.Offset), max(b.Offset, -b.Offset)),
		cmp.Compare(a.Offset, b.Offset),
	)
}
