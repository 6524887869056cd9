package main

import (
	"fmt"
	"time"

	"rapport/knock"
)

// whole formats a duration in whole milliseconds, as plans have it.
func whole(m knock.Millis) string { return fmt.Sprintf("%d ms", time.Duration(m).Milliseconds()) }

// millis formats a measured duration in milliseconds.
func millis(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
}

// seconds formats how long a run took.
func seconds(m knock.Millis) string { return fmt.Sprintf("%.1f s", time.Duration(m).Seconds()) }

// after formats a round trip that was measured, for the end of a line.
func after(m knock.Measure) string {
	if m == 0 {
		return ""
	}
	return " after " + millis(time.Duration(m))
}
