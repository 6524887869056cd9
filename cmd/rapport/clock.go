package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"rapport/diag/clock"
	"rapport/knock"
	"rapport/knock/hosts"
)

func newClock(f *flags) *cobra.Command {
	var ntp []string
	cmd := &cobra.Command{
		Use:   "clock HOST",
		Short: "Read the server's clock without a login, and compare it with this one",
		Long: `clock asks HOST for the time in every way that needs no login: HTTP, HTTPS, NTP, SMTP,
daytime, time, and ICMP timestamps where it may (as root). What most of them agree on is
the skew. This machine's own clock is compared with the NTP servers of --ntp, or of the
hosts file; no others are asked. All takes three seconds at most, unless --timeout says
otherwise.

Exit status: 0 the server is in the hour that it is taken for with the known skew, 1 it is
in another, or its clock is not known, 2 usage, 3 no such name.`,
		Args:              oneHost,
		ValidArgsFunction: f.completeHosts,
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("ntp") {
				if err := checkNTP(ntp); err != nil {
					return err
				}
			}
			h, err := f.server(cmd, args[0])
			if err != nil {
				return err
			}
			if cmd.Flags().Changed("ntp") {
				h.NTP = ntp
			}
			t := h.Target()
			r := clock.Report{Schema: 1, Host: t.Host, Local: clock.LocalClock{Time: time.Now()}}
			_, err = f.pin(cmd, h, &t)
			if err == nil {
				clocks := clock.Clocks{NTP: h.NTP, Timeout: f.options(cmd).Timeout}
				r, err = clocks.Read(cmd.Context(), h.Lookup(), t.Addr.Addr(), nil)
				r.Host = t.Host
			}
			if cmd.Context().Err() != nil {
				return err
			}
			now := time.Now()
			if f.json {
				if err := printJSON(cmd.OutOrStdout(), r); err != nil {
					return err
				}
			} else if err == nil {
				printClock(cmd.OutOrStdout(), r, h, f, now)
			}
			switch {
			case err != nil:
				return err
			case !r.Known && f.json:
				return errShut(r.Summary(now))
			case !r.Known: // why is on standard output
				return errShut("the server's clock is not known")
			case !r.SameHour(now, h.Skew):
				return errShut("the server is in another hour than it is taken for" + takeOver(r))
			}
			return nil
		},
	}
	cmd.Flags().StringSliceVar(&ntp, "ntp", nil, "`servers` to ask for this machine's clock")
	return cmd
}

// printClock prints what each source said, a line each, and what follows.
func printClock(w io.Writer, r clock.Report, h hosts.Host, f *flags, now time.Time) {
	fmt.Fprintf(w, "%s %s\n", r.Host, r.Address)
	fmt.Fprintf(w, "this machine's clock: %s, %s\n", r.Local.Time.UTC().Format("2006-01-02 15:04:05 UTC"), r.LocalSummary())
	printReadings(w, r, clock.Local)
	fmt.Fprintln(w, "the server's clock minus this one, by")
	printReadings(w, r, clock.Server)
	fmt.Fprintln(w, r.Summary(now))
	skew, ok := r.RoundSkew()
	switch {
	case h.Skew != 0 && ok && skew == h.Skew:
		fmt.Fprintf(w, "that is the known skew, %s\n", knock.FormatDuration(h.Skew))
		return
	case h.Skew != 0:
		fmt.Fprintf(w, "the known skew is %s\n", knock.FormatDuration(h.Skew))
	}
	switch {
	case !ok || skew == h.Skew:
	case f.listed:
		config := ""
		if f.config != "" {
			config = " --config " + shellWord(f.config)
		}
		fmt.Fprintf(w, "to keep it: rapport hosts edit %s --skew %s%s\n", shellWord(h.Name), knock.FormatDuration(skew), config)
	default:
		fmt.Fprintf(w, "to follow it: --skew %s\n", knock.FormatDuration(skew))
	}
}

func printReadings(w io.Writer, r clock.Report, of clock.Side) {
	for _, s := range r.Sources {
		if s.Of == of {
			fmt.Fprintf(w, "  %-8s  %s\n", s.Name, s.Text())
		}
	}
}

// takeOver says how to follow the server's clock, where it is known well enough.
func takeOver(r clock.Report) string {
	skew, ok := r.RoundSkew()
	if !ok {
		return ""
	}
	return "; its skew is " + knock.FormatDuration(skew)
}
