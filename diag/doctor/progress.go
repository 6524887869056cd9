package doctor

import (
	"fmt"
	"io"
	"strings"

	"rapport/diag"
	"rapport/diag/check"
	"rapport/knock/phrase"
)

// Progress prints what a scan is going to send, before it does, and on a terminal, which
// is so many columns wide, each check once, when it is done, and the probable cause.
// A width of zero stands for no terminal.
func Progress(w io.Writer, quiet bool, width int) func(diag.Report) {
	if quiet {
		return nil
	}
	printed := map[string]bool{}
	announced, guess := false, diag.Code("")
	return func(r diag.Report) {
		if width > 0 {
			for _, c := range r.Checks {
				if done := c.Status == check.OK || c.Status == check.Warn || c.Status == check.Fail; done && !printed[c.ID] {
					printed[c.ID] = true
					fmt.Fprint(w, phrase.Wrap(c.Line(), width, strings.Repeat(" ", check.Column)))
				}
			}
			if c := r.Verdict.Code; !r.Done && c != guess {
				guess = c
				fmt.Fprint(w, phrase.Wrap(fmt.Sprintf("probably %s: %s", c, r.Summary()), width, "  "))
			}
		}
		if scan := r.Evidence.Scan; scan != nil && !announced {
			announced = true
			fmt.Fprint(w, phrase.Wrap(scan.Announce, width, "  "))
		}
	}
}
