package main

import (
	"fmt"
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
		Long: `ssh-config prints lines for ~/.ssh/config. With these lines, ssh, scp, sftp, rsync and
git reach HOST through the gate by themselves:

  rapport ssh-config myserver >>~/.ssh/config`,
		Args:              oneHost,
		ValidArgsFunction: f.completeHosts,
		RunE: func(cmd *cobra.Command, args []string) error {
			lines, err := stanza(cmd, f, args[0], canPass && !plain)
			if err != nil {
				return err
			}
			if master {
				lines = append(lines, "    ControlMaster auto", "    ControlPath ~/.ssh/control-%C", "    ControlPersist 10m")
			}
			fmt.Fprintln(cmd.OutOrStdout(), strings.Join(lines, "\n"))
			return nil
		},
	}
	cmd.Flags().BoolVar(&master, "control-master", false, "let later sessions share the first session's connection, without a knock")
	cmd.Flags().BoolVar(&plain, "no-fdpass", false, "carry the bytes instead of passing the connection to ssh")
	return cmd
}

// stanza returns the lines of ~/.ssh/config for a host.
func stanza(cmd *cobra.Command, f *flags, name string, fdpass bool) ([]string, error) {
	h, err := f.server(cmd, name)
	if err != nil {
		return nil, err
	}
	if !strings.EqualFold(name, h.Name) { // an address
		if name, err = hosts.AsTyped(name); err != nil {
			return nil, err
		}
	}
	// ssh_config(5) cannot quote the characters of a pattern.
	if strings.ContainsAny(name, "*?!,\"'\\ ") {
		return nil, fmt.Errorf("ssh would read the name %q as a pattern: rename the entry", name)
	}
	lines := []string{"Host " + name}
	if h.SSHPort != knock.DefaultSSHPort {
		lines = append(lines, fmt.Sprintf("    Port %d", h.SSHPort))
	}
	proxy, err := proxyCommand(givenFlags(cmd), fdpass, quoteForSSH("%h"))
	if err != nil {
		return nil, err
	}
	lines = append(lines, "    ProxyCommand "+proxy)
	if fdpass {
		lines = append(lines, "    ProxyUseFdpass yes")
	}
	return lines, nil
}
