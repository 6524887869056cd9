package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"rapport/knock/gate"
	"rapport/knock/gate/script"
	"rapport/knock/phrase"
)

// Wrong says in one line what is wrong, nothing where all is well.
func Wrong(i gate.Inspection) string {
	words := append([]string{}, i.Differs...)
	if i.OtherSecret() {
		words = append(words, fmt.Sprintf("no hour from %d back to %d ahead, range or secret variant makes these ports: it is another secret, or rules of another time", i.Query.Past, i.Query.Future))
	}
	differs := len(words) > 0
	for _, p := range i.Problems {
		// What differs is said already.
		same := p.Code == "stale-hour" || p.Code == "hour-ahead" || p.Code == "secret-variant" || p.Code == "ssh-port" && differs
		if p.Severity == gate.SeverityError && !same {
			words = append(words, p.Summary)
		}
	}
	return strings.Join(words, "; ")
}

// Print prints what was found, a line each. p is the script of package script that was
// inspected, nil for other rules.
func (r Report) Print(w io.Writer, p *script.Printed) {
	switch {
	case p != nil:
		fmt.Fprintln(w, p.Words())
	case r.Gate != nil:
		r.Gate.print(w, "gate")
	}
	if r.Other != nil {
		r.Other.print(w, "other gate")
	}
	if m := r.Match; m != nil {
		fmt.Fprintf(w, "made with: %s\n", m.Made())
		if m.Others > 0 {
			fmt.Fprintf(w, "ambiguous: %d other combinations of hour, range and secret make these ports too\n", m.Others)
		}
		if len(r.Differs) == 0 {
			fmt.Fprintln(w, "differs: nothing")
		}
	}
	if len(r.Differs) > 0 {
		fmt.Fprintf(w, "differs: %s\n", strings.Join(r.Differs, "; "))
	}
	for _, p := range r.Problems {
		fmt.Fprintf(w, "%s %s: %s\n  fix: %s\n", p.Severity, p.Code, p.Summary, p.Fix)
	}
	if r.Searched > 0 {
		fmt.Fprintf(w, "searched %d combinations in %s\n", r.Searched, phrase.Millis(time.Duration(r.Elapsed)))
	}
}

// print prints a gate, its ports in a line of their own.
func (g *ReportedGate) print(w io.Writer, name string) {
	fmt.Fprintf(w, "%s: %s for IPv%s", name, g.Kind, strings.ReplaceAll(list(g.Families), " ", " and IPv"))
	if g.Chain != "" { // no rule of the first knock names a port
		fmt.Fprintf(w, " in chain %s", g.Chain)
	}
	if g.Accept != "" {
		fmt.Fprintf(w, ", accept rule %s", g.Accept.Words())
	}
	if g.SSHPort != 0 {
		fmt.Fprintf(w, " to port %d", g.SSHPort)
	}
	if g.Window > 0 {
		fmt.Fprintf(w, ", window %s", phrase.Pause(time.Duration(g.Window*float64(time.Second))))
	}
	if g.Strict {
		fmt.Fprint(w, ", strict")
	}
	if g.Sweep.PerMinute > 0 {
		fmt.Fprintf(w, ", sweep guard over %d wrong ports a minute", g.Sweep.PerMinute)
	}
	fmt.Fprintln(w)
	if slices.ContainsFunc(g.Ports, func(p uint16) bool { return p != 0 }) {
		fmt.Fprintf(w, "ports: %s\n", known(g.Ports))
	} else {
		fmt.Fprintln(w, "ports: computed by the script")
	}
	for _, also := range g.Also {
		fmt.Fprintf(w, "also accepts: %s\n", list(also))
	}
}

// known returns ports, with a question mark for one that is not known.
func known(ports []uint16) string {
	words := strings.Fields(list(ports))
	for i, p := range ports {
		if p == 0 {
			words[i] = "?"
		}
	}
	return strings.Join(words, " ")
}

// list returns values with spaces between them.
func list[T any](all []T) string { return strings.Trim(fmt.Sprint(all), "[]") }
