package clock

import (
	"errors"
	"fmt"
	"math"
	"time"

	"rapport/knock"
)

// How the start of the server's second is found.
const (
	edgeTime = 2500 * time.Millisecond // at most; two edges pass in it for certain
	edgeAsks = 16                      // at most; about 8 are usual
	edgeGoal = 15 * time.Millisecond   // what is left between two questions at the edge
	edgeRest = 50 * time.Millisecond   // what is left for the last answer
)

// refine finds the fraction of a second: it asks again around the moments at which
// the Date changes. If a later question fails, the result so far stands.
func (w *webClock) refine(first dated) (Interval, error) {
	end := first.to.Add(edgeTime)
	if deadline, ok := w.ctx.Deadline(); ok {
		if left := first.to.Add(time.Until(deadline) - edgeRest); left.Before(end) {
			end = left
		}
	}
	known := first.interval()
	rtt := first.to.Sub(first.from)
	var step time.Duration
	moved := false // the Date, at least once
	for n, fresh := 1, true; n < edgeAsks && first.reuse; n++ {
		left := known.High - known.Low - rtt - coarse // no answer can resolve the rest
		if left <= edgeGoal {
			break
		}
		now := w.now()
		if fresh || left <= step+step/2 {
			step = stepSize(left, edgesLeft(now, end, known.Low), edgeAsks-n)
		}
		// Ask when the server's second changes if its clock is ahead by split: the
		// answer shows on which side of split it is.
		split := known.High - coarse - rtt/2 - min(step, left)
		at := nextSecond(now.Add(rtt/2 + split)).Add(-split - rtt/2)
		if at.After(end) || !knock.Wait(w.ctx, at.Sub(now)) {
			break
		}
		d, err := w.ask()
		if err != nil {
			break
		}
		rtt = min(rtt, d.to.Sub(d.from))
		fresh = d.interval().Low > known.Low
		moved = moved || !d.date.Equal(first.date)
		if known = known.common(d.interval()); known.Low > known.High {
			return known, contradiction(first, d)
		}
		if !d.reuse {
			break
		}
	}
	// A Date that never moved is asked for once more, over a second after the first.
	at := first.to.Add(time.Second + 2*coarse + first.to.Sub(first.from))
	if moved || at.After(end) || !knock.Wait(w.ctx, at.Sub(w.now())) {
		return known, nil
	}
	if d, err := w.ask(); err == nil {
		if known = known.common(d.interval()); known.Low > known.High {
			return known, contradiction(first, d)
		}
	}
	return known, nil
}

// contradiction explains two answers that no single clock can give.
func contradiction(first, last dated) error {
	if passed := last.from.Sub(first.from); first.date.Equal(last.date) && passed > time.Second {
		return fmt.Errorf("a cache answered: the same Date after %.1f s", passed.Seconds())
	}
	return errors.New("its Dates contradict each other: more than one clock answers, or it was set just now")
}

// edgesLeft returns how many changes of the server's second come before end, at
// least one, if its clock is ahead by low or more.
func edgesLeft(now, end time.Time, low time.Duration) int {
	edge := nextSecond(now.Add(low)).Add(-low)
	return max(1, 1+int(end.Sub(edge)/time.Second))
}

// stepSize divides the interval that is left, so that the remaining changes of the
// second lead to the goal with few questions, and no more than asks.
func stepSize(left time.Duration, edges, asks int) time.Duration {
	parts := math.Ceil(math.Pow(float64(left)/float64(edgeGoal), 1/float64(edges)))
	parts = min(parts, float64(asks/edges)+1)
	return left / time.Duration(max(parts, 2))
}

// nextSecond returns the first whole second at or after t.
func nextSecond(t time.Time) time.Time {
	if whole := t.Truncate(time.Second); whole.Before(t) {
		return whole.Add(time.Second)
	}
	return t
}
