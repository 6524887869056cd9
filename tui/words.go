package tui

import (
	"fmt"
	"strings"
	"time"

	"rapport/knock"
)

// cancelled is why a job that the user ended was not done.
const cancelled = "cancelled"

// ms writes a span of a handshake: tenths of a millisecond below ten seconds.
func ms(d time.Duration) string {
	if d < 10*time.Second {
		return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

// whole writes a span of whole milliseconds or seconds.
func whole(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%g s", d.Seconds())
}

// minutes writes a span as minutes and seconds.
func minutes(d time.Duration) string {
	return fmt.Sprintf("%02d:%02d", int(d.Minutes()), int(d.Seconds())%60)
}

// clockHour names an hour as clocks do: 08h.
func clockHour(h knock.Hour) string { return h.String()[11:] + "h" }

// portList writes ports side by side.
func portList(ports []uint16) string { return strings.Trim(fmt.Sprint(ports), "[]") }

func ordinals() [knock.Knocks]string { return [...]string{"1st", "2nd", "3rd", "4th", "5th"} }

// ago writes how long something is past.
func ago(d time.Duration) string {
	switch {
	case d < time.Minute:
		return "just now"
	case d < time.Hour:
		return fmt.Sprintf("%d min ago", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h ago", int(d.Hours()))
	}
	return fmt.Sprintf("%d days ago", int(d.Hours()/24))
}

// age writes a span in four cells.
func age(d time.Duration) string {
	d = max(0, d)
	switch {
	case d < 9950*time.Millisecond:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < 100*time.Second:
		return fmt.Sprintf("%3ds", int(d.Seconds()))
	case d < 100*time.Minute:
		return fmt.Sprintf("%3dm", int(d.Minutes()))
	case d < 100*time.Hour:
		return fmt.Sprintf("%3dh", int(d.Hours()))
	}
	return fmt.Sprintf("%3dd", min(999, int(d.Hours()/24)))
}

// about writes an uncertainty shortly.
func about(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	}
	return fmt.Sprintf("%.0f min", d.Minutes())
}

func percent(share float64) string { return fmt.Sprintf("%.0f %%", 100*share) }
