package scan

import (
	"context"
	"slices"
	"time"

	"rapport/knock"
	"rapport/knock/gate/script"
)

const (
	// maxPasses bounds how often the hypotheses that fit one hit are scanned.
	maxPasses = 3
	// maxConfirmations bounds how many hypotheses that explain a hit are told apart
	// by handshakes.
	maxConfirmations = 6
	// maxLate is how many looks a gate may be late that a hit is put aside for.
	maxLate = 12
	// maxUnconfirmed bounds how many hits are put aside: each costs a window.
	maxUnconfirmed = 10
	// confirmGap is the time between the knocks of a confirmation: it has to be
	// right rather than quick.
	confirmGap = 50 * time.Millisecond
)

// search tries hypotheses until one is confirmed, all are tried, or the budget's
// time is over. A hit that does not repeat is put aside, and the search goes on
// with the others: somebody else's handshake, or ports of several hypotheses,
// can open a gate as well.
func (r *scanRun) search(ctx context.Context, todo []int) (found bool, err error) {
	for len(todo) > 0 && !found && r.report.Stopped == "" {
		n, err := r.afford(ctx, len(todo))
		if err != nil || n == 0 {
			return false, err
		}
		now := todo[:n]
		p := r.plan(now)
		hit, err := r.try(ctx, p, now)
		if err != nil {
			return false, err
		}
		if hit < 0 {
			todo = todo[n:]
			continue
		}
		looked := now[:max(p.probedBy(hit)-maxLate, 0)] // of later ones the gate may have been late
		fits, err := r.filter(ctx, p, hit, now)
		if err != nil || r.report.Stopped != "" {
			return false, err
		}
		asked := fits[:min(len(fits), maxConfirmations)]
		if found, err = r.confirmFirst(ctx, asked); found || err != nil || r.report.Stopped != "" {
			return found, err
		}
		if len(asked) == 0 {
			looked = now[:p.probedBy(hit)]
		}
		// What fits as well and was not asked is not settled, though looked at.
		over := append(slices.Clone(asked), slices.DeleteFunc(slices.Clone(looked), func(i int) bool { return slices.Contains(fits, i) })...)
		todo = slices.DeleteFunc(slices.Clone(todo), func(i int) bool { return slices.Contains(over, i) })
		if r.recordUnconfirmed(asked); len(r.unconfirmed) >= maxUnconfirmed {
			r.report.Stopped = "SSH opens again and again, and never by what seemed to open it: someone else's handshakes, or a gate that works in another way"
		}
	}
	return found, nil
}

// recordUnconfirmed notes a hit that did not repeat. Without a hypothesis that explains
// it, it counts all the same.
func (r *scanRun) recordUnconfirmed(fits []int) {
	best := -1
	if len(fits) > 0 {
		best = fits[0]
		r.report.Unconfirmed = append(r.report.Unconfirmed, r.all[best])
		r.report.Cells[best].State = Tried
	}
	r.unconfirmed = append(r.unconfirmed, best)
	r.report.Opened, r.report.Confirming = nil, false
	r.notify(true)
}

// plan is how the hypotheses of are scanned.
func (r *scanRun) plan(of []int) scanPlan {
	ports := make([][knock.Knocks]uint16, len(of))
	for n, i := range of {
		ports[n] = r.ports[i]
	}
	return newScanPlan(ports, r.target, paceTo(r.target.Addr.Addr()))
}

// filter returns the hypotheses that fit a hit, the best first. Among thousands,
// many do: they are scanned again by themselves.
func (r *scanRun) filter(ctx context.Context, p scanPlan, hit int, of []int) ([]int, error) {
	for pass := 1; ; pass++ {
		var fits []int
		for _, n := range p.explain(hit) {
			fits = append(fits, of[n])
		}
		if len(fits) <= maxConfirmations || pass == maxPasses || r.target.SweepGuard > 0 {
			return fits, nil
		}
		if !knock.Wait(ctx, r.target.Window+time.Second) {
			return nil, context.Cause(ctx)
		}
		again := r.plan(fits)
		n, err := r.try(ctx, again, fits)
		if err != nil || r.report.Stopped != "" || n < 0 { // what fitted before is all that is known
			return fits, err
		}
		p, hit, of = again, n, fits
	}
}

// confirmFirst finds out which of the hypotheses that fit is the one, by a handshake
// for each once the window is over.
func (r *scanRun) confirmFirst(ctx context.Context, fits []int) (bool, error) {
	if len(fits) == 0 {
		if !knock.Wait(ctx, r.target.Window+time.Second) {
			return false, context.Cause(ctx)
		}
		return false, nil
	}
	found := r.all[fits[0]]
	r.report.Opened, r.report.Confirming = &found, true
	r.report.Cells[fits[0]].State = Hit
	r.notify(true)
	if r.report.SSH.State == knock.SSHRefusing {
		r.report.Stopped = r.report.SSH.Summary()
		return false, nil
	}
	if !knock.Wait(ctx, r.target.Window+time.Second) {
		return false, context.Cause(ctx)
	}
	for n, i := range append(slices.Clone(fits), fits[0]) { // once more: a knock may get lost
		// What a stand-in opens late is not what is knocked next.
		if n > 0 && r.target.Addr.Addr().IsLoopback() && !knock.Wait(ctx, r.target.Window+time.Second) {
			return false, context.Cause(ctx)
		}
		if opened, err := r.confirm(ctx, i); opened || err != nil || r.report.Stopped != "" {
			return opened, err
		}
	}
	return false, nil
}

// confirmAgain confirms hits once more that were put aside, once a guard that the scan
// may have run into has forgotten it.
func (r *scanRun) confirmAgain(ctx context.Context) (bool, error) {
	aside := slices.DeleteFunc(slices.Clone(r.unconfirmed), func(i int) bool { return i < 0 })
	if len(aside) == 0 {
		return false, nil
	}
	if b := r.budget; r.target.SweepGuard == 0 && !r.Unguarded && b.total > script.DefaultSweepGuard && !r.target.Addr.Addr().IsLoopback() {
		if !knock.Wait(ctx, guardTime+time.Second-time.Since(b.last)) {
			return false, context.Cause(ctx)
		}
	}
	for _, i := range aside[:min(len(aside), maxConfirmations)] {
		if opened, err := r.confirm(ctx, i); opened || err != nil || r.report.Stopped != "" {
			return opened, err
		}
	}
	return false, nil
}

// confirm makes the handshake of one hypothesis between two looks at SSH, and
// notes it if it opens.
func (r *scanRun) confirm(ctx context.Context, i int) (bool, error) {
	var shots []knock.Packet
	if n, err := r.afford(ctx, 1); n == 0 || err != nil {
		return false, err
	}
	shots = append(shots, knock.Packet{Probe: true})
	for k, port := range r.ports[i] {
		shots = append(shots, knock.Packet{At: time.Duration(k+1) * confirmGap, Port: port})
	}
	for _, later := range [...]time.Duration{1, 3, 8} { // a gate may be late
		shots = append(shots, knock.Packet{At: (knock.Knocks + later) * confirmGap, Probe: true})
	}
	// A window that every connection extends may still be open: once more then.
	for range 2 {
		v, err := r.send(ctx, shots, knock.BatchOptions{Shut: r.shut}, func(int) {})
		if err != nil || v.Hit < 0 {
			return false, err
		}
		if v.Hit > 0 {
			found := r.all[i]
			r.report.SSH = v.SSH
			r.report.Opened, r.report.Confirmed = &found, true
			for n, c := range r.report.Cells {
				if c.State == Hit {
					r.report.Cells[n].State = Tried
				}
			}
			r.report.Cells[i].State = Hit
			return true, nil
		}
		if !knock.Wait(ctx, r.target.Window+time.Second) {
			return false, context.Cause(ctx)
		}
	}
	return false, nil
}

// afford returns how many hypotheses of n may be tried now: all of them, unless
// the gate's sweep guard is known. Then it waits until the guard forgives one
// more, and returns 0 if that takes too long.
func (r *scanRun) afford(ctx context.Context, n int) (int, error) {
	if r.target.SweepGuard == 0 {
		return n, nil
	}
	now := time.Now()
	wait := r.budget.wait(knock.Knocks, now)
	deadline, bounded := ctx.Deadline()
	switch {
	case r.target.SweepGuard < knock.Knocks,
		r.NoRefill && wait > 0,
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
