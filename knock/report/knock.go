// Package report writes as text what knock did, or would do: a handshake, a probe, a
// plan, sequences; and has the JSON of the latter two.
package report

import (
	"fmt"
	"io"
	"net/netip"
	"time"

	"rapport/knock"
	"rapport/knock/phrase"
)

// Progress prints a line for each attempt, which may probe twice.
func Progress(w io.Writer, attempts int) func(knock.Event) {
	printed := -1
	return func(e knock.Event) {
		if e.Kind == knock.ProbeStarted && e.Attempt > printed {
			printed = e.Attempt
			fmt.Fprintf(w, "knocked, probing SSH (attempt %d of %d)\n", printed+1, attempts)
		}
	}
}

// Knock prints each knock and SSH's answer; a repeated attempt that is answered alike is
// one line.
func Knock(w io.Writer, r knock.Report, addr netip.AddrPort) {
	fmt.Fprintf(w, "%s %s hour %s\n", r.Host, addr, r.Hour)
	for i, a := range r.Attempts {
		gap := "all at once"
		if a.Gap > 0 {
			gap = "gap " + phrase.Pause(time.Duration(a.Gap))
		}
		if answer := alike(a); i > 0 && answer != "" {
			fmt.Fprintf(w, "attempt %d, %s: %d knocks, all %s\n", i+1, gap, len(a.Knocks), answer)
			continue
		}
		first := ""
		if a.Resets > 0 {
			first = fmt.Sprintf(", after %d SYNs to a wrong port", a.Resets)
		}
		fmt.Fprintf(w, "attempt %d, %s%s\n", i+1, gap, first)
		for _, k := range a.Knocks {
			note := ""
			if k.Hour != nil {
				note = " of " + k.Hour.String()
			}
			if k.Copy {
				note += ", again"
			}
			fmt.Fprintf(w, "  %5d  sent %s  %s%s%s\n", k.Port, phrase.Millis(time.Duration(k.Sent)), k.Answer, after(k.RTT), note)
		}
	}
	if r.Before.State != knock.SSHUnknown {
		fmt.Fprintf(w, "ssh before: %s\n", r.Before.State)
	}
	if r.SSH.State != knock.SSHUnknown {
		fmt.Fprintf(w, "ssh: %s%s\n", r.SSH.State, Banner(r.SSH))
	}
}

// alike returns the answer of all knocks of an attempt, or nothing if they differ.
func alike(a knock.Attempt) knock.Answer {
	for _, k := range a.Knocks {
		if k.Answer != a.Knocks[0].Answer {
			return ""
		}
	}
	return a.Knocks[0].Answer
}

// Probe prints what a probe of SSH at addr saw.
func Probe(w io.Writer, r knock.ProbeReport, addr netip.AddrPort) {
	fmt.Fprintf(w, "%s %s\nssh: %s%s\n", r.Host, addr, r.SSH.State, Banner(r.SSH))
}

// RouteWarning says that the knocks left from another address than SSH, so that the gate
// opens for one and SSH is asked for from the other; empty if they did not.
func RouteWarning(r knock.Report) string {
	sources := r.Sources()
	if len(sources) < 2 {
		return ""
	}
	return fmt.Sprintf("the route to %s changed: SSH left from %s, knocks from %s; --source %s keeps them together", r.Address, sources[0], sources[1], sources[1])
}

// Banner returns what SSH said, and after how long.
func Banner(s knock.SSH) string {
	switch {
	case s.Banner != "":
		return fmt.Sprintf(" after %s: %s", phrase.Millis(time.Duration(max(s.Read, s.Connect))), s.Banner)
	case s.RTT > 0:
		return after(s.RTT)
	}
	return ""
}

// after formats a round trip that was measured, for the end of a line.
func after(m knock.Measure) string {
	if m == 0 {
		return ""
	}
	return " after " + phrase.Millis(time.Duration(m))
}
