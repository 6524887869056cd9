package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"rapport/knock"
	"rapport/knock/gate/audit"
	"rapport/knock/gate/script/dryrun"
	"rapport/knock/solve"
)

func newAudit(f *flags) *cobra.Command {
	o := inspection{flags: f, past: solve.DefaultHours, future: solve.DefaultHours}
	var names []string
	var rate int
	cmd := &cobra.Command{
		Use:   "audit [FILE|-] [HOST]",
		Short: "Play attacks and accidents against a server's rules, and say what each would cost",
		Args:  fileAndHost,
		RunE: interruptible(func(cmd *cobra.Command, args []string) error {
			start := o.clock.Now()
			if cmd.Flags().Changed("rate") && (rate < 1 || rate > 1_000_000) {
				return fmt.Errorf("--rate %d is not within 1-1000000", rate)
			}
			r, err := o.read(cmd, args)
			if err != nil {
				return err
			}
			if r, err = dryrun.Loaded(cmd.Context(), r); err != nil {
				return err
			}
			r.Names, r.Rate = names, rate
			report, err := audit.Run(cmd.Context(), r)
			if err != nil {
				return err
			}
			report.Elapsed = knock.Millis(o.clock.Now().Sub(start))
			if err := render(cmd, o.json, report, func(w io.Writer, r audit.Report) { r.Print(w, o.verbose) }); err != nil {
				return err
			}
			if failed := report.Failed(); len(failed) > 0 {
				return errShut("failed: " + strings.Join(failed, ", "))
			}
			why := report.Unknown()
			return unless(why == "", "the gate was not checked: "+why)
		}),
	}
	p := cmd.Flags()
	p.StringSliceVar(&names, "attack", nil, "run only the check with this `name`; repeatable")
	p.IntVar(&rate, "rate", 0, "play sweeps and floods with `N` SYNs a second")
	p.StringVar(&o.at, "at", "", "the `time` at which the rules were read, if not now: 2026-11-22-08, or RFC 3339")
	return cmd
}
