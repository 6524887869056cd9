package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"rapport/knock"
)

func newProbe(f *flags) *cobra.Command {
	return &cobra.Command{
		Use:   "probe HOST",
		Short: "Look whether SSH answers, without knocking",
		Long: `probe makes one connection to the SSH port of HOST and reads a line. It waits for
four seconds at most, unless --timeout says otherwise.

Exit status: 0 SSH is open, 1 it is not, 2 usage, 3 no such name or no way there.`,
		Args:              oneHost,
		ValidArgsFunction: f.completeHosts,
		RunE: func(cmd *cobra.Command, args []string) error {
			h, err := f.server(cmd, args[0])
			if err != nil {
				return err
			}
			t := h.Target()
			r := knock.ProbeReport{Schema: 1, Host: t.Host}
			client, err := f.pin(cmd, h, &t)
			if err == nil {
				r, err = client.Probe(cmd.Context(), t.Host, t.Addr, f.options(cmd))
			}
			if cmd.Context().Err() != nil {
				return err
			}
			if f.json {
				if err := printJSON(cmd.OutOrStdout(), r); err != nil {
					return err
				}
			} else if t.Addr.IsValid() {
				fmt.Fprintf(cmd.OutOrStdout(), "%s %s\nssh: %s%s\n", r.Host, t.Addr, r.SSH.State, banner(r.SSH))
			}
			if err == nil && r.SSH.State != knock.SSHOpen {
				err = errShut(r.SSH.Summary())
			}
			return err
		},
	}
}
