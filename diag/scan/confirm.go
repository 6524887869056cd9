package scan

import (
	"cmp"
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"rapport/knock"
	"rapport/knock/solve"
)

const (
	maxPasses        = 3                // of the candidates that fit one hit
	maxConfirmations = 6                // candidates that fit a hit and get a handshake of their own
	maxBefore        = 4                // more of the pass before
	lateProbes       = 3                // that open a gate unseen
	maxShared        = 2                // more of them that fit it if a knock got lost
	maxConfirming    = 10 * time.Second // for the candidates of one hit, after the window
	// patience is how long after its beginning a diagnosis goes on after hits that do not
	// repeat.
	patience = 21 * time.Second
	// roundsBy is until when a candidate is confirmed once more: that takes up to 10 s, of
	// the 30 s that a diagnosis may take.
	roundsBy = 19500 * time.Millisecond
	// stagesBy is until when another stage is begun: with its waits it takes up to 4 s.
	stagesBy = 25 * time.Second
	// triesBy is until when such a confirmation may be tried twice.
	triesBy = 25 * time.Second
	// limitWait is how long nothing is sent where a limit answered a probe, and limitedBy until when.
	limitWait, limitedBy = 2 * time.Second, 23 * time.Second
	// longestWindow is the longest one whose end is waited for.
	longestWindow  = 10 * time.Second
	maxUnconfirmed = 3 // hits that may fail to repeat: each costs a window
	// maxConnections is how many connections to SSH are made: more look like an attack to a
	// server that counts them. A hit takes one, and its confirmation another.
	maxConnections = 4
	// maxLate is how many probes late a gate may open: candidates that recent are
	// tried again after a hit that did not repeat.
	maxLate   = 12
	maxCopies = 3 // of each knock of a candidate that is tried once more
)

// spentConnections reports whether so many more connections to SSH are too many. A stand-in
// counts none.
func (r *scanRun) spentConnections(more int) bool {
	if r.Made != nil {
		more += r.Made()
	}
	return r.report.Connections+more > maxConnections && !r.StandIn
}

// late reports whether the diagnosis has taken longer than that. A known guard makes any
// scan long.
func (r *scanRun) late(limit time.Duration) bool {
	return r.target.SweepGuard == 0 && time.Since(cmp.Or(r.Began, r.start)) > limit
}

// lateToConfirm reports whether there is no time to wait for the end of a window.
func (r *scanRun) lateToConfirm() bool {
	return !r.ConfirmBy.IsZero() && (r.last.Add(r.over()).After(r.ConfirmBy) || time.Now().After(r.ConfirmBy))
}

// recordUnconfirmed records a hit that did not repeat, also one that no candidate
// explains.
func (r *scanRun) recordUnconfirmed(fits []int) {
	if len(fits) == 0 {
		r.unexplained++
	} else {
		best := &r.report.Cells[fits[0]]
		best.State = Tried
		r.unconfirmed = append(r.unconfirmed, fits[0])
		r.report.Unconfirmed = append(r.report.Unconfirmed, best.Candidate)
	}
	r.report.Opened, r.report.Confirming = nil, false
	r.notify(true)
}

// confirmFirst makes a handshake for each candidate that fits, after the window,
// until one opens the gate.
func (r *scanRun) confirmFirst(ctx context.Context, fits []int) (bool, error) {
	if len(fits) == 0 {
		return false, r.windowOver(ctx)
	}
	r.report.Opened, r.report.Confirming = new(r.report.Cells[fits[0]].Candidate), true
	r.report.Cells[fits[0]].State = Hit
	r.notify(true)
	if r.report.SSH.State == knock.SSHRefusing {
		r.report.Stopped = Stop{Reason: Refusing, SSH: r.report.SSH}
		return false, nil
	}
	if long := r.target.Window > longestWindow; long || r.lateToConfirm() || r.spentConnections(1) {
		// After hits that did not repeat, one more says nothing without a confirmation. Nor
		// does one that comes late, and not when it was first tried: where packets get lost
		// the best may be another.
		first := len(r.unconfirmed)+r.unexplained == 0 && !r.doubtful() && (long || r.Likeliest > 0 || r.tries[fits[0]] == 1)
		return first && r.stillOpen(fits[0], *r.report.Opened), nil
	}
	if r.Limited != knock.SSHUnknown {
		return r.confirmLimited(ctx, fits[0])
	}
	return r.confirmEach(ctx, fits)
}

// confirmLimited is confirmFirst where connections to SSH are limited. What opened the gate stands
// without a confirmation too: the limit may have answered that.
func (r *scanRun) confirmLimited(ctx context.Context, i int) (bool, error) {
	if err := r.windowOver(ctx); err != nil {
		return false, err
	}
	opened, err := r.confirmSurely(ctx, i, 0, false, shut)
	if opened || err != nil {
		return opened, err
	}
	r.report.Stopped = Stop{}
	return r.stillOpen(i, r.report.Cells[i].Candidate), nil
}

// confirmEach is confirmFirst, once it is known to make sense: the best alone, and many
// beside each other where the gate allows that, which takes the time of two. All of them get
// more than one: a knock may get lost.
func (r *scanRun) confirmEach(ctx context.Context, fits []int) (bool, error) {
	hit, begun := r.hour, time.Now()
	alone, beside := r.apart(fits)
	back := 0
	over := func(first bool) bool {
		return !first && (r.late(patience) || r.spentConnections(1) || time.Since(begun) > r.over()+maxConfirming)
	}
	for pass := range maxTogether {
		for n, i := range alone {
			first := pass == 0 && n == 0
			if over(first) || pass > 1 && len(beside) == 0 {
				return false, nil
			}
			// A stand-in may open late: the next handshake must not get the credit.
			if first || r.StandIn {
				if err := r.windowOver(ctx); err != nil {
					return false, err
				}
			}
			opened, err := r.confirmSurely(ctx, i, back, !first, shut)
			if opened || err != nil || !r.report.Stopped.IsZero() {
				return opened, err
			}
		}
		if len(beside) > 0 && !over(false) {
			i, o, err := r.confirmTogether(ctx, beside, back)
			if err == nil && o != shut && r.report.Stopped.IsZero() {
				var opened bool
				if opened, err = r.confirmSurely(ctx, i, back, true, o); opened {
					return true, err
				}
			}
			if err != nil || !r.report.Stopped.IsZero() {
				return false, err
			}
		}
		r.follow()
		back = hit.Sub(r.hour)
	}
	return false, nil
}

// confirmAgain makes the handshakes of unconfirmed hits once more: packets get lost.
func (r *scanRun) confirmAgain(ctx context.Context) (bool, error) {
	if len(r.unconfirmed) == 0 {
		return false, nil
	}
	for _, i := range r.unconfirmed[:min(len(r.unconfirmed), maxConfirmations)] {
		if r.spentConnections(1) {
			return false, nil
		}
		if opened, err := r.confirmSurely(ctx, i, 0, true, shut); opened || err != nil || !r.report.Stopped.IsZero() {
			return opened, err
		}
	}
	return false, nil
}

// opening is how SSH opened around the handshake of a candidate.
type opening int

const (
	shut    opening = iota
	early           // before its fifth knock, perhaps by its first try
	late            // after its fifth knock
	prompt          // right after it, and not before
	endless         // it was open before both of two tries, a window apart
)

// maxRounds is how many handshakes a candidate gets, a window apart, until there is no doubt.
const maxRounds = 3

// confirmSurely makes handshakes of one candidate, and records it if there is no doubt:
// SSH opens promptly, and twice where somebody else's may have opened it: after another
// handshake (before), and after hits that did not repeat. One of two may be late, since
// packets get lost, or three of three, since a gate may be slow. o is what one beside others did, which says less: there any moment is
// right after somebody's fifth knock. Nobody waits twice for a stand-in.
func (r *scanRun) confirmSurely(ctx context.Context, i, back int, before bool, o opening) (bool, error) {
	doubt := before || r.doubtful() || len(r.unconfirmed)+r.unexplained > 0
	proof := map[opening]int{late: 1, prompt: 2}
	proven, beside := 0, o != shut
	if beside {
		proven = proof[o] - proof[late]
	}
	for round := range maxRounds {
		if round > 0 {
			if r.late(roundsBy) || r.lateToConfirm() || r.spentConnections(1) {
				return o == late && !doubt && r.stillOpen(i, r.earlier(i, back)), nil
			}
			// Not in step with somebody who knocks again and again.
			if !knock.Wait(ctx, r.over()-time.Second/2+rand.N(time.Second)) {
				return false, context.Cause(ctx)
			}
		}
		if round == 0 && beside {
			continue
		}
		r.follow()
		c := r.earlier(i, back)
		tries := min(round+1, 2)
		if r.late(triesBy) {
			tries = 1
		}
		var err error
		if o, err = r.confirmAnyhow(ctx, c, tries); err != nil {
			return false, err
		}
		proven, beside = proven+proof[o], false
		switch {
		case o == shut, o == endless && (round > 0 || doubt):
			return false, nil
		case o == endless:
			r.report.Endless = true
			return r.stillOpen(i, c), nil
		case r.StandIn, proven > proof[prompt], proven == proof[prompt] && round == 0 && !doubt:
			r.record(i, c)
			r.report.Confirmed = true
			return true, nil
		case round > 0:
			doubt = true // it opened at another time again
		}
	}
	return false, nil
}

// record records the candidate i, at its hour c, as what opened the gate.
func (r *scanRun) record(i int, c solve.Candidate) {
	for n, x := range r.report.Cells {
		if x.State == Hit {
			r.report.Cells[n].State = Tried
		}
	}
	r.report.Cells[i] = Cell{c, Hit}
	r.report.Opened, r.report.Unconfirmed = &c, slices.DeleteFunc(slices.Clone(r.report.Unconfirmed), func(u solve.Candidate) bool { return u == c })
}

// confirm makes the handshake of one candidate between probes of SSH, up to so many times:
// packets get lost.
func (r *scanRun) confirm(ctx context.Context, c solve.Candidate, tries int) (opening, error) {
	packets, controls, soon := r.confirmation(c)
	o := knock.BatchOptions{Shut: r.shutOrLimited()}
	if !r.StandIn {
		o.Wait = r.answerWait()
	}
	missed, open := false, false
	for {
		v, err := r.send(ctx, packets, o, func(int, knock.Answer) {})
		switch {
		case err != nil, v.Hit >= controls && v.SSH.State == knock.SSHRefused && r.refused > 0: // as the knocks are: nothing opened
			return shut, err
		case v.Hit < 0:
			if tries--; tries == 0 || !r.report.Stopped.IsZero() {
				return shut, nil
			}
			missed = true
			continue
		case v.Hit >= controls || missed:
			r.report.SSH = v.SSH
			switch {
			case v.Hit < controls:
				return early, nil
			case v.Hit < soon:
				return prompt, nil
			}
			return late, nil
		case open && v.SSH.State.Connected():
			r.report.SSH = v.SSH
			return endless, nil
		case open: // a window that is open so long is rarer than a ban of scanners
			if !slices.Contains(r.report.Unconfirmed, c) {
				r.report.Unconfirmed = append(r.report.Unconfirmed, c)
			}
			r.report.Opened, r.report.Stopped = nil, Stop{Reason: Changed, SSH: v.SSH}
			return shut, nil
		}
		open = true // a window that every connection extends, or the rest of one
		if r.report.SSH = v.SSH; r.lateToConfirm() {
			return early, nil
		}
		if err := r.windowOver(ctx); err != nil {
			return shut, err
		}
		// That it is shut then has to be seen surely: an answer without a knock outweighs silence.
		if !r.target.Strict && r.target.Gap < confirmGap {
			r.more += maxCopies
			packets, controls, soon = r.confirmation(c)
		}
	}
}

// confirmAnyhow is confirm, and once more with single knocks where that opened nothing: a strict
// gate starts over at a repeated one.
func (r *scanRun) confirmAnyhow(ctx context.Context, c solve.Candidate, tries int) (opening, error) {
	strict := r.target.Strict
	defer func() { r.target.Strict = strict }()
	r.target.Strict = strict && !r.AsStrict
	o, err := r.confirm(ctx, c, tries)
	if r.AsStrict && err == nil {
		r.report.Strict = o == shut
	}
	if err != nil || o != shut || r.target.Strict || r.target.Gap > confirmGap || r.StandIn || !r.report.Stopped.IsZero() || r.late(triesBy) {
		return o, err
	}
	r.target.Strict = true
	return r.confirm(ctx, c, 1)
}

// stillOpen records that a candidate opens the gate, as far as there is time to confirm
// it: its window may be too long.
func (r *scanRun) stillOpen(i int, c solve.Candidate) bool {
	r.record(i, c)
	r.report.StillOpen = true
	return true
}
