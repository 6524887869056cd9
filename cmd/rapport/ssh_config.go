package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"rapport/knock/hosts"
)

func newSSHConfig(f *flags) *cobra.Command {
	var master, plain bool
	cmd := &cobra.Command{
		Use:   "ssh-config HOST",
		Short: "Print the stanza for ~/.ssh/config",
		Long: `ssh-config prints lines for ~/.ssh/config, after which ssh, scp, sftp, rsync and git
reach HOST through the gate by themselves:

  rapport ssh-config myserver >>~/.ssh/config`,
		Args:              oneHost,
		ValidArgsFunction: f.completeHosts,
		RunE: func(cmd *cobra.Command, args []string) error {
			h, err := f.server(cmd, args[0])
			if err != nil {
				return err
			}
			lines := []string{"Host " + h.Name}
			if h.SSHPort != hosts.DefaultSSHPort {
				lines = append(lines, fmt.Sprintf("    Port %d", h.SSHPort))
			}
			if plain || !canPass {
				lines = append(lines, "    ProxyCommand rapport proxy %h %p")
			} else {
				lines = append(lines, "    ProxyCommand rapport proxy --fdpass %h %p", "    ProxyUseFdpass yes")
			}
			if master {
				lines = append(lines, "    ControlMaster auto", "    ControlPath ~/.ssh/control-%C", "    ControlPersist 10m")
			}
			for _, l := range lines {
				fmt.Fprintln(cmd.OutOrStdout(), l)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&master, "control-master", false, "let later sessions share the first one's connection, without a knock")
	cmd.Flags().BoolVar(&plain, "no-fdpass", false, "let rapport carry the bytes instead of handing the connection over")
	return cmd
}
