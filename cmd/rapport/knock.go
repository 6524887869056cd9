package main

import (
	"errors"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"rapport/knock"
	"rapport/knock/fleet"
	"rapport/knock/phrase"
	"rapport/knock/report"
)

type knockOptions struct {
	many
	attempts int
	gap      time.Duration // zero is the entry's gap, or else the plan's
	explain  bool
}

func newKnock(f *flags) *cobra.Command {
	o := &knockOptions{}
	cmd := f.hostCommand("knock HOST|@TAG...", "Send the handshake, then check whether SSH opened", nil)
	cmd.Args, cmd.RunE = o.hosts, func(cmd *cobra.Command, args []string) error {
		if _, err := knock.Gaps(o.attempts, o.gap); err != nil {
			return err
		}
		if host, ok := o.single(args); ok {
			return o.run(cmd, f, host)
		}
		return o.runMany(cmd, f, args)
	}
	cmd.ValidArgsFunction = o.complete(f)
	o.register(cmd)
	p := cmd.Flags()
	p.IntVar(&o.attempts, "attempts", len(knock.DefaultGaps()), "try at most `N` handshakes")
	p.DurationVar(&o.gap, "gap", 0, "the time between knocks in every attempt (default the entry's, else 1ms, then 10ms, then 30ms)")
	p.BoolVar(&o.explain, "explain", false, "print what would be sent, when and why, and send nothing")
	return cmd
}

func (o *knockOptions) run(cmd *cobra.Command, f *flags, name string) error {
	h, t, err := f.target(cmd, name)
	if err != nil {
		return err
	}
	options := f.options(cmd)
	options.Gaps = o.gaps(t)
	if o.explain {
		p := f.client().Plan(t, options)
		return render(cmd, f.json, report.NewPlan(t.Host, p), func(w io.Writer, r report.Plan) { r.Print(w) })
	}
	return check[knock.Report]{
		empty: knock.Report{Schema: 1, Host: t.Host, Hour: t.Sequences(f.clock.Now())[0].Hour(), Attempts: []knock.Attempt{}},
		run: func(client *knock.Client) (knock.Report, error) {
			var progress func(knock.Event)
			if !f.json && term.IsTerminal(int(os.Stderr.Fd())) {
				progress = report.Progress(cmd.ErrOrStderr(), o.attempts)
			}
			r, err := client.Knock(cmd.Context(), t, options, progress)
			warnRoute(cmd, r)
			return r, err
		},
		partial: true,
		print: func(w io.Writer, r knock.Report) {
			if len(r.Attempts) > 0 {
				report.Knock(w, r, t.Addr)
			}
		},
		judge: func(r knock.Report) error {
			return unless(r.Opened, r.Summary()+"; find out why: rapport doctor "+phrase.ShellWord(name))
		},
	}.do(cmd, f, h, &t)
}

// gaps returns the gaps of the attempts: those of --gap, or else the entry's.
func (o *knockOptions) gaps(t knock.Target) []time.Duration {
	if o.gap != 0 {
		t.Gap = o.gap
	}
	return t.Gaps(o.attempts)
}

// runMany knocks on several addresses.
func (o *knockOptions) runMany(cmd *cobra.Command, f *flags, args []string) error {
	if o.explain {
		return errors.New("--explain prints the plan of one HOST: name one")
	}
	all, err := o.choose(cmd, f, args)
	if err != nil {
		return err
	}
	all.Gaps = o.gaps
	var tally fleet.Tally
	show := printer[fleet.Knocked](cmd, f, &o.many)
	all.Knock(cmd.Context(), o.servers, func(k fleet.Knocked) {
		show(k)
		warnRoute(cmd, k.Report)
		tally.Add(o.called(k.Host, k.Addr), k.Opened, k.Err)
	})
	return conclude(cmd, f, &tally)
}

func newProbe(f *flags) *cobra.Command {
	m := &many{}
	cmd := f.hostCommand("probe HOST|@TAG...", "Check whether SSH answers, without knocking", nil)
	cmd.Args, cmd.RunE = m.hosts, func(cmd *cobra.Command, args []string) error {
		if host, ok := m.single(args); ok {
			return runProbe(cmd, f, host)
		}
		all, err := m.choose(cmd, f, args)
		if err != nil {
			return err
		}
		var tally fleet.Tally
		show := printer[fleet.Probed](cmd, f, m)
		all.Probe(cmd.Context(), m.servers, func(p fleet.Probed) {
			show(p)
			tally.Add(m.called(p.Host, p.Addr), p.SSH.State == knock.SSHOpen, p.Err)
		})
		return conclude(cmd, f, &tally)
	}
	cmd.ValidArgsFunction = m.complete(f)
	m.register(cmd)
	return cmd
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
			if t.Addr.IsValid() && r.SSH.State != "" {
				report.Probe(w, r, t.Addr)
			}
		},
		judge: func(r knock.ProbeReport) error { return unless(r.SSH.State == knock.SSHOpen, r.SSH.Summary()) },
	}.do(cmd, f, h, &t)
}
