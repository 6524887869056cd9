package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"rapport/cmd/rapport/process"
	"rapport/knock"
	"rapport/knock/hosts"
	"rapport/knock/hosts/sshconfig"
)

var errNoSSH = errors.New("there is no ssh on the PATH: install an OpenSSH client")

func newSSH(f *flags) *cobra.Command {
	cmd := &cobra.Command{
		Use:                   "ssh [USER@]HOST [ARG...]",
		Short:                 "Run ssh through the gate",
		DisableFlagsInUseLine: true,
		ValidArgsFunction:     f.completeHosts,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return oneHost(cmd, args)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return runSSH(cmd, f, args) },
	}
	cmd.Flags().SetInterspersed(false)
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		return fmt.Errorf("%w; ssh's own options go after HOST", err)
	})
	return cmd
}

// runSSH replaces this process with ssh. Only if the secret is stored nowhere that rapport
// proxy could read it does it stay and serve the secret to it.
func runSSH(cmd *cobra.Command, f *flags, args []string) error {
	user, name, err := f.login(args[0])
	if err != nil {
		return err
	}
	h, err := f.server(cmd, name)
	if err != nil {
		return err
	}
	ssh, err := exec.LookPath("ssh")
	if err != nil {
		return errNoSSH
	}
	flags, run := givenFlags(cmd), process.Exec
	if f.secretFile == "" && h.Secret.Source() == hosts.NoSecret {
		s, err := f.secret(cmd.Context(), h) // without one ssh would complain too
		if err != nil {
			return err
		}
		socket, stop, err := hosts.ServeSecret(s)
		if err != nil {
			return err
		}
		defer stop()
		flags["secret-file"], run = socket, process.RunChild
	}
	argv, err := sshArgs(flags, h, name, append([]string{user + name}, args[1:]...))
	if err != nil {
		return err
	}
	f.log.Debug("run", "program", ssh, "arguments", argv[1:])
	return run(cmd.Context(), ssh, argv)
}

// login splits ssh's destination into the user with its @, or nothing, and the host.
func (f *flags) login(destination string) (user, host string, err error) {
	file, err := f.load()
	if err != nil {
		return "", "", err
	}
	if _, listed := file.Host(destination); listed {
		return "", destination, nil
	}
	host = destination
	if at := strings.LastIndex(destination, "@") + 1; at > 1 && !strings.Contains(destination, "://") {
		user, host = destination[:at], destination[at:]
	}
	if err := knock.CheckHost(host); err != nil {
		return "", "", err
	}
	host, err = typed(file, host)
	return user, host, err
}

// proxyFlags are the flags that rapport proxy gets from this one; the port comes from ssh.
func proxyFlags() []string {
	return []string{"range", "secret-file", "skew", "ipv4", "ipv6", "source", "timeout", "config", "verbose"}
}

// givenFlags returns the values of those flags of rapport proxy that were given to cmd.
func givenFlags(cmd *cobra.Command) map[string]string {
	given := map[string]string{}
	for _, name := range proxyFlags() {
		if f := cmd.Flags().Lookup(name); f.Changed {
			given[name] = f.Value.String()
		}
	}
	return given
}

// newProxyCommand returns this program as ssh's ProxyCommand, with the values of flags.
func newProxyCommand(flags map[string]string, fdpass bool) (sshconfig.Proxy, error) {
	self, err := os.Executable()
	if err != nil {
		return sshconfig.Proxy{}, fmt.Errorf("cannot find this program's own path: %w", err)
	}
	words := []string{self, "proxy"}
	if fdpass {
		words = append(words, "--fdpass")
	}
	for _, name := range proxyFlags() {
		value, given := flags[name]
		if !given {
			continue
		}
		if name == "secret-file" || name == "config" {
			if value, err = filepath.Abs(value); err != nil {
				return sshconfig.Proxy{}, fmt.Errorf("--%s: %w", name, err)
			}
		}
		words = append(words, "--"+name+"="+value)
	}
	return sshconfig.Proxy{Words: words, Fdpass: fdpass}, nil
}

// sshArgs returns ssh's arguments to reach h as name, which args begin with. flags are
// those of rapport proxy.
func sshArgs(flags map[string]string, h hosts.Host, name string, args []string) ([]string, error) {
	p, err := newProxyCommand(flags, process.CanPass)
	if err != nil {
		return nil, err
	}
	options, err := p.Args(name, h.Lookup(), h.SSHPort, args[1:])
	return slices.Concat([]string{"ssh"}, options, args), err
}

func newSSHConfig(f *flags) *cobra.Command {
	var master, plain bool
	cmd := f.hostCommand("ssh-config HOST", "Print the stanza for ~/.ssh/config", func(cmd *cobra.Command, f *flags, typed string) error {
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
		p, err := newProxyCommand(flags, process.CanPass && !plain)
		if err != nil {
			return err
		}
		stanza, err := p.Stanza(name, h.Lookup(), h.SSHPort, master)
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
