package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"rapport/knock"
	"rapport/knock/report"
)

// maxSeqHours limits --hours to a year.
const maxSeqHours = 366 * 24

type seqOptions struct {
	hours int
	at    string
}

func newSeq(f *flags) *cobra.Command {
	o := &seqOptions{}
	cmd := f.hostCommand("seq HOST", "Print this hour's, the next and the previous sequence", o.run)
	cmd.Flags().IntVar(&o.hours, "hours", 0, "print `N` hours, from this one on")
	cmd.Flags().StringVar(&o.at, "at", "", "use this `time` instead of now: 2026-11-22-08, or RFC 3339")
	return cmd
}

func (o *seqOptions) run(cmd *cobra.Command, f *flags, name string) error {
	if cmd.Flags().Changed("hours") && (o.hours < 1 || o.hours > maxSeqHours) {
		return fmt.Errorf("--hours %d is not within 1-%d", o.hours, maxSeqHours)
	}
	now, err := parseAt(o.at, f.clock)
	if err != nil {
		return err
	}
	h, t, err := f.target(cmd, name)
	if err != nil {
		return err
	}
	paper, first, n := o.hours > 0, -1, 3
	if paper {
		first, n = 0, o.hours
	}
	return render(cmd, f.json, report.NewSequences(t, now, first, n), func(w io.Writer, r report.Sequences) { r.Print(w, h.Lookup(), t.Addr.Port(), paper) })
}

// parseAt reads the value of --at, an hour or an RFC 3339 time; without one it is now.
func parseAt(s string, clock knock.Clock) (time.Time, error) {
	if s == "" {
		return clock.Now(), nil
	}
	if h, err := knock.ParseHour(s); err == nil {
		return h.Start(), nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return t, errors.New("--at takes an hour such as 2026-11-22-08 (UTC), or a time such as 2026-11-22T08:30:00Z")
	}
	return t, nil
}
