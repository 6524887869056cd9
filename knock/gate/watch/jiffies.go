package watch

import (
	"bufio"
	"io"
	"strconv"
	"strings"
	"time"
)

// jiffies tells the time of the kernel's ticks. They count CLOCK_MONOTONIC from
// an instant that differs from boot to boot: 300 s before the start by the
// source, and a quarter of a second off that on the machine this was tried on.
// So it is learnt: every look at the counter that falls between two instants
// bounds it from both sides. Such looks are /proc/timer_list, which the root of
// a container may not read, and entries of the lists that are new since the look
// before.
type jiffies struct {
	tick   time.Duration // zero is not known
	lo, hi time.Time     // between which the count was zero
}

// learn takes a count that was the current one at some instant from a to b.
func (j *jiffies) learn(a, b time.Time, count uint64) {
	if j.tick <= 0 || count > uint64(maxJiffies/j.tick) {
		return
	}
	lo, hi := a.Add(-time.Duration(count+1)*j.tick), b.Add(-time.Duration(count)*j.tick)
	if j.lo.IsZero() || lo.After(j.hi) || hi.Before(j.lo) {
		j.lo, j.hi = lo, hi // the first, or the counter went round
		return
	}
	if lo.After(j.lo) {
		j.lo = lo
	}
	if hi.Before(j.hi) {
		j.hi = hi
	}
}

// maxJiffies bounds counts: a hundred years.
const maxJiffies = 100 * 365 * 24 * time.Hour

// at returns the instant of a count, and how far off that can be. It is zero
// where nothing has been learnt.
func (j *jiffies) at(count uint64, now time.Time) (t time.Time, slack time.Duration) {
	if j.lo.IsZero() || count > uint64(maxJiffies/j.tick) {
		return time.Time{}, 0
	}
	slack = j.hi.Sub(j.lo) / 2
	// A tick is counted at its start.
	t = j.lo.Add(slack + time.Duration(count)*j.tick + j.tick/2)
	if t.After(now.Add(time.Minute)) { // 32 bits, gone round in between
		t = t.Add(-j.tick << 32)
	}
	if t.After(now) {
		t = now
	}
	return t, slack
}

// counter reads the current count from /proc/timer_list.
func counter(r io.Reader) (uint64, bool) {
	lines := bufio.NewScanner(io.LimitReader(r, maxProc))
	for lines.Scan() {
		if digits, ok := strings.CutPrefix(lines.Text(), "jiffies: "); ok {
			n, err := strconv.ParseUint(digits, 10, 64)
			return n, err == nil
		}
	}
	return 0, false
}
