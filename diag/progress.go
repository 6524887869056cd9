package diag

import (
	"fmt"
	"io"
)

// Progress prints what a scan is going to send, before it does, and on a
// terminal every check that is done.
func Progress(w io.Writer, quiet, terminal bool) func(Report) {
	if quiet {
		return nil
	}
	printed := map[string]Status{}
	announced, guess := false, Code("")
	return func(r Report) {
		if c := r.Verdict.Code; terminal && !r.Done && c != guess {
			guess = c
			fmt.Fprintf(w, "probably %s: %s\n", c, r.Summary())
		}
		if scan := r.Evidence.Scan; scan != nil && !announced {
			announced = true
			fmt.Fprintln(w, scan.Announce)
		}
		for _, c := range r.Checks {
			if terminal && c.Status != Skipped && c.Status != printed[c.ID] {
				printed[c.ID] = c.Status
				fmt.Fprintf(w, "%-7s %-12s %s\n", c.Status, c.ID, c.Summary())
			}
		}
	}
}
