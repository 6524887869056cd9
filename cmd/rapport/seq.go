package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"rapport/knock"
	"rapport/knock/phrase"
)

type seqReport struct {
	Schema    int         `json:"schema"`
	Host      string      `json:"host"`
	Range     knock.Range `json:"range"`
	Skew      float64     `json:"skew_s"`
	Sequences []seqLine   `json:"sequences"`
}

type seqLine struct {
	Hour    knock.Hour    `json:"hour"`
	Offset  int           `json:"hour_offset"`
	Ports   [5]uint16     `json:"ports"`
	Repeats bool          `json:"repeats"`
	left    time.Duration // of the current hour
}

// maxSeqHours limits --hours to a year.
const maxSeqHours = 366 * 24

type seqOptions struct {
	hours int
	at    string
}

func newSeq(f *flags) *cobra.Command {
	o := &seqOptions{}
	cmd := f.hostCommand("seq HOST", "Print this hour's, the next and the previous sequence", `seq prints the sequences of HOST for the previous, this and the next hour. It sends
nothing. With --hours it prints so many hours from this one on, as a table to carry on
paper, and a shell line that knocks by hand.`, o.run)
	cmd.Flags().IntVar(&o.hours, "hours", 0, "print so many hours, from this one on")
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
	_, t, err := f.target(cmd, name)
	if err != nil {
		return err
	}
	paper, first, n := o.hours > 0, -1, 3
	if paper {
		first, n = 0, o.hours
	}
	return render(cmd, f.json, newSeqReport(t, now, first, n), func(w io.Writer, r seqReport) { printSeq(w, r, t, paper) })
}

// newSeqReport returns the sequences of n hours, from so many hours after now on.
func newSeqReport(t knock.Target, now time.Time, first, n int) seqReport {
	r := seqReport{Schema: 1, Host: t.Host, Range: t.Range, Skew: t.Skew.Seconds()}
	serverNow := now.Add(t.Skew)
	hour := knock.HourOf(serverNow)
	for i := first; i < first+n; i++ {
		s := knock.Derive(hour.Add(i), t.Range, t.Secret)
		if s.Hour().Sub(hour) != i {
			continue // the year has more than four digits
		}
		l := seqLine{Hour: s.Hour(), Offset: i, Ports: s.Ports(), Repeats: s.Repeats()}
		if i == 0 {
			l.left = hour.End().Sub(serverNow)
		}
		r.Sequences = append(r.Sequences, l)
	}
	return r
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

// printSeq prints the table, and on paper how to knock by hand.
func printSeq(w io.Writer, r seqReport, t knock.Target, paper bool) {
	fmt.Fprintf(w, "%s, range %v, hours in UTC\n\n", r.Host, t.Range)
	for _, l := range r.Sequences {
		mark := " "
		if l.Offset == 0 {
			mark = ">"
		}
		fmt.Fprintf(w, "%s %s  ", mark, l.Hour)
		for _, p := range l.Ports {
			fmt.Fprintf(w, " %5d", p)
		}
		if note := l.note(paper); note != "" {
			fmt.Fprintf(w, "   %s", note)
		}
		fmt.Fprintln(w)
	}
	if paper {
		ports := strings.Trim(fmt.Sprint(r.Sequences[0].Ports), "[]")
		fmt.Fprintf(w, "\nBy hand, with the ports of the hour (here the first one):\n"+
			"  h=%s; for p in %s; do nc -w 1 $h $p </dev/null >/dev/null 2>&1; done; ssh -p %d $h\n",
			phrase.ShellWord(t.Host), ports, t.Addr.Port())
	}
}

// note says which hour this is, and whether a port repeats.
func (l seqLine) note(paper bool) string {
	var words []string
	switch {
	case l.Offset == 0:
		words = append(words, fmt.Sprintf("now, %02d:%02d left", int(l.left.Minutes()), int(l.left.Seconds())%60))
	case paper:
	case l.Offset < 0:
		words = append(words, "previous")
	default:
		words = append(words, "next")
	}
	if l.Repeats {
		words = append(words, "a port repeats")
	}
	return strings.Join(words, ", ")
}
