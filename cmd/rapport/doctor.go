package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"rapport/cmd/rapport/process"
	"rapport/diag"
	"rapport/diag/doctor"
	"rapport/knock"
)

type doctorOptions struct {
	search
	ntp    ntpFlag
	rules  string // a file, or -
	report string // empty, brief or full
}

func newDoctor(f *flags) *cobra.Command {
	o := &doctorOptions{}
	cmd := f.hostCommand("doctor HOST", "Find out why SSH does not open, and what to do", o.run)
	o.register(cmd)
	o.ntp.register(cmd)
	p := cmd.Flags()
	p.StringVar(&o.rules, "rules", "", "the server's rules: a `file`, or - for standard input")
	p.StringVar(&o.report, "report", "", "print a text for a ticket without the knocked ports (but with the ranges) and what servers said; `full` includes them")
	p.Lookup("report").NoOptDefVal = "brief"
	return cmd
}

func (o *doctorOptions) run(cmd *cobra.Command, f *flags, name string) error {
	switch {
	case f.json && o.report != "":
		return errors.New("--json and --report both say what to print: use one of them")
	case o.report != "" && o.report != "brief" && o.report != "full":
		return fmt.Errorf("--report takes brief or full, not %q", knock.Clean(o.report, 40))
	}
	if err := cmp.Or(o.ntp.Validate(), o.search.Validate()); err != nil {
		return err
	}
	h, t, err := f.target(cmd, name)
	if err != nil {
		return err
	}
	h.NTP = o.ntp.apply(h)
	d := doctor.Doctor{Client: f.client(), Past: o.past, Future: o.future, Also: o.ranges}
	if o.rules != "" {
		found, _, err := readRules(cmd, o.rules)
		if err != nil {
			return err
		}
		d.Rules = &found
	}
	ctx, cancel := f.deadline(cmd)
	defer cancel()
	told, shown := process.Columns(os.Stderr), process.Columns(os.Stdout)
	live := told > 0 && shown > 0
	r, err := d.Run(ctx, h, t.Secret, doctor.Progress(cmd.ErrOrStderr(), f.json, told))
	if err != nil {
		return err
	}
	r.Verdict.Command = f.changeCommand(cmd, r.Host, r.Verdict.Change)
	if err := render(cmd, f.json, r, func(w io.Writer, r diag.Report) {
		if o.report != "" {
			fmt.Fprint(w, r.Text(o.report == "full"))
		} else {
			r.Print(w, shown, live)
		}
	}); err != nil {
		return err
	}
	if err = judged(r); err != nil && live && !f.json && o.report == "" {
		return process.Ended(codeOf(err)) // the verdict stands at the end
	}
	return err
}

// judged returns the error that stands for a verdict, or nil if SSH can be reached by a
// handshake.
func judged(r diag.Report) error {
	switch code, summary := r.Verdict.Code, r.Summary(); code {
	case diag.DNSFailure:
		return withKind(knock.ErrName, summary)
	case diag.HostUnreachable:
		return withKind(knock.ErrUnreachable, summary)
	default:
		return unless(code == diag.Opens || code == diag.LossyPath, summary)
	}
}

// withKind returns an error of a kind, which decides the exit code, and names it once.
func withKind(kind error, summary string) error {
	return fmt.Errorf("%w: %s", kind, strings.TrimPrefix(summary, kind.Error()+": "))
}
