package main

import (
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"rapport/knock"
	"rapport/knock/report"
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
		return render(cmd, f.json, report.NewPlan(t.Host, p), func(w io.Writer, r report.Plan) { r.Print(w) })
	}
	return check[knock.Report]{
		empty: knock.Report{Schema: 1, Host: t.Host, Hour: t.Sequences(f.clock.Now())[0].Hour(), Attempts: []knock.Attempt{}},
		run: func(client *knock.Client) (knock.Report, error) {
			var progress func(knock.Event)
			if !f.json && term.IsTerminal(int(os.Stderr.Fd())) {
				progress = report.Progress(cmd.ErrOrStderr(), o.attempts)
			}
			return client.Knock(cmd.Context(), t, options, progress)
		},
		partial: true,
		print: func(w io.Writer, r knock.Report) {
			if len(r.Attempts) > 0 {
				report.Knock(w, r, t.Addr)
			}
		},
		judge: func(r knock.Report) error { return unless(r.Opened, r.Summary()) },
	}.do(cmd, f, h, &t)
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
				report.Probe(w, r, t.Addr)
			}
		},
		judge: func(r knock.ProbeReport) error { return unless(r.SSH.State == knock.SSHOpen, r.SSH.Summary()) },
	}.do(cmd, f, h, &t)
}
