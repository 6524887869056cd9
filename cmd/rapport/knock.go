package main

import (
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"rapport/knock"
	"rapport/knock/phrase"
)

type knockOptions struct {
	attempts int
	gap      time.Duration // zero is the entry's gap, or else the plan's
	explain  bool
}

func newKnock(f *flags) *cobra.Command {
	o := &knockOptions{}
	cmd := f.hostCommand("knock HOST", "Send the handshake, then check whether SSH opened", `knock sends this hour's five knocks to HOST in order and checks whether SSH opened.
If it did not, knock tries again soon, with each knock sent twice and with wider gaps.
Within 30 seconds before and 90 seconds after an hour change it sends the neighbouring
hour's knocks too. To a gate that starts over on a wrong or repeated knock (strict in the
hosts file) each attempt sends the knocks of one hour, each of them once.
--explain prints the plan and sends nothing.

Exit status: 0 SSH opened, 1 it did not, 2 usage, 3 no such name or no route to host.`, o.run)
	p := cmd.Flags()
	p.IntVar(&o.attempts, "attempts", len(knock.DefaultGaps()), "try at most so many handshakes")
	p.DurationVar(&o.gap, "gap", 0, "the time between knocks in every attempt (default the entry's, else 1ms, then 10ms, then 30ms)")
	p.BoolVar(&o.explain, "explain", false, "print what would be sent, when and why, and send nothing")
	return cmd
}

func (o *knockOptions) run(cmd *cobra.Command, f *flags, name string) error {
	if _, err := knock.Gaps(o.attempts, o.gap); err != nil {
		return err
	}
	h, t, err := f.target(cmd, name)
	if err != nil {
		return err
	}
	options := f.options(cmd)
	options.Gaps = t.Gaps(o.attempts)
	if o.gap != 0 {
		options.Gaps = knock.Target{Gap: o.gap}.Gaps(o.attempts)
	}
	if o.explain {
		p := f.client().Plan(t, options)
		return render(cmd, f.json, planReport{1, t.Host, p.Attempts[0].Knocks[0].Hour, p, knock.Millis(p.Length()), p.Packets()}, printPlan)
	}
	return check[knock.Report]{
		empty: knock.Report{Schema: 1, Host: t.Host, Hour: t.Sequences(f.clock.Now())[0].Hour(), Attempts: []knock.Attempt{}},
		run: func(client *knock.Client) (knock.Report, error) {
			var progress func(knock.Event)
			if !f.json && term.IsTerminal(int(os.Stderr.Fd())) {
				progress = knockProgress(cmd.ErrOrStderr(), o.attempts)
			}
			return client.Knock(cmd.Context(), t, options, progress)
		},
		partial: true,
		print: func(w io.Writer, r knock.Report) {
			if len(r.Attempts) > 0 {
				printKnock(w, r, t.Addr)
			}
		},
		judge: func(r knock.Report) error { return unless(r.Opened, r.Summary()) },
	}.do(cmd, f, h, &t)
}

// knockProgress prints a line for each attempt, which may probe twice.
func knockProgress(w io.Writer, attempts int) func(knock.Event) {
	printed := -1
	return func(e knock.Event) {
		if e.Kind == knock.ProbeStarted && e.Attempt > printed {
			printed = e.Attempt
			fmt.Fprintf(w, "knocked, probing SSH (attempt %d of %d)\n", printed+1, attempts)
		}
	}
}

// printKnock prints each knock and SSH's answer; a repeated silent attempt is one line.
func printKnock(w io.Writer, r knock.Report, addr netip.AddrPort) {
	fmt.Fprintf(w, "%s %s hour %s\n", r.Host, addr, r.Hour)
	for i, a := range r.Attempts {
		if i > 0 && a.Silent() {
			fmt.Fprintf(w, "attempt %d, gap %v: %d knocks, all silent\n", i+1, time.Duration(a.Gap), len(a.Knocks))
			continue
		}
		first := ""
		if a.Resets > 0 {
			first = fmt.Sprintf(", after %d SYNs to a wrong port", a.Resets)
		}
		fmt.Fprintf(w, "attempt %d, gap %v%s\n", i+1, time.Duration(a.Gap), first)
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
		fmt.Fprintf(w, "ssh: %s%s\n", r.SSH.State, banner(r.SSH))
	}
}

// banner returns what SSH said, and after how long.
func banner(s knock.SSH) string {
	switch {
	case s.Banner != "":
		return fmt.Sprintf(" after %s: %s", phrase.Millis(time.Duration(max(s.Read, s.Connect))), s.Banner)
	case s.RTT > 0:
		return after(s.RTT)
	}
	return ""
}

func newProbe(f *flags) *cobra.Command {
	return f.hostCommand("probe HOST", "Check whether SSH answers, without knocking", `probe opens one connection to the SSH port of HOST and reads one line. It waits for
at most four seconds; --timeout sets another limit.

Exit status: 0 SSH is open, 1 it is not, 2 usage, 3 no such name or no route to host.`, runProbe)
}

func runProbe(cmd *cobra.Command, f *flags, name string) error {
	h, err := f.server(cmd, name)
	if err != nil {
		return err
	}
	t := h.Target()
	return check[knock.ProbeReport]{
		empty: knock.ProbeReport{Schema: 1, Host: t.Host},
		run: func(client *knock.Client) (knock.ProbeReport, error) {
			return client.Probe(cmd.Context(), t.Host, t.Addr, f.options(cmd))
		},
		partial: true,
		print: func(w io.Writer, r knock.ProbeReport) {
			if t.Addr.IsValid() {
				fmt.Fprintf(w, "%s %s\nssh: %s%s\n", r.Host, t.Addr, r.SSH.State, banner(r.SSH))
			}
		},
		judge: func(r knock.ProbeReport) error { return unless(r.SSH.State == knock.SSHOpen, r.SSH.Summary()) },
	}.do(cmd, f, h, &t)
}

// whole formats a duration of a plan in milliseconds.
func whole(m knock.Millis) string { return fmt.Sprintf("%d ms", time.Duration(m).Milliseconds()) }

// after formats a round trip that was measured, for the end of a line.
func after(m knock.Measure) string {
	if m == 0 {
		return ""
	}
	return " after " + phrase.Millis(time.Duration(m))
}

type planReport struct {
	Schema int        `json:"schema"`
	Host   string     `json:"host"`
	Hour   knock.Hour `json:"hour"`
	knock.Plan
	Length knock.Millis `json:"length_ms"`
	SYNs   int          `json:"syns"`
}

// printPlan prints what would be sent, when, and why.
func printPlan(w io.Writer, r planReport) {
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
			of, twice := "", ""
			if hour != r.Hour {
				of = " of " + hour.String()
			}
			if a.Copies > 1 {
				twice = ", each twice"
			}
			fmt.Fprintf(w, "%8s  knocks %s%s, %s apart%s\n", "", strings.Join(ports[hour], " "), of, whole(a.Gap), twice)
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
