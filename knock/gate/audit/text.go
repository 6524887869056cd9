package audit

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"rapport/knock/phrase"
)

// marks are the statuses as a person reads them.
var marks = map[Status]string{OK: "ok", Warn: "warn", Fail: "FAIL", Unknown: "?"}

// Print prints a check in a line, with its fix below if it failed; verbose prints the fix
// of every check. Checks that were not done for the same reason share a line.
func (r Report) Print(w io.Writer, verbose bool) {
	for i, c := range r.Checks {
		same := func(o Check) bool {
			return c.Status == Unknown && o.Status == Unknown && o.Summary == c.Summary && o.Fix == c.Fix
		}
		if slices.ContainsFunc(r.Checks[:i], same) {
			continue // the reason is said
		}
		all := []string{c.ID}
		for _, o := range r.Checks[i+1:] {
			if same(o) {
				all = append(all, o.ID)
			}
		}
		id := c.ID
		if len(all) > 1 {
			id = fmt.Sprintf("%d checks", len(all))
		}
		fmt.Fprintf(w, "%-4s  %-15s  %s%s\n", marks[c.Status], id, c.Summary, c.Cost)
		if len(all) > 1 {
			fmt.Fprintf(w, "%23snot done: %s\n", "", strings.Join(all, ", "))
		}
		if c.Fix != "" && (c.Status == Fail || len(all) > 1 || verbose) {
			fmt.Fprintf(w, "%23sfix: %s\n", "", c.Fix)
		}
	}
}

// String returns the figures in brackets, nothing without any.
func (c Cost) String() string {
	var all []string
	if c.Packets > 0 {
		all = append(all, phrase.Plural(c.Packets, "packet"))
	}
	if c.Seconds >= 0.05 {
		all = append(all, phrase.Seconds(time.Duration(c.Seconds*float64(time.Second))))
	}
	if c.Chance > 0 && c.Chance < 1 {
		all = append(all, fmt.Sprintf("chance %.1g", c.Chance))
	}
	if len(all) == 0 {
		return ""
	}
	return " (" + strings.Join(all, ", ") + ")"
}
