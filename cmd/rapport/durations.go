package main

import (
	"fmt"
	"time"

	"rapport/knock"
	"rapport/knock/phrase"
)

// whole formats a duration in whole milliseconds, as plans have it.
func whole(m knock.Millis) string { return fmt.Sprintf("%d ms", time.Duration(m).Milliseconds()) }

// after formats a round trip that was measured, for the end of a line.
func after(m knock.Measure) string {
	if m == 0 {
		return ""
	}
	return " after " + phrase.Millis(time.Duration(m))
}
