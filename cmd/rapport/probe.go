package main

import (
	"fmt"
	"net/netip"

	"github.com/spf13/cobra"

	"rapport/knock"
)

func newProbe(f *flags) *cobra.Command {
	return &cobra.Command{
		Use:   "probe HOST",
		Short: "Look whether SSH answers, without knocking",
		Long: `probe makes one connection to the SSH port of HOST and reads a line.

Exit status: 0 SSH is open, 1 it is not, 2 usage, 3 no such name or no way there.`,
		Args: oneHost,
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := f.target(args[0], false)
			if err != nil {
				return err
			}
			var client knock.Client
			addr, err := client.Resolve(cmd.Context(), args[0], f.family())
			if err != nil {
				return err
			}
			var o knock.Options
			if cmd.Flags().Changed("timeout") {
				o.Timeout = f.timeout
			}
			pinned := netip.AddrPortFrom(addr, t.Addr.Port())
			r, err := client.Probe(cmd.Context(), args[0], pinned, o)
			if cmd.Context().Err() != nil {
				return err
			}
			if f.json {
				if err := printJSON(cmd, r); err != nil {
					return err
				}
			} else {
				fmt.Fprintf(cmd.OutOrStdout(), "%s %s\nssh: %s%s\n", r.Host, pinned, r.SSH.State, banner(r.SSH))
			}
			if err == nil && r.SSH.State != knock.SSHOpen {
				err = errShut(r.SSH.Summary())
			}
			return err
		},
	}
}
