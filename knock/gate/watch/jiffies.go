package watch

import (
	"bufio"
	"io"
	"strconv"
	"strings"
	"time"
)

// jiffies converts the kernel's jiffies to times. They count CLOCK_MONOTONIC from an
// instant that differs from boot to boot: 300 s before the start in the source, and
// a quarter of a second off on the machine where this was measured. So it is learnt:
// every count that was current between two instants bounds it from both sides. Such
// counts are in /proc/timer_list, which root of a container may not read, and in
// entries of the lists that are new since the reading before.
type jiffies struct {
	tick   time.Duration // zero is not known
	lo, hi time.Time     // between which the count was zero
}

// learn records that a count was current at some instant from a to b.
func (j *jiffies) learn(a, b time.Time, count uint64) {
	if j.tick <= 0 || count > uint64(maxJiffies/j.tick) {
		return
	}
	lo, hi := a.Add(-time.Duration(count+1)*j.tick), b.Add(-time.Duration(count)*j.tick)
	if j.lo.IsZero() || lo.After(j.hi) || hi.Before(j.lo) {
		j.lo, j.hi = lo, hi // the first, or the counter has wrapped
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

// at returns the time of a count, and how far off it may be. The time is zero if
// nothing has been learnt.
func (j *jiffies) at(count uint64, now time.Time) (t time.Time, slack time.Duration) {
	if j.lo.IsZero() || count > uint64(maxJiffies/j.tick) {
		return time.Time{}, 0
	}
	slack = j.hi.Sub(j.lo) / 2
	// A tick is counted at its start.
	t = j.lo.Add(slack + time.Duration(count)*j.tick + j.tick/2)
	if t.After(now.Add(time.Minute)) { // 32 bits that have wrapped since
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
