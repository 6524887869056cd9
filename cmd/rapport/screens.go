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
	"rapport/knock/hosts/sshconfig"
	"rapport/tui"
)

// screens opens the screens: on a server, or on the list of them.
func screens(cmd *cobra.Command, f *flags, args []string, signals chan<- os.Signal) error {
	path, err := f.path()
	if err != nil {
		return err
	}
	c := tui.Config{HostsPath: path}
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
	return show(cmd, f, c, sshCommand(cmd), signals)
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
	ssh, _ := sshconfig.Lookup(sshconfig.DefaultPath(), word)
	if listed || ssh.Known {
		return nil
	}
	return fmt.Errorf("there is no command and no host %q; did you mean rapport %s?", word, strings.Join(near, " or rapport "))
}

// login makes the command that logs in to a server from the screens. secretFile is
// where its secret can be read, or empty where the server's entry says that.
type login func(h hosts.Host, secretFile string) (*exec.Cmd, error)

// show runs the screens, with ctrl+c for a key. For as long as they run they serve
// the secrets that are kept nowhere to the logins that they start.
func show(cmd *cobra.Command, f *flags, c tui.Config, ssh login, signals chan<- os.Signal) error {
	if f.json {
		return errors.New("the screens print no JSON; rapport knock and rapport seq do")
	}
	c.Options, c.ASCII, c.NoColor = f.options(cmd), f.ascii, f.noColor
	var served []func()
	defer func() {
		for _, stop := range served {
			stop()
		}
	}()
	c.SSH = func(h hosts.Host, s knock.Secret) (*exec.Cmd, error) {
		if h.Secret.Source() != hosts.NoSecret {
			return ssh(h, "")
		}
		path, stop, err := hosts.ServeSecret(s)
		if err != nil {
			return nil, err
		}
		served = append(served, stop)
		return ssh(h, path)
	}
	signal.Stop(signals)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	err := tui.Run(cmd.Context(), c)
	if errors.Is(err, tui.ErrNoTerminal) {
		err = fmt.Errorf("%w; rapport knock and rapport seq print the same without one", err)
	}
	return err
}

// sshCommand makes the command by which a server's screens log in to it: ssh, with
// the range, skew and family that they have now.
func sshCommand(cmd *cobra.Command) login {
	file := cmd.Flags().Lookup("secret-file")
	given, changed := file.Value.String(), file.Changed
	return func(h hosts.Host, secretFile string) (*exec.Cmd, error) {
		ssh, err := exec.LookPath("ssh")
		if err != nil {
			return nil, errNoSSH
		}
		secret, fromFile := given, changed
		if secretFile != "" {
			secret, fromFile = secretFile, true
		}
		for name, value := range map[string]string{"range": h.Range.String(), "skew": h.Skew.String(), "secret-file": secret} {
			if err := cmd.Flags().Set(name, value); err != nil {
				return nil, err
			}
		}
		file.Changed = fromFile
		for name, family := range map[string]knock.Family{"ipv4": knock.Family4, "ipv6": knock.Family6} {
			flag := cmd.Flags().Lookup(name)
			flag.Changed = h.Family == family
			if err := flag.Value.Set(strconv.FormatBool(flag.Changed)); err != nil {
				return nil, err
			}
		}
		argv, err := sshArgs(cmd, h, h.Name, []string{h.Name})
		if err != nil {
			return nil, err
		}
		return exec.Command(ssh, argv[1:]...), nil
	}
}
