package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"rapport/knock/hosts"
)

func newSSHConfig(f *flags) *cobra.Command {
	var master, plain bool
	cmd := f.hostCommand("ssh-config HOST", "Print the stanza for ~/.ssh/config", `ssh-config prints lines for ~/.ssh/config. With these lines, ssh, scp, sftp, rsync and
git reach HOST through the gate by themselves:

  rapport ssh-config myserver >>~/.ssh/config`, func(cmd *cobra.Command, f *flags, typed string) error {
		h, err := f.server(cmd, typed)
		if err != nil {
			return err
		}
		name := typed
		if !strings.EqualFold(name, h.Name) { // an address
			if name, err = hosts.AsTyped(name); err != nil {
				return err
			}
		}
		flags := givenFlags(cmd)
		delete(flags, "verbose") // for this run, not for every ssh from now on
		p, err := newProxyCommand(flags, canPass && !plain)
		if err != nil {
			return err
		}
		stanza, err := p.Stanza(name, h.SSHPort, master)
		if err != nil {
			return err
		}
		fmt.Fprint(cmd.OutOrStdout(), stanza)
		return nil
	})
	cmd.Flags().BoolVar(&master, "control-master", false, "let later sessions share the first session's connection, without a knock")
	cmd.Flags().BoolVar(&plain, "no-fdpass", false, "carry the bytes instead of passing the connection to ssh")
	return cmd
}
