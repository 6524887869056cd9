package watch

import (
	"time"

	"golang.org/x/sys/unix"
)

// jiffy returns how long a jiffy lasts. The coarse clocks have just that for
// their resolution (posix-timers.c, posix_get_coarse_res); sysconf's CLK_TCK is
// another thing, 100 on most machines whatever the kernel's HZ.
func jiffy() time.Duration {
	var t unix.Timespec
	if unix.ClockGetres(unix.CLOCK_MONOTONIC_COARSE, &t) != nil {
		return 0
	}
	return time.Duration(t.Nano())
}

// cpuTime returns how long this process and the programs that it ran and waited for
// have kept a core busy.
func cpuTime() (all time.Duration) {
	for _, who := range []int{unix.RUSAGE_SELF, unix.RUSAGE_CHILDREN} {
		var u unix.Rusage
		if unix.Getrusage(who, &u) == nil {
			all += time.Duration(u.Utime.Nano() + u.Stime.Nano())
		}
	}
	return all
}
