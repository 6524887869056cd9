package scan

import (
	"cmp"
	"context"
	"slices"
	"time"

	"rapport/knock"
	"rapport/knock/gate/script"
	"rapport/knock/solve"
)

const (
	maxRefill = 5 * time.Minute // how long a scan without a deadline waits for its budget in all
)

// budget counts the wrong ports that a gate's sweep guard still forgives: a token
// bucket, like the kernel's limits. It assumes the worst, that every knock is at a
// wrong port. Hours around the server's cost nothing if range and secret are
// right, but that is not known yet.
type budget struct {
	guard int // tokens a minute, and the size of the bucket
	spent float64
	at    time.Time // when spent was computed, and the last knock sent
	total int       // knocks in all
}

// spend records n knocks.
func (b *budget) spend(n int, now time.Time) {
	b.spent = b.owed(now) + float64(n)
	b.at = now
	b.total += n
}

// owed is the part of the budget that is not refilled yet.
func (b *budget) owed(now time.Time) float64 {
	return max(0, b.spent-now.Sub(b.at).Minutes()*float64(b.guard))
}

// free is how many wrong ports are forgiven now.
func (b *budget) free(now time.Time) int { return int(float64(b.guard) - b.owed(now)) }

// wait is how long it takes until n wrong ports are forgiven, and a second more,
// since packets may arrive closer together than they left.
func (b *budget) wait(n int, now time.Time) time.Duration {
	missing := b.owed(now) + float64(n) - float64(b.guard)
	if missing <= 0 {
		return 0
	}
	return time.Duration(missing/float64(b.guard)*float64(time.Minute)) + time.Second
}

// inStages returns the candidates in the order in which they are tried, and in stages
// the indices of those that are tried together. [Scan.Between] is called after the
// stages with the indices pauses. likely is the hour offset that the
// clocks show, or 0.
//
// With a known guard, other hours and slips in range or secret take turns, all in
// one stage that the budget paces. Without one, the first stage holds the slips
// for which the usual guard forgives enough wrong ports, and one more, since the
// right one costs nothing. Then come the other hours, which cost nothing if range
// and secret are right: three times, since one lost packet hides the right one, but
// once on loopback. Then come the ranges that people use, twice, and the rest last.
func (s *Scan) inStages(all []solve.Candidate, t knock.Target, likely int) (out []solve.Candidate, stages [][]int, pauses []int) {
	first, own, slips, rest := s.sort(all, t, likely)
	add := func(lists ...[]solve.Candidate) {
		var next []int
		for _, h := range slices.Concat(lists...) {
			next = append(next, len(out))
			out = append(out, h)
		}
		stages = append(stages, next)
	}
	if t.SweepGuard > 0 || s.Likeliest > 0 {
		add(first, inTurns(slips, own), rest)
		return out, stages, nil
	}
	n := min(max((script.DefaultSweepGuard-s.Spent)/knock.Knocks+1-len(first), 0), len(slips))
	if len(first) > 0 { // a few packets find the likeliest, before a ban of scanners counts more
		add(first)
	}
	likeliest := slices.Clone(stages)
	add(slips[:n])
	before := len(stages)
	for _, group := range splitHours(own) {
		few := min(fewHours, len(group))
		if add(group[:few]); len(group) > few {
			add(group[few:])
		}
	}
	if t.Addr.Addr().IsLoopback() {
		pauses = append(pauses, len(stages)-1)
		add(slips[n:], rest)
		return out, stages, pauses
	}
	pauses = append(pauses, len(stages)-1)
	hours, tried := stages[before:], slices.Concat(stages...)
	if len(splitHours(own)) > 1 { // apart, as they were
		stages = slices.Concat(stages, likeliest, hours)
	} else {
		stages = append(stages, slices.Concat(slices.Concat(likeliest...), slices.Concat(hours...)))
	}
	stages = append(stages, tried)
	common := slices.DeleteFunc(slices.Clone(rest), func(h solve.Candidate) bool {
		return h.Variant != solve.AsGiven || !slices.Contains(solve.CommonRanges(), h.Range)
	})
	add(common)
	stages = append(stages, stages[len(stages)-1])
	slowly := len(stages) - 1
	add(slips[n:], slices.DeleteFunc(rest, func(h solve.Candidate) bool { return slices.Contains(common, h) }))
	if onLink(t.Addr.Addr()) { // there the rest takes a second
		slowly++
	}
	pauses = append(pauses, slowly)
	return out, stages, pauses
}

// inTurns returns one of a, one of b, and so on.
func inTurns(a, b []solve.Candidate) (all []solve.Candidate) {
	for i := range max(len(a), len(b)) {
		all = append(all, a[min(i, len(a)):min(i+1, len(a))]...)
		all = append(all, b[min(i, len(b)):min(i+1, len(b))]...)
	}
	return all
}

// sort splits candidates into the likeliest, the other hours of the client's range and
// secret, single slips in range or secret, the likeliest of each first, and the rest.
func (s *Scan) sort(all []solve.Candidate, t knock.Target, likely int) (first, own, slips, rest []solve.Candidate) {
	if s.Proven != nil {
		first = append(first, *s.Proven)
	}
	for _, h := range all {
		mine := h.Range == t.Range && h.Variant == solve.AsGiven
		switch {
		case s.Proven != nil && h == *s.Proven:
		case mine && (h.Offset == likely && h.Offset != 0 || h.Offset == 0 && s.Spent == 0 || h.Offset == -1):
			first = append(first, h) // unless the caller has just sent that sequence
		case mine:
			own = append(own, h)
		case h.Offset == likely && slipRank(h, t) >= 0 && (slices.Contains(s.Also, h.Range) || slipRank(h, t) > 0):
			slips = append(slips, h)
		default:
			rest = append(rest, h)
		}
	}
	if s.Likeliest > 0 {
		hours := slices.DeleteFunc(slices.Concat(first, own), func(h solve.Candidate) bool {
			return h.Range != t.Range || h.Variant != solve.AsGiven || h.Offset == 0 && s.Spent > 0
		})
		return hours[:min(len(hours), s.Likeliest)], nil, nil, nil
	}
	slices.SortStableFunc(slips, func(a, b solve.Candidate) int { return cmp.Compare(slipRank(a, t), slipRank(b, t)) })
	return first, own, slips, rest
}

// fewHours is how many hours are tried before the others.
const fewHours = 4

// ownHours is how many hours around the server's have ports that the guard does
// not count as wrong.
const ownHours = 26

// splitHours splits hours into groups no wider than ownHours allows: to a server
// that is far behind, hours ahead are wrong ports, and the other way round.
func splitHours(hours []solve.Candidate) [][]solve.Candidate {
	var near, past, future []solve.Candidate
	first, last := 0, 0
	for _, h := range hours {
		first, last = min(first, h.Offset), max(last, h.Offset)
		switch {
		case h.Offset < -ownHours/2:
			past = append(past, h)
		case h.Offset > ownHours/2:
			future = append(future, h)
		default:
			near = append(near, h)
		}
	}
	if last-first <= ownHours {
		return [][]solve.Candidate{hours}
	}
	return [][]solve.Candidate{near, past, future}
}

// slipRank ranks a range or variant that is not the client's: the lower, the
// likelier; negative if it takes more than one slip. Ranges that the user names
// come first.
func slipRank(h solve.Candidate, t knock.Target) int {
	type slip struct {
		bottom, top int
		variant     solve.Variant
	}
	order := []slip{
		{0, 1, solve.AsGiven}, {0, 0, solve.NoNewline}, {0, -1, solve.AsGiven}, {1, 0, solve.AsGiven}, {-1, 0, solve.AsGiven}, {0, 0, solve.LowerCase}, {0, 0, solve.CarriageReturn},
		{0, 0, solve.TwoNewlines}, {1, 1, solve.AsGiven}, {-1, -1, solve.AsGiven},
	}
	s := slip{h.Range.Bottom() - t.Range.Bottom(), h.Range.Top() - t.Range.Top(), h.Variant}
	switch i := slices.Index(order, s); {
	case i >= 0:
		return 1 + i
	case h.Variant == solve.AsGiven:
		return 0
	case h.Range == t.Range:
		return 1 + len(order)
	}
	return -1
}

// afford returns how many candidates of n may be tried now: all of them, unless the
// gate's sweep guard is known. Then it waits until the guard forgives one more,
// and returns 0 if that takes too long.
func (r *scanRun) afford(ctx context.Context, n int) (int, error) {
	if r.target.SweepGuard == 0 {
		return n, nil
	}
	now := time.Now()
	wait := r.budget.wait(knock.Knocks, now)
	deadline, bounded := ctx.Deadline()
	switch {
	case r.target.SweepGuard < knock.Knocks,
		r.Proven != nil && wait > 0,
		bounded && now.Add(wait).After(deadline),
		!bounded && r.refillWait+wait > maxRefill:
		return 0, nil
	case wait > 0:
		r.refillWait += wait
		r.report.Pausing = true
		r.notify(true)
		if !knock.Wait(ctx, wait) {
			return 0, context.Cause(ctx)
		}
		r.report.Pausing = false
	}
	return min(n, r.budget.free(time.Now())/knock.Knocks), nil
}
