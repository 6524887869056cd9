package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"rapport/knock"
	"rapport/knock/hosts"
	"rapport/tui"
)

// screens opens the screens: on a server, or on the list of them.
func screens(cmd *cobra.Command, f *flags, args []string, signals chan<- os.Signal) error {
	path, err := f.path()
	if err != nil {
		return err
	}
	c := tui.Config{HostsPath: path, SSH: sshCommand(cmd)}
	if c.ResultsPath, err = hosts.DefaultResultsPath(); err != nil {
		c.ResultsPath = "" // nothing is kept where there is no place for it
	}
	if len(args) == 1 {
		if err := f.noCommand(cmd, args[0]); err != nil {
			return err
		}
		h, t, err := f.target(cmd, args[0])
		if err != nil {
			return err
		}
		c.Host, c.Secret = &h, t.Secret
	}
	return show(cmd, f, c, signals)
}

// noCommand says so where a single word looks like a command that was mistyped,
// rather than a host.
func (f *flags) noCommand(cmd *cobra.Command, word string) error {
	near := cmd.SuggestionsFor(word)
	if len(near) == 0 || strings.ContainsAny(word, ".:") {
		return nil
	}
	file, err := f.load()
	if err != nil {
		return err
	}
	_, listed := file.Host(word)
	_, _, known, _ := hosts.FromSSHConfig(hosts.DefaultSSHConfig(), word)
	if listed || known {
		return nil
	}
	return fmt.Errorf("there is no command and no host %q; did you mean rapport %s?", word, strings.Join(near, " or rapport "))
}

// show runs the screens, with ctrl+c for a key.
func show(cmd *cobra.Command, f *flags, c tui.Config, signals chan<- os.Signal) error {
	if f.json {
		return errors.New("the screens print no JSON; rapport knock and rapport seq do")
	}
	c.Options, c.ASCII, c.NoColor = f.options(cmd), f.ascii, f.noColor
	signal.Stop(signals)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	err := tui.Run(cmd.Context(), c)
	if errors.Is(err, tui.ErrNoTerminal) {
		err = fmt.Errorf("%w; rapport knock and rapport seq print the same without one", err)
	}
	return err
}

// sshCommand makes the command that logs in to a server from the screens: rapport
// ssh, with the range, skew and family that they have now. The secret goes along
// in its environment, for a server that keeps none.
func sshCommand(cmd *cobra.Command) func(hosts.Host, knock.Secret) (*exec.Cmd, error) {
	return func(h hosts.Host, s knock.Secret) (*exec.Cmd, error) {
		self, err := os.Executable()
		if err != nil {
			return nil, fmt.Errorf("cannot find this program's own path: %w", err)
		}
		for name, value := range map[string]string{"range": h.Range.String(), "skew": h.Skew.String()} {
			if err := cmd.Flags().Set(name, value); err != nil {
				return nil, err
			}
		}
		for name, family := range map[string]knock.Family{"ipv4": knock.Family4, "ipv6": knock.Family6} {
			flag := cmd.Flags().Lookup(name)
			flag.Changed = h.Family == family
			if err := flag.Value.Set(strconv.FormatBool(flag.Changed)); err != nil {
				return nil, err
			}
		}
		given, err := givenFlags(cmd)
		if err != nil {
			return nil, err
		}
		c := exec.Command(self, append(append([]string{"ssh"}, given...), "--ssh-port="+strconv.Itoa(h.SSHPort), "--", h.Name)...)
		if h.SecretSource() == "none" {
			c.Env = append(os.Environ(), secretVariable+"="+s.Reveal())
		}
		return c, nil
	}
}
