package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"rapport/diag/scan"
	"rapport/knock"
	"rapport/knock/demo"
	"rapport/knock/solve"
)

// search is the flags of scan and doctor that say what is tried.
type search struct {
	past, future int
	also         []string
	ranges       []knock.Range // of also, once valid
}

func (s *search) register(cmd *cobra.Command) {
	p := cmd.Flags()
	p.IntVar(&s.past, "past", scan.DefaultPast, "try so many past `hours`")
	p.IntVar(&s.future, "future", 0, "try so many future `hours`: an eavesdropper who records their knocks can use them later")
	p.StringArrayVar(&s.also, "also-range", nil, "try this `range` too; may be repeated")
}

// Validate checks the hours and reads the ranges.
func (s *search) Validate() error {
	if err := cmp.Or(checkHours("past", s.past), checkHours("future", s.future)); err != nil {
		return err
	}
	for _, text := range s.also {
		r, err := knock.ParseRange(text)
		if err != nil {
			return fmt.Errorf("--also-range: %w", err)
		}
		s.ranges = append(s.ranges, r)
	}
	return nil
}

// checkHours checks the number of hours that a flag was given.
func checkHours(flag string, n int) error {
	if n < 0 || n > solve.MaxHours {
		return fmt.Errorf("--%s %d is not within 0-%d", flag, n, solve.MaxHours)
	}
	return nil
}

func newScan(f *flags) *cobra.Command {
	s := &search{}
	cmd := f.hostCommand("scan HOST", "Find out which hour and range open the gate, in one pass", s.scan)
	s.register(cmd)
	return cmd
}

func (s *search) scan(cmd *cobra.Command, f *flags, name string) error {
	if err := s.Validate(); err != nil {
		return err
	}
	h, t, err := f.target(cmd, name)
	if err != nil {
		return err
	}
	return check[scan.Report]{
		empty: scan.Report{Schema: 1, Host: t.Host},
		run: func(client *knock.Client) (scan.Report, error) {
			ctx, cancel := f.deadline(cmd)
			defer cancel()
			var progress func(scan.Report)
			if !f.json {
				progress = scan.Progress(cmd.ErrOrStderr(), term.IsTerminal(int(os.Stderr.Fd())))
			}
			pass := scan.Scan{Client: client, Past: s.past, Future: s.future, Also: s.ranges, StandIn: demo.Runs(t.Addr)}
			r, err := pass.Run(ctx, t, progress)
			if errors.Is(err, context.DeadlineExceeded) {
				r.Stopped.Reason, err = scan.OutOfTime, nil
			}
			return r, err
		},
		print: func(w io.Writer, r scan.Report) { r.Print(w, t) },
		judge: func(r scan.Report) error { return unless(r.Opened != nil && r.Confirmed, r.Summary()) },
	}.do(cmd, f, h, &t)
}
