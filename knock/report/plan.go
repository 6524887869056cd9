package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"rapport/knock"
)

// Plan is what a handshake would send. Its JSON form is the output of knock --explain
// --json.
type Plan struct {
	Schema int        `json:"schema"`
	Host   string     `json:"host"`
	Hour   knock.Hour `json:"hour"`
	knock.Plan
	Length knock.Millis `json:"length_ms"`
	SYNs   int          `json:"syns"`
}

// NewPlan reports a plan for the host.
func NewPlan(host string, p knock.Plan) Plan {
	return Plan{1, host, p.Attempts[0].Knocks[0].Hour, p, knock.Millis(p.Length()), p.Packets()}
}

// Print prints what would be sent, when, and why.
func (r Plan) Print(w io.Writer) {
	rtt := "not known"
	if r.RTT > 0 {
		rtt = whole(knock.Millis(r.RTT))
	}
	fmt.Fprintf(w, "%s hour %s, round trip %s; ends as soon as SSH accepts a probe\n", r.Host, r.Hour, rtt)
	fmt.Fprintf(w, "%8s  probes SSH before the first knock\n", whole(0))
	for i, a := range r.Attempts {
		fmt.Fprintf(w, "%8s  attempt %d: %s\n", whole(a.At), i+1, a.Why)
		if n := len(a.Resets); n > 0 {
			fmt.Fprintf(w, "%8s  %d SYNs to port %d, wrong in every phase, until %s\n", "", n, a.Resets[0].Port, whole(a.At+a.Resets[n-1].At))
		}
		hours, ports := portsByHour(a)
		for _, hour := range hours {
			of, twice, apart := "", "", whole(a.Gap)+" apart"
			if hour != r.Hour {
				of = " of " + hour.String()
			}
			if a.Copies > 1 {
				twice = ", each twice"
			}
			if a.Gap == 0 {
				apart = "all at once"
			}
			fmt.Fprintf(w, "%8s  knocks %s%s, %s%s\n", "", strings.Join(ports[hour], " "), of, apart, twice)
		}
		var probes []string
		for _, l := range a.Probes {
			probe := whole(a.At + l.At)
			if l.IfRefused {
				probe += " if refused"
			}
			probes = append(probes, probe)
		}
		pause := ""
		if a.Pause > 0 {
			pause = ", then sends nothing for " + whole(a.Pause)
		}
		fmt.Fprintf(w, "%8s  probes SSH at %s; waits %s%s\n", "", strings.Join(probes, ", at "), whole(a.Wait), pause)
	}
	fmt.Fprintf(w, "%8s  gives up, after %d SYNs\n", whole(r.Length), r.SYNs)
}

// portsByHour returns the hours whose knocks an attempt sends, and the ports of each.
func portsByHour(a knock.PlannedAttempt) (hours []knock.Hour, ports map[knock.Hour][]string) {
	ports = map[knock.Hour][]string{}
	for _, k := range a.Knocks {
		if !slices.Contains(hours, k.Hour) {
			hours = append(hours, k.Hour)
		}
		if !k.Copy {
			ports[k.Hour] = append(ports[k.Hour], fmt.Sprint(k.Port))
		}
	}
	return hours, ports
}

// whole formats a duration of a plan in milliseconds.
func whole(m knock.Millis) string { return fmt.Sprintf("%d ms", time.Duration(m).Milliseconds()) }
