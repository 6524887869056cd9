package audit

import (
	"fmt"
	"io"
	"strings"
	"time"

	"rapport/knock/phrase"
)

// marks are the statuses as a person reads them.
var marks = map[Status]string{OK: "ok", Warn: "warn", Fail: "FAIL", Unknown: "?"}

// Print prints a check in a line, with its fix below if it failed; verbose prints the fix
// of every check.
func (r Report) Print(w io.Writer, verbose bool) {
	for _, c := range r.Checks {
		fmt.Fprintf(w, "%-4s  %-15s  %s%s\n", marks[c.Status], c.ID, c.Summary, c.Cost)
		if c.Fix != "" && (c.Status == Fail || verbose) {
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
