package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"rapport/knock"
)

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
				fmt.Fprintf(w, "%s %s\nssh: %s%s\n", r.Host, t.Addr, r.SSH.State, banner(r.SSH))
			}
		},
		judge: func(r knock.ProbeReport) error { return unless(r.SSH.State == knock.SSHOpen, r.SSH.Summary()) },
	}.do(cmd, f, h, &t)
}
