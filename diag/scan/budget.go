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
	maxRefill = 5 * time.Minute  // how long a scan without a deadline waits for its budget in all
	guardedBy = 25 * time.Second // until when one does so that is a part of a diagnosis
	stageEnds = 28 * time.Second // when the last answers to that come at the latest
)

// ignores is how long a guard ignores an address that hits more wrong ports than it forgives.
const ignores = time.Minute

// budget counts the wrong ports that a gate's sweep guard still forgives: a token
// bucket, like the kernel's limits. It assumes the worst, that every knock is at a
// wrong port. Hours around the server's cost nothing if range and secret are
// right, but that is not known yet.
type budget struct {
	guard   int // tokens a minute, and the size of the bucket
	spent   float64
	at      time.Time // when spent was computed, and the last knock sent
	ignored time.Time // until when a guard ignores all, if it was exceeded
	total   int       // knocks in all
}

// spend records n knocks.
func (b *budget) spend(n int, now time.Time) {
	b.spent = b.owed(now) + float64(n)
	if most := float64(b.guard); b.spent > most { // it counts nothing beyond
		b.spent, b.ignored = most, now.Add(ignores)
	}
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
	ends := b.ignored.Sub(now)
	missing := b.owed(now) + float64(n) - float64(b.guard)
	if missing <= 0 {
		return max(ends, 0)
	}
	return max(ends, time.Duration(missing/float64(b.guard)*float64(time.Minute))+time.Second)
}

// stage is what is tried in one pass: groups of indices of candidates, a pause apart, so
// that an answer to one ends the pass before the next.
type stage struct {
	groups [][]int
	then   bool // Scan.Between is called after it
}

const (
	// earlySlips is how many slips in range or secret come before the other hours: where range
	// and secret are right, they are the only wrong ports, and a guard that forgives ten lets
	// the hours through. One that forgives thirty sees them after two attempts of a handshake.
	earlySlips = 2
	// likelySlips is how many come in the first pass.
	likelySlips = script.DefaultSweepGuard/knock.Knocks - 1
)

// inStages returns the candidates in the order in which they are tried, and the stages in
// which they are. likely is the hour offset that the clocks show, or 0.
//
// With a known guard, slips in range or secret take what it forgives, and hours come after these,
// twice. Without one, the first pass holds the likeliest slips,
// then the other hours, which cost nothing if range and secret are right, then more slips.
// The hours come three times, since one lost packet hides the right one, but
// once on loopback. Then come the other slips and the ranges that people use, twice, and the
// rest last. Where packets hardly get lost, all of it comes once before anything is repeated.
func (s *Scan) inStages(all []solve.Candidate, t knock.Target, likely int) (out []solve.Candidate, stages []stage) {
	first, own, slips, rest := s.sort(all, t, likely)
	var o order
	if s.Likeliest > 0 {
		o.add(o.group(first))
		return o.candidates, o.stages
	}
	if t.SweepGuard > 0 {
		o.addGuarded(first, own, slips, rest, (t.SweepGuard-s.Spent)/knock.Knocks-len(first))
		return o.candidates, o.stages
	}
	if s.Brief {
		slips, rest = slips[:min(likelySlips, len(slips))], nil
	}
	// In a pass of its own: all ports 1 leave before the first port 5.
	early, n := min(earlySlips, len(slips)), min(likelySlips, len(slips))
	likeliest := o.group(first) // a few packets find them, before a ban of scanners counts more
	before := [][]int{likeliest, o.group(slips[:early])}
	hours := o.hours(own)
	more := o.group(slips[early:n])
	pass := slices.Concat(before, hours, [][]int{more})
	if s.StandIn { // it opens late
		for _, g := range pass {
			o.add(g)
		}
		o.stages[len(o.stages)-1].then = true
		o.add(o.group(slips[n:], rest))
		return o.candidates, o.stages
	}
	again := slices.Concat([][]int{likeliest}, hours)
	if len(splitHours(own)) == 1 { // else apart, as they were
		again = [][]int{slices.Concat(again...)}
	}
	if s.Brief {
		o.addThen(pass...)
		o.add(again...)
		return o.candidates, o.stages
	}
	thrice := slices.Concat(slices.Concat(before...), more, slices.Concat(hours...))
	usual, rest := split(rest, common)
	people := o.group(slips[n:], usual)
	noNewline, rest := split(rest, func(h solve.Candidate) bool { return h.Variant == solve.NoNewline })
	o.addRepeated(s.Lossless, OnLink(t.Addr.Addr()), pass, again, thrice, people, o.group(noNewline), o.group(rest))
	return o.candidates, o.stages
}

// order is the order in which candidates are tried.
type order struct {
	candidates []solve.Candidate
	stages     []stage
}

// group puts candidates at the end, and returns their indices.
func (o *order) group(lists ...[]solve.Candidate) (added []int) {
	for _, h := range slices.Concat(lists...) {
		added = append(added, len(o.candidates))
		o.candidates = append(o.candidates, h)
	}
	return added
}

// add adds a stage with these groups.
func (o *order) add(groups ...[]int) { o.stages = append(o.stages, stage{groups: groups}) }

// addThen is add, and Scan.Between is called after the stage.
func (o *order) addThen(groups ...[]int) { o.stages = append(o.stages, stage{groups, true}) }

// addGuarded adds the stages of a search that a known sweep guard paces, which forgives so many slips
// at once: these, then the hours, which cost nothing if range and secret are right, twice, since
// packets get lost; then the other slips, for which it has to wait: if range or secret is wrong, the
// hours have exceeded the guard.
func (o *order) addGuarded(first, own, slips, rest []solve.Candidate, atOnce int) {
	atOnce = max(min(atOnce, len(slips)), 0)
	likeliest, early := o.group(first), o.group(slips[:atOnce])
	hours := o.hours(own)
	o.add(append([][]int{likeliest, early}, hours...)...)
	o.add(append([][]int{likeliest}, hours...)...)
	o.add(o.group(slips[atOnce:], rest))
}

// hours adds groups of hours, the likeliest of each part first.
func (o *order) hours(own []solve.Candidate) (groups [][]int) {
	for _, near := range splitHours(own) {
		few := min(fewHours, len(near))
		groups = append(groups, o.group(near[:few]), o.group(near[few:]))
	}
	return groups
}

// addRepeated adds the stages of the search for all. Scan.Between is called after the likeliest, and
// again before what is slow, or tells nothing new where packets hardly get lost.
func (o *order) addRepeated(lossless, near bool, pass, again [][]int, thrice, people, noNewline, unlikely []int) {
	if near && lossless { // all of it takes two seconds
		o.addThen(pass...)
		o.addThen(people, noNewline)
		o.addThen(unlikely)
		o.add(again...)
		o.addThen(append(again, people)...)
		return
	}
	if lossless {
		pass = append(pass, people)
	}
	o.addThen(pass...)
	o.add(again...)
	o.add(thrice)
	if !lossless {
		o.add(people)
	}
	o.add(people)
	o.add(slices.Concat(noNewline, unlikely))
	slowly := len(o.stages) - 1
	if !near {
		slowly--
	}
	o.stages[slowly].then = true
}

// common reports whether people use a candidate's range, with the secret as it is.
func common(h solve.Candidate) bool {
	return h.Variant == solve.AsGiven && slices.Contains(solve.CommonRanges(), h.Range)
}

// split returns the candidates that are so, and the others.
func split(all []solve.Candidate, so func(solve.Candidate) bool) (are, others []solve.Candidate) {
	for _, h := range all {
		if so(h) {
			are = append(are, h)
		} else {
			others = append(others, h)
		}
	}
	return are, others
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

// own reports whether a candidate has the client's own range and secret.
func (r *scanRun) own(c solve.Candidate) bool {
	return c.Range == r.target.Range && c.Variant == solve.AsGiven
}

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
// come first. A gate with a sweep guard adds the newline itself.
func slipRank(h solve.Candidate, t knock.Target) int {
	type slip struct {
		bottom, top int
		variant     solve.Variant
	}
	order := []slip{
		{0, 1, solve.AsGiven}, {0, -1, solve.AsGiven}, {0, 0, solve.NoNewline}, {1, 0, solve.AsGiven}, {-1, 0, solve.AsGiven}, {0, 0, solve.LowerCase}, {0, 0, solve.CarriageReturn},
		{0, 0, solve.TwoNewlines}, {1, 1, solve.AsGiven}, {-1, -1, solve.AsGiven},
	}
	s := slip{h.Range.Bottom() - t.Range.Bottom(), h.Range.Top() - t.Range.Top(), h.Variant}
	switch i := slices.Index(order, s); {
	case i >= 0:
		return 2 + i
	case h.Range == knock.DefaultRange && h.Variant == solve.AsGiven && h.Range != t.Range:
		return 1 // what a gate has unless somebody chose another
	case h.Variant == solve.AsGiven:
		return 0
	case h.Range == t.Range:
		return 2 + len(order)
	}
	return -1
}

// inTime returns how many candidates of a plan are tried before a diagnosis has to end that has
// no deadline.
func (r *scanRun) inTime(ctx context.Context, p scanPlan) int {
	if _, bounded := ctx.Deadline(); bounded || r.Began.IsZero() {
		return len(p.probes)
	}
	left := stageEnds - r.answerWait() - time.Since(r.Began)
	n := slices.IndexFunc(p.probes, func(i int) bool { return p.packets[i].At > left })
	if n < 0 {
		return len(p.probes)
	}
	return n
}

// afford returns how many of the next candidates may be tried now: all of them, unless connections to
// SSH are limited, which takes one at a time, or the gate's sweep guard is known. Then hours of the
// client's own range and secret are not paced, which cost nothing if these are right. For others it
// waits until the guard forgives one more, and returns 0 if that takes too long.
func (r *scanRun) afford(ctx context.Context, todo []int) (int, error) {
	if r.Limited != knock.SSHUnknown {
		return 1, nil
	}
	if r.target.SweepGuard == 0 {
		return len(todo), nil
	}
	counted := slices.IndexFunc(todo, func(i int) bool {
		return !r.free || !r.own(r.report.Cells[i].Candidate)
	})
	if counted != 0 {
		return cmp.Or(max(counted, 0), len(todo)), nil
	}
	now := time.Now()
	wait := r.budget.wait(knock.Knocks, now)
	deadline, bounded := ctx.Deadline()
	switch {
	case r.target.SweepGuard < knock.Knocks,
		(r.Proven != nil || r.Brief) && wait > 0,
		bounded && now.Add(wait).After(deadline),
		!bounded && r.refillWait+wait > maxRefill,
		!bounded && !r.Began.IsZero() && now.Add(wait).Sub(r.Began) > guardedBy:
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
	return min(len(todo), r.budget.free(time.Now())/knock.Knocks), nil
}
