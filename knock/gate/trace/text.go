package trace

import (
	"fmt"
	"io"
	"time"

	"rapport/knock/netfilter/machine"
)

// Print prints each packet in a line, and the rules that decided about it in lines of
// their own; verbose prints every rule that it met.
func (t Trace) Print(w io.Writer, verbose bool) {
	for _, p := range t.Packets {
		doubt := ""
		if p.PhaseUnsure {
			doubt = "?"
		}
		fmt.Fprintf(w, "%10s  %-9s  phase %d -> %d%s  %s\n", fmt.Sprintf("%.3f s", time.Duration(p.At).Seconds()), fmt.Sprintf("%s/%d", p.Proto, p.Port), p.PhaseBefore, p.PhaseAfter, doubt, p.Verdict)
		if verbose {
			for _, r := range p.Hits {
				printRule(w, r, true)
			}
			continue
		}
		if p.PhaseAfter <= p.PhaseBefore && p.Verdict != machine.Accept {
			for _, r := range p.Missed {
				printRule(w, r, true)
			}
		}
		if p.Decided != nil {
			printRule(w, *p.Decided, false)
		}
	}
	for _, u := range t.Unmodelled {
		line := ""
		if u.Line > 0 {
			line = fmt.Sprintf(", line %d", u.Line)
		}
		fmt.Fprintf(w, "not modelled%s: %s\n    %s\n", line, u.Why, u.Text)
	}
	fmt.Fprintln(w, t.Conclusion())
}

// Conclusion says whether SSH opened.
func (t Trace) Conclusion() string {
	switch opens := t.Opens(); {
	case opens == machine.Yes:
		return "SSH opened"
	case opens == machine.Unknown:
		return "whether SSH opened is not known: it depends on what is not modelled or not shown"
	case t.Unanswered():
		return "SSH did not open: the SYN is accepted, and its answer is dropped on its way out"
	}
	return "SSH did not open"
}

// printRule prints a rule; judged adds whether it matched.
func printRule(w io.Writer, r Hit, judged bool) {
	why := ""
	switch {
	case !judged:
	case r.Outcome == machine.Yes.String():
		why = ", matches"
	default:
		why = fmt.Sprintf(", %s: %s", map[string]string{"no": "does not match", "unknown": "may match"}[r.Outcome], r.Reason)
	}
	if r.Line == 0 {
		fmt.Fprintf(w, "    %s of chain %s, table %s%s\n", r.Text, r.Chain, r.Table, why)
		return
	}
	fmt.Fprintf(w, "    line %d, chain %s%s\n      %s\n", r.Line, r.Chain, why, r.Text)
}
