package scan

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"rapport/diag/clock"
	"rapport/knock"
	"rapport/knock/phrase"
	"rapport/knock/solve"
)

// DefaultPast is how many hours back a scan usually goes: it covers all time zones.
const DefaultPast = 26

// Candidates are the ones worth trying at the time now of this machine, the
// likeliest first: the hours from past before to future after the client's, those up to this
// machine's own, where a skew is set, and those that clock, if not nil, allows; the client's
// range, the ranges in also, and the client's with an end or both off by one; and, for the likeliest
// hours, the secret with its newline, CR, spaces or case changed, and the ranges that
// people use.
func Candidates(now time.Time, t knock.Target, past, future int, also []knock.Range, clock *clock.Report) []solve.Candidate {
	hour := knock.HourOf(now.Add(t.Skew))
	low, high := clockOffsets(now, t, clock)
	var all []weighed
	had := map[solve.Candidate]bool{}
	add := func(h solve.Candidate, cost int) {
		if !had[h] {
			had[h] = true
			all = append(all, weighed{h, cost})
		}
	}
	bare := bareOffset(now, t)
	for offset := min(-past, low, bare); offset <= max(future, high, bare); offset++ {
		allowed := low <= offset && offset <= high || offset == bare
		between := 0 < offset && offset < bare // over by this machine's clock, as after a change to summer time
		if (offset < -past || offset > future) && !allowed && !between {
			continue
		}
		h := solve.Candidate{Hour: hour.Add(offset), Offset: offset, Range: t.Range, Variant: solve.AsGiven}
		if h.Hour.Sub(hour) != offset {
			continue // no four-digit year has it
		}
		// A large clock error is rarer than a small one, and a slip in the range is
		// rarer still, unless the user names the range.
		cost := 8 + max(offset, -offset)
		if allowed || offset == 0 {
			cost = 0
		}
		add(h, cost)
		for _, x := range slips(h, offset, cost, t, also) {
			add(x.Candidate, x.cost)
		}
	}
	slices.SortStableFunc(all, func(a, b weighed) int {
		return cmp.Or(cmp.Compare(a.cost, b.cost), cmp.Compare(b.Offset, a.Offset))
	})
	out := make([]solve.Candidate, len(all))
	for i, w := range all {
		out[i] = w.Candidate
	}
	return out
}

// bareOffset is the hour of this machine's clock without the skew that is set, which may have
// outlived its reason.
func bareOffset(now time.Time, t knock.Target) int {
	return knock.HourOf(now).Sub(knock.HourOf(now.Add(t.Skew)))
}

// weighed is a candidate and how unlikely it is.
type weighed struct {
	solve.Candidate
	cost int
}

// slips are the candidates of an hour, which has that cost, with another range or
// variant.
func slips(h solve.Candidate, offset, cost int, t knock.Target, also []knock.Range) (all []weighed) {
	add := func(ranges []knock.Range, cost int) {
		for _, r := range ranges {
			all = append(all, weighed{solve.Candidate{Hour: h.Hour, Offset: h.Offset, Range: r, Variant: solve.AsGiven}, cost})
		}
	}
	add(also, cost+10)
	add(solve.Neighbours(t.Range), cost+40)
	if cost == 0 || offset == -1 {
		add(solve.CommonRanges(), 60+max(offset, -offset))
	}
	if cost > 0 {
		h.Variant = solve.NoNewline // the commonest, with any hour
		return append(all, weighed{h, cost + 45})
	}
	for _, v := range solve.Variants(t.Secret) {
		h.Variant = v
		all = append(all, weighed{h, cost + 20})
	}
	return all
}

// clockOffsets returns the range of hour offsets that the clocks allow; 0, 0 if
// they are unknown or allow more than three hours.
func clockOffsets(now time.Time, t knock.Target, clock *clock.Report) (low, high int) {
	if clock == nil || !clock.Known {
		return 0, 0
	}
	hour := knock.HourOf(now.Add(t.Skew))
	low = knock.HourOf(now.Add(clock.Interval().Low)).Sub(hour)
	high = knock.HourOf(now.Add(clock.Interval().High)).Sub(hour)
	if high-low > 2 {
		return 0, 0
	}
	return low, high
}

// trying says how many candidates a scan is going to try; one that keeps within a sweep guard
// rarely comes to the last.
func trying(n int, guarded bool) string {
	if guarded {
		return "trying at most " + phrase.Plural(n, "candidate")
	}
	return "trying " + phrase.Plural(n, "candidate")
}

// announce says what a scan sends, or sent, and what that reveals to an eavesdropper: the
// offset bare is no future hour by this machine's clock.
func announce(what string, all []solve.Candidate, bare int) string {
	if len(all) == 0 {
		return "nothing to try"
	}
	hours, ranges := map[knock.Hour]bool{}, map[knock.Range]bool{}
	for _, h := range all {
		hours[h.Hour], ranges[h.Range] = true, true
	}
	byOffset := func(a, b solve.Candidate) int { return cmp.Compare(a.Offset, b.Offset) }
	first, last := slices.MinFunc(all, byOffset), slices.MaxFunc(all, byOffset)
	s := fmt.Sprintf("%s: %s, %s", what, phrase.Plural(len(hours), "hour"), phrase.Plural(len(ranges), "range"))
	if len(hours) > 1 {
		s += fmt.Sprintf(", from %v to %v", first.Hour, last.Hour)
	}
	if last.Offset <= max(bare, 0) {
		return s + "; an eavesdropper can use them until the server's hour ends"
	}
	return s + fmt.Sprintf("; an eavesdropper who records them can open the gate in future hours, until %v", last.Hour)
}
