package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"rapport/diag/scan"
	"rapport/knock"
	"rapport/knock/gate/script"
	"rapport/knock/solve"
)

// search is the flags of scan and doctor that say what is tried.
type search struct {
	past, future int
	also         []string
}

func (s *search) register(cmd *cobra.Command) {
	p := cmd.Flags()
	p.IntVar(&s.past, "past", scan.DefaultPast, "try so many `hours` back")
	p.IntVar(&s.future, "future", 0, "try so many `hours` ahead: an onlooker who keeps the knocks can use them when these come")
	p.StringArrayVar(&s.also, "also-range", nil, "try this `range` too; may be repeated")
}

// ranges checks the flags, and returns the ranges of --also-range.
func (s *search) ranges() (also []knock.Range, err error) {
	if s.past < 0 || s.past > solve.MaxHours {
		return nil, fmt.Errorf("--past %d is not within 0-%d", s.past, solve.MaxHours)
	}
	if s.future < 0 || s.future > solve.MaxHours {
		return nil, fmt.Errorf("--future %d is not within 0-%d", s.future, solve.MaxHours)
	}
	for _, text := range s.also {
		r, err := knock.ParseRange(text)
		if err != nil {
			return nil, fmt.Errorf("--also-range: %w", err)
		}
		also = append(also, r)
	}
	return also, nil
}

func newScan(f *flags) *cobra.Command {
	var s search
	cmd := &cobra.Command{
		Use:   "scan HOST",
		Short: "Find out which hour and range open the gate, in one pass",
		Long: `scan tries hours, ranges and forms of the secret on HOST's gate in one pass: port 1 of
all of them, then all ports 2, 3 and 4, then one by one port 5 and a look at SSH. What
opened the gate is confirmed by a handshake of its own when the window is over. Ranges
tried are the server's as known, the same with its ends off by one, and those of
--also-range. What opened it once and not again is put aside, and the rest is tried. An
open knock port, a network that rejects, or an sshd that turns this address away stop it.

A gate with a sweep guard ignores an address for a minute after more than 30 wrong ports
in one. A wrong range or form of the secret costs five; hours cost nothing if range and
secret are right. So the six likeliest come first, then the hours, then the rest. Where
sweep_guard is in the hosts file, nothing goes over it, which takes a minute for every six;
--timeout bounds that, else five minutes do.

Exit status: 0 something opens the gate, 1 nothing does, 2 usage, 3 no such name or no way
there.`,
		Args:              oneHost,
		ValidArgsFunction: f.completeHosts,
		RunE: func(cmd *cobra.Command, args []string) error {
			also, err := s.ranges()
			if err != nil {
				return err
			}
			h, t, err := f.target(cmd, args[0])
			if err != nil {
				return err
			}
			r := scan.Report{Schema: 1, Host: t.Host}
			client, err := f.pin(cmd, h, &t)
			if err == nil {
				ctx := cmd.Context()
				if cmd.Flags().Changed("timeout") {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, f.timeout)
					defer cancel()
				}
				scan := scan.Scan{Client: client, Past: s.past, Future: s.future, Also: also}
				r, err = scan.Run(ctx, t, scanProgress(cmd.ErrOrStderr(), f.json, term.IsTerminal(int(os.Stderr.Fd()))))
				if errors.Is(err, context.DeadlineExceeded) {
					r.Stopped, err = "out of time: give it more by --timeout", nil
				}
			}
			if cmd.Context().Err() != nil {
				return err
			}
			if f.json {
				if err := printJSON(cmd.OutOrStdout(), r); err != nil {
					return err
				}
			} else if err == nil {
				printScan(cmd.OutOrStdout(), r, t)
			}
			if err == nil && (r.Opened == nil || !r.Confirmed) {
				err = errShut(r.Summary())
			}
			return err
		},
	}
	s.register(cmd)
	return cmd
}

// scanProgress says what is sent before it is, and how it goes to someone at a
// terminal: a line a second at most, and ten in all, besides a hit.
func scanProgress(w io.Writer, quiet, terminal bool) func(scan.Report) {
	announced, confirming := false, false
	told, next := 0, knock.Millis(time.Second)
	return func(r scan.Report) {
		if quiet {
			return
		}
		if !announced {
			fmt.Fprintln(w, r.Announce)
		}
		announced = true
		if !terminal {
			return
		}
		if r.Confirming && !confirming {
			fmt.Fprintln(w, r.Summary())
		}
		confirming = r.Confirming
		tried := 0
		for _, c := range r.Cells {
			if c.State != scan.Waiting {
				tried++
			}
		}
		if r.Opened == nil && r.Elapsed >= next && tried-told >= max(r.Candidates/10, 1) {
			told, next = tried, r.Elapsed+knock.Millis(time.Second)
			fmt.Fprintf(w, "%d of %d hypotheses tried\n", tried, r.Candidates)
		}
	}
}

// printScan prints what a scan found, and how to use it.
func printScan(w io.Writer, r scan.Report, t knock.Target) {
	fmt.Fprintf(w, "%s %s\n", r.Host, t.Addr)
	fmt.Fprintln(w, r.Summary())
	if r.Opened != nil {
		if differs := r.Opened.Differs(t.Range); len(differs) > 0 {
			fmt.Fprintf(w, "differs: %s\n", strings.Join(differs, "; "))
		} else {
			fmt.Fprintln(w, "differs: nothing")
		}
	}
	for _, h := range r.Unconfirmed {
		if r.Opened == nil || *r.Opened != h {
			fmt.Fprintf(w, "put aside: hour %v, range %v, the secret %s opened it once, and not again\n", h.Hour, h.Range, h.Variant.Words())
		}
	}
	if r.Opened == nil && r.BeyondGuard > 0 {
		fmt.Fprintf(w, "a gate with a sweep guard of %d would have ignored the last %d, unless range and secret are right\n", script.DefaultSweepGuard, r.BeyondGuard)
	}
	fmt.Fprintf(w, "%d hypotheses, %d packets, %d connections to SSH; the pass took %s, all of it %s\n", r.Candidates, r.Packets, r.Connections, whole(r.Pass), seconds(r.Elapsed))
}
