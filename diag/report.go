package diag

import (
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"

	"rapport/diag/answers"
	"rapport/diag/check"
	"rapport/knock"
	"rapport/knock/hosts"
	"rapport/knock/phrase"
	"rapport/knock/solve"
)

// Report is a diagnosis, so far or in the end.
type Report struct {
	Schema  int // 1
	Host    string
	Address string
	Verdict Verdict
	Causes  []Cause       // the likeliest first, which is the verdict
	Checks  []check.Check // those that have begun or were skipped
	Elapsed knock.Millis

	At       time.Time // this machine's time when the diagnosis began
	Done     bool      // the run has ended and the verdict is set
	Evidence Evidence  // what was learnt
}

// Check returns the check with that ID, and whether it has begun.
func (r Report) Check(id string) (check.Check, bool) {
	i := slices.IndexFunc(r.Checks, func(c check.Check) bool { return c.ID == id })
	if i < 0 {
		return check.Check{ID: id}, false
	}
	return r.Checks[i], true
}

// Verdict is the one cause that the evidence supports best, with its fix.
// [Report.Summary] and [Report.Fix] say it in words.
type Verdict struct {
	ID   ID
	Code Code
	// Also names what has to change besides, and Then what is wrong behind it.
	Also   []ID
	Then   ID
	Detail Detail
	// Change is the part of the fix that belongs in the hosts file; zero for none.
	Change hosts.Change
	// Command applies Change; who knows the hosts file sets it.
	Command string
}

// Detail holds the figures of a verdict. Only those that its code needs are set.
type Detail struct {
	HourOffset  *int          `json:"hour_offset,omitempty"` // the hour that opens it, in hours from the client's
	Skew        *Seconds      `json:"skew_s,omitempty"`      // server's clock minus this machine's; for client-clock codes, true time minus this machine's
	ServerRange knock.Range   `json:"server_range,omitzero"`
	Variant     solve.Variant `json:"variant,omitempty"`
	Works       knock.Family  `json:"works,omitempty"` // the one over which it opens
	Loss        float64       `json:"loss,omitempty"`  // the estimated share of lost handshakes
	Ports       []uint16      `json:"ports,omitempty"` // knocks that were rejected or accepted
	Answer      knock.Answer  `json:"answer,omitempty"`
	Text        string        `json:"text,omitempty"`      // what sshd said
	Gap         *knock.Millis `json:"gap_ms,omitempty"`    // with which it opens
	Addresses   []netip.Addr  `json:"addresses,omitempty"` // from which packets leave
	Differs     []string      `json:"differs,omitempty"`   // the problems of the rules, by their codes
}

// Seconds is a span of time that JSON gives in seconds, to the millisecond.
type Seconds time.Duration

// MarshalJSON implements [json.Marshaler].
func (s Seconds) MarshalJSON() ([]byte, error) {
	return json.Marshal(time.Duration(s).Round(time.Millisecond).Seconds())
}

// Cause is one possible cause. [Report.Why] says what speaks for it, and [Report.FixOf] what to
// do about it.
type Cause struct {
	ID     ID
	Code   Code
	Change hosts.Change // as that of a [Verdict], if it were this one
	// Likelihood is its share by Bayes' rule, between 0 and 1. All shares sum to at
	// most 1.
	Likelihood float64
}

// Text writes the report as plain text, for a ticket or a mail. It never holds
// the secret. Knocked ports and the texts that servers sent are in it only if
// full is set.
func (r Report) Text(full bool) string {
	if !full {
		r = r.withoutBanners().WithoutPorts()
	}
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("rapport doctor: %s %s, %s", r.Host, r.Address, r.At.UTC().Format(time.RFC3339))
	line("verdict: %s: %s", r.Verdict.Code, r.Summary())
	if fix := r.Fix(); fix != "" {
		line("fix: %s", fix)
	}
	for _, c := range r.Checks {
		line("  %-7s %-13s %s", c.Status, c.ID, c.Summary())
	}
	if r.Evidence.Clock != nil {
		for _, s := range r.Evidence.withKnock().Sources {
			line("  %-13s %s", s.Name, s.Text())
		}
	}
	for _, c := range r.Causes {
		line("  %3.0f %%   %s: %s", c.Likelihood*100, c.Code, strings.Join(r.Why(c), "; "))
	}
	if full {
		for _, h := range []*knock.Report{r.Evidence.Handshake, r.Evidence.Other} {
			answers.Write(line, h)
		}
	}
	return b.String()
}

// Print writes the report for a person: the checks, unless they were printed live, the
// causes with their evidence, and last the verdict with its fix and the command to run.
// Lines are wrapped to a width in columns; zero leaves them as long as they are.
func (r Report) Print(w io.Writer, width int, live bool) {
	if !live {
		fmt.Fprintf(w, "%s %s\n", r.Host, r.Address)
		for _, c := range r.Checks {
			fmt.Fprint(w, phrase.Wrap(c.Line(), width, strings.Repeat(" ", check.Column)))
		}
	}
	if len(r.Causes) > 0 {
		fmt.Fprintln(w, "causes:")
	}
	for _, c := range r.Causes {
		fmt.Fprintf(w, "  %3.0f %%  %s\n", c.Likelihood*100, c.Code)
		for _, e := range r.Why(c) {
			fmt.Fprint(w, phrase.Wrap("         - "+e, width, "           "))
		}
		if fix := r.FixOf(c); fix != "" && c.ID != r.Verdict.ID { // that of the verdict comes last
			fmt.Fprint(w, phrase.Wrap("         fix: "+fix, width, "           "))
		}
	}
	fmt.Fprintf(w, "checked in %s\n\n", phrase.Seconds(time.Duration(r.Elapsed)))
	fmt.Fprint(w, phrase.Wrap(fmt.Sprintf("verdict: %s: %s", r.Verdict.Code, r.Summary()), width, "  "))
	if fix := r.Fix(); fix != "" {
		fmt.Fprint(w, phrase.Wrap("fix: "+fix, width, "  "))
	}
	if r.Verdict.Command != "" {
		fmt.Fprintf(w, "to apply it: %s\n", r.Verdict.Command)
	}
}
