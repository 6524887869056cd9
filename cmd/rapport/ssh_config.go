package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"rapport/knock"
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
			name := args[0]
			if !strings.EqualFold(name, h.Name) { // an address, as it was typed
				if name, err = hosts.AsTyped(name); err != nil {
					return err
				}
			}
			// ssh_config(5) has no way to quote what it takes for a pattern.
			if strings.ContainsAny(name, "*?!,\"'\\ ") {
				return fmt.Errorf("ssh would take the name %q for a pattern: give the entry another one", name)
			}
			lines := []string{"Host " + name}
			if h.SSHPort != knock.DefaultSSHPort {
				lines = append(lines, fmt.Sprintf("    Port %d", h.SSHPort))
			}
			self, err := os.Executable()
			if err != nil {
				return fmt.Errorf("cannot find this program's own path: %w", err)
			}
			proxy, err := proxyCommand(cmd, self, canPass && !plain, quoteForSSH("%h"))
			if err != nil {
				return err
			}
			lines = append(lines, "    ProxyCommand "+proxy)
			if canPass && !plain {
				lines = append(lines, "    ProxyUseFdpass yes")
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
