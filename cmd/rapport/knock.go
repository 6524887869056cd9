package main

import (
	"fmt"
	"io"
	"net/netip"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"rapport/knock"
)

func newKnock(f *flags) *cobra.Command {
	var attempts int
	var gap time.Duration
	var explain bool
	cmd := &cobra.Command{
		Use:   "knock HOST",
		Short: "Send the handshake, then look whether SSH opened",
		Long: `knock sends this hour's five knocks to HOST in order and looks whether SSH
opened; where it did not, soon again, each knock twice and with wider gaps. Within
30 seconds before and 90 seconds after the hour change the neighbouring hour's
knocks go out too. To a gate that starts over on a wrong or repeated knock (strict
in the hosts file) each attempt sends one hour's knocks, each once.
--explain prints the plan and sends nothing.

Exit status: 0 SSH opened, 1 it did not, 2 usage, 3 no such name or no way there.`,
		Args:              oneHost,
		ValidArgsFunction: f.completeHosts,
		RunE: func(cmd *cobra.Command, args []string) error {
			gaps, err := knock.Gaps(attempts, gap)
			if err != nil {
				return err
			}
			h, t, err := f.target(cmd, args[0])
			if err != nil {
				return err
			}
			options := f.options(cmd)
			if options.Gaps = gaps; gap == 0 {
				options.Gaps = t.Gaps(attempts)
			}
			if explain {
				r := newPlanReport(t, new(knock.Client).Plan(t, options))
				if f.json {
					return printJSON(cmd.OutOrStdout(), r)
				}
				printPlan(cmd.OutOrStdout(), r)
				return nil
			}
			var progress func(knock.Event)
			if !f.json && term.IsTerminal(int(os.Stderr.Fd())) {
				told := -1
				progress = func(e knock.Event) {
					if e.Kind == knock.ProbeStarted && e.Attempt > told { // an attempt looks twice
						told = e.Attempt
						fmt.Fprintf(cmd.ErrOrStderr(), "knocked, looking at SSH (attempt %d of %d)\n", told+1, len(gaps))
					}
				}
			}
			r := knock.Report{Schema: 1, Host: t.Host, Hour: t.Sequences(time.Now())[0].Hour(), Attempts: []knock.Attempt{}}
			client, err := f.pin(cmd, h, &t)
			if err == nil {
				r, err = client.Knock(cmd.Context(), t, options, progress)
			}
			if cmd.Context().Err() != nil {
				return err
			}
			if f.json {
				if err := printJSON(cmd.OutOrStdout(), r); err != nil {
					return err
				}
			} else if len(r.Attempts) > 0 {
				printKnock(cmd.OutOrStdout(), r, t.Addr)
			}
			if err == nil && !r.Opened {
				err = errShut(r.Summary())
			}
			return err
		},
	}
	cmd.Flags().IntVar(&attempts, "attempts", len(knock.DefaultGaps()), "how many handshakes are tried at most")
	cmd.Flags().DurationVar(&gap, "gap", 0, "the time between knocks in every attempt (default the entry's, else 1ms, then 10ms, then 30ms)")
	cmd.Flags().BoolVar(&explain, "explain", false, "print what would be sent, when and why, and send nothing")
	return cmd
}

// printKnock prints what a handshake did, a line each.
func printKnock(w io.Writer, r knock.Report, addr netip.AddrPort) {
	fmt.Fprintf(w, "%s %s hour %s\n", r.Host, addr, r.Hour)
	for i, a := range r.Attempts {
		if i > 0 && a.Silent() { // as before: nothing to see
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
			fmt.Fprintf(w, "  %5d  sent %s  %s%s%s\n", k.Port, millis(time.Duration(k.Sent)), k.Answer, after(k.RTT), note)
		}
	}
	if r.Before.State != knock.SSHUnknown {
		fmt.Fprintf(w, "ssh before: %s\n", r.Before.State)
	}
	if r.SSH.State != knock.SSHUnknown {
		fmt.Fprintf(w, "ssh: %s%s\n", r.SSH.State, banner(r.SSH))
	}
}

// banner gives what SSH said, and when.
func banner(s knock.SSH) string {
	switch {
	case s.Banner != "":
		return fmt.Sprintf(" after %s: %s", millis(time.Duration(max(s.Read, s.Connect))), s.Banner)
	case s.RTT > 0:
		return after(s.RTT)
	}
	return ""
}

func after(m knock.Measure) string {
	if m == 0 {
		return ""
	}
	return " after " + millis(time.Duration(m))
}

func millis(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
}
