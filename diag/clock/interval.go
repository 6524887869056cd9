package clock

import (
	"slices"
	"time"

	"rapport/knock"
)

// Interval is a range of offsets of a clock from this machine's. Both ends belong
// to it.
type Interval struct{ Low, High time.Duration }

// Middle returns the middle of the interval.
func (i Interval) Middle() time.Duration { return i.Low + i.HalfWidth() }

// HalfWidth returns how far the ends are from the middle, rounded down.
func (i Interval) HalfWidth() time.Duration { return (i.High - i.Low) / 2 }

// Contains reports whether d is in the interval.
func (i Interval) Contains(d time.Duration) bool { return i.Low <= d && d <= i.High }

// common returns the offsets of both intervals. Its ends are reversed if there are
// none.
func (i Interval) common(j Interval) Interval {
	return Interval{max(i.Low, j.Low), min(i.High, j.High)}
}

// Intersect returns the offsets that most intervals contain, like Marzullo's
// algorithm and NTP's selection (RFC 5905, 11.2.1), and which intervals agree with
// them. Spans with equally many votes count as one if an interval covers them
// all; else ok is false, as it is without intervals. An interval whose ends are
// reversed agrees with nothing.
func Intersect(all []Interval) (best Interval, agree []bool, ok bool) {
	agree = make([]bool, len(all))
	var spans []Interval // those with the most votes, from low to high
	votes := 1
	for _, a := range all {
		// A span of most votes starts where an interval starts.
		span, n := Interval{a.Low, a.High}, 0
		for _, b := range all {
			if b.Contains(a.Low) {
				n++
				span.High = min(span.High, b.High)
			}
		}
		switch {
		case n < votes || slices.Contains(spans, span):
		case n > votes:
			votes, spans = n, []Interval{span}
		default:
			spans = append(spans, span)
		}
	}
	if len(spans) == 0 {
		return Interval{}, agree, false
	}
	best = spans[0]
	for _, s := range spans {
		best = Interval{min(best.Low, s.Low), max(best.High, s.High)}
	}
	if len(spans) > 1 && !slices.ContainsFunc(all, func(i Interval) bool { return i.common(best) == best }) {
		return Interval{}, agree, false
	}
	for i, a := range all {
		agree[i] = a.Low <= a.High && a.Low <= best.High && best.Low <= a.High
	}
	return best, agree, true
}

// FromKnock returns the offsets of the server's clock that an opened gate allows.
// x seconds into this machine's hour, hour offset k opens the gate while the skew
// is within [3600k - x, 3600(k+1) - x). now is this machine's time, without skew.
func FromKnock(now time.Time, hourOffset int) Interval {
	start := knock.HourOf(now).Add(hourOffset).Start().Sub(now)
	return Interval{start, start + time.Hour - 1}
}

// HourOffset returns how many hours the server's hour is later than this
// machine's at its time now, if the server's clock is ahead by skew.
func HourOffset(now time.Time, skew time.Duration) int {
	return knock.HourOf(now.Add(skew)).Sub(knock.HourOf(now))
}
