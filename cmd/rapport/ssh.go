package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"

	"rapport/knock/hosts"
)

var errNoSSH = errors.New("there is no ssh on the PATH: install an OpenSSH client")

func newSSH(f *flags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ssh [USER@]HOST [ARG...]",
		Short: "Run ssh through the gate",
		Long: `ssh runs ssh with rapport as its ProxyCommand. Everything after HOST is ssh's:
options, and the command. The exit status is ssh's.`,
		DisableFlagsInUseLine: true,
		ValidArgsFunction:     f.completeHosts,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return oneHost(cmd, args)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			user, name, err := f.login(args[0])
			if err != nil {
				return err
			}
			h, err := f.server(cmd, name)
			if err != nil {
				return err
			}
			args = append([]string{user + name}, args[1:]...)
			ssh, err := exec.LookPath("ssh")
			if err != nil {
				return errNoSSH
			}
			argv, err := sshArgs(cmd, h, name, args)
			if err != nil {
				return err
			}
			return become(ssh, argv)
		},
	}
	cmd.Flags().SetInterspersed(false)
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		return fmt.Errorf("%w; ssh's own options go after HOST", err)
	})
	return cmd
}

// login takes what ssh calls its destination apart: the user with the @, or
// nothing, and the host.
func (f *flags) login(destination string) (user, host string, err error) {
	file, err := f.load()
	if err != nil {
		return "", "", err
	}
	if _, listed := file.Host(destination); listed {
		return "", destination, nil
	}
	host = destination
	if !strings.Contains(destination, "://") {
		at := strings.LastIndex(destination, "@") + 1
		user, host = destination[:at], destination[at:]
	}
	if err := hosts.CheckName(host); err != nil {
		return "", "", err
	}
	host, err = typed(file, host)
	return user, host, err
}

// sshArgs returns ssh's arguments, its name first, to reach h, which is called
// name. rapport is named by its own path, with the flags that it was given
// itself.
func sshArgs(cmd *cobra.Command, h hosts.Host, name string, args []string) ([]string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("cannot find this program's own path: %w", err)
	}
	proxy := proxyCommand(cmd, self, canPass, sshWord(name))
	argv := []string{"ssh", "-o", "ProxyCommand=" + proxy, "-p", fmt.Sprint(h.SSHPort)}
	if canPass {
		argv = append(argv, "-o", "ProxyUseFdpass=yes")
	}
	return append(argv, args...), nil
}

// proxyCommand writes the line that ssh runs to reach host, a word as ssh takes
// it, with the flags that were given here.
func proxyCommand(cmd *cobra.Command, self string, fdpass bool, host string) string {
	words := []string{sshWord(self), "proxy"}
	if fdpass {
		words = append(words, "--fdpass")
	}
	for _, name := range []string{"range", "secret-file", "skew", "ipv4", "ipv6", "timeout", "config"} {
		if f := cmd.Flags().Lookup(name); f.Changed {
			words = append(words, sshWord("--"+name+"="+f.Value.String()))
		}
	}
	return strings.Join(append(words, "--", host, "%p"), " ")
}

// sshWord quotes a word of a ProxyCommand: ssh replaces %x in it and hands it to
// the user's shell.
func sshWord(s string) string { return shellWord(strings.ReplaceAll(s, "%", "%%")) }
