package scan

import (
	"context"
	"slices"
	"time"

	"rapport/knock"
)

// search tries candidates until one is confirmed, all are tried, or there is no
// time to wait for the budget. A hit that does not repeat is recorded, and the
// search continues: someone else's handshake, or a mix of several candidates'
// ports, can open a gate too.
func (r *scanRun) search(ctx context.Context, groups [][]int) (found bool, err error) {
	todo, group := slices.Concat(groups...), map[int]int{}
	for n, g := range groups {
		for _, i := range g {
			group[i] = n
		}
	}
	for len(todo) > 0 && r.report.Stopped.IsZero() {
		n, err := r.afford(ctx, todo)
		if err != nil || n == 0 {
			return false, err
		}
		now := todo[:n]
		p := r.plan(now, group)
		if n = r.inTime(ctx, p); n == 0 {
			return false, nil
		} else if n < len(now) {
			now = todo[:n]
			p = r.plan(now, group)
		}
		planned := r.hour
		hit, err := r.try(ctx, p, now)
		if err != nil {
			return false, err
		}
		if hit < 0 && r.limited > 0 { // it was not seen whether that opened the gate
			if more, err := r.awaitLimit(ctx, now[0]); !more {
				return false, err
			}
			continue
		}
		if hit < 0 {
			if r.follow(); r.hour == planned { // else the server's rules have changed meanwhile
				todo = todo[n:]
			}
			continue
		}
		tried := now[:max(p.probedBy(hit)-maxLate, 0)] // a later one may have opened the gate late
		fits, err := r.filter(ctx, p, hit, now)
		if err != nil || !r.report.Stopped.IsZero() {
			return false, err
		}
		confirmed := fits[:min(len(fits), maxConfirmations+maxShared)]
		if found, err := r.confirmFirst(ctx, r.withEarlier(confirmed, now, p.probedBy(hit) <= lateProbes)); found || err != nil || !r.report.Stopped.IsZero() {
			return found, err
		}
		if len(confirmed) == 0 {
			tried = now[:p.probedBy(hit)]
		}
		// A candidate that fits but got no handshake of its own stays to be tried.
		done := append(slices.Clone(confirmed), slices.DeleteFunc(slices.Clone(tried), func(i int) bool { return slices.Contains(fits, i) })...)
		todo = slices.DeleteFunc(slices.Clone(todo), func(i int) bool { return slices.Contains(done, i) })
		if r.recordUnconfirmed(confirmed); len(r.unconfirmed)+r.unexplained >= maxUnconfirmed || r.late(patience) || r.spentConnections(2) {
			r.report.Stopped.Reason = NeverRepeat
		}
	}
	return false, nil
}

// awaitLimit waits until a limit may let a probe through again, and reports whether the candidate,
// whose probe it answered, is to be tried once more.
func (r *scanRun) awaitLimit(ctx context.Context, i int) (bool, error) {
	if r.report.Cells[i].State = Waiting; r.late(limitedBy) {
		return false, nil
	}
	if !knock.Wait(ctx, limitWait) {
		return false, context.Cause(ctx)
	}
	return true, nil
}

// withEarlier returns the candidates that fit a hit of the pass now with those whose knocks
// left within the window before: the client's own, if the caller has sent them, and the
// likeliest, right after the best one; more where none fits. When their probes get lost, they
// have opened the gate unseen, and when a knock does, another's at the same port opens it.
// The last ones of the pass before come first where the hit came at once, else last.
func (r *scanRun) withEarlier(fits, now []int, atOnce bool) []int {
	if r.StandIn {
		return fits
	}
	most := 3
	if len(fits) == 0 {
		most = maxConfirmations
	}
	best := fits[:min(1, len(fits))]
	all := slices.Clone(best)
	own := slices.IndexFunc(r.report.Cells, func(c Cell) bool { return c.IsClients(r.target.Range) })
	if own >= 0 && r.Spent > 0 && !slices.Contains(all, own) {
		all = append(all, own)
	}
	var before []int
	for i := range r.report.Cells {
		at, tried := r.sent[i]
		switch {
		case !tried || time.Since(at) > r.over()-time.Second || slices.Contains(all, i):
		case len(all) < most:
			all = append(all, i)
		case !slices.Contains(fits, i) && !slices.Contains(now, i):
			before = append(before, i)
		}
	}
	slices.SortFunc(before, func(a, b int) int { return r.sent[b].Compare(r.sent[a]) })
	before = before[:min(len(before), maxBefore)]
	rest := slices.DeleteFunc(slices.Clone(fits[len(best):]), func(i int) bool { return slices.Contains(all, i) })
	if atOnce {
		return slices.Concat(all, before, rest)
	}
	return slices.Concat(all, rest, before)
}

// plan returns the plan for the candidates of, with a pause where their group changes.
func (r *scanRun) plan(of []int, group map[int]int) scanPlan {
	ports, breaks := make([][knock.Knocks]uint16, len(of)), []int(nil)
	for n, i := range of {
		if ports[n] = r.ports(i); n > 0 && group[i] != group[of[n-1]] {
			breaks = append(breaks, n)
		}
	}
	copies := 1
	if !r.target.Strict && r.target.Gap < confirmGap && r.target.SweepGuard == 0 { // once more: packets may get lost
		copies = 1 + min(r.tries[of[0]], maxCopies-1)
	}
	speed := r.pace
	speed.pause = min(speed.pause, r.answerWait())
	speed.lead = r.Spent > 0 && r.report.Packets == 0 && r.Likeliest == 0 // the caller's knocks may have opened it
	return newScanPlan(ports, breaks, r.target, speed, copies)
}

// filter returns the candidates that fit a hit, the best first. Many of thousands
// do; those are scanned again alone.
func (r *scanRun) filter(ctx context.Context, p scanPlan, hit int, of []int) ([]int, error) {
	for pass := 1; ; pass++ {
		var fits []int
		for _, n := range p.explain(hit) {
			fits = append(fits, of[n])
		}
		if len(fits) <= maxConfirmations+maxShared || pass == maxPasses || r.target.SweepGuard > 0 {
			return fits, nil
		}
		if err := r.windowOver(ctx); err != nil {
			return nil, err
		}
		again := r.plan(fits, nil)
		n, err := r.try(ctx, again, fits)
		if err != nil || !r.report.Stopped.IsZero() || n < 0 { // the list from before is the best known
			return fits, err
		}
		p, hit, of = again, n, fits
	}
}
