package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"rapport/knock"
	"rapport/knock/demo"
	"rapport/knock/hosts"
	"rapport/knock/hosts/history"
	"rapport/knock/hosts/sshconfig"
	"rapport/tui"
)

// screens opens the screens: on one server, or on the list of them.
func screens(cmd *cobra.Command, f *flags, args []string, signals chan<- os.Signal) error {
	c, err := f.screenConfig(cmd)
	if err != nil {
		return err
	}
	if c.HostsPath, err = f.path(); err != nil {
		return err
	}
	if c.HistoryPath, err = history.DefaultPath(); err != nil {
		c.HistoryPath = "" // the handshakes are not stored
	}
	if file, err := f.load(); err == nil { // else the list, or the server, says why
		c.Use(file.Settings, f.theme, file.Path)
	}
	if len(args) == 1 {
		if err := f.checkMistyped(cmd, args[0]); err != nil {
			return err
		}
		h, t, err := f.target(cmd, args[0])
		if err != nil {
			return err
		}
		c.Host, c.Secret = &h, t.Secret
	}
	c.OffersDemo = !c.Plain
	for {
		err := show(cmd, c, sshCommand(cmd), signals)
		if !errors.Is(err, tui.ErrDemo) {
			return err
		}
		if err := openDemo(cmd, f, nil, signals); err != nil { // then the form again
			return err
		}
	}
}

// screenConfig returns what the flags say about the screens.
func (f *flags) screenConfig(cmd *cobra.Command) (tui.Config, error) {
	switch {
	case f.json:
		return tui.Config{}, errors.New("the screens print no JSON; rapport knock and rapport seq do")
	case f.verbose:
		return tui.Config{}, errors.New("the screens write no log; rapport knock and rapport doctor do with --verbose")
	}
	c := tui.Config{Client: f.client(), Options: f.options(cmd), ASCII: f.ascii, NoColor: f.noColor, NoMotion: f.noMotion, Plain: f.plain}
	path, _ := f.path() // without a folder for it there is no theme of the user's own
	c.Use(hosts.DefaultSettings(), f.theme, path)
	return c, f.Validate()
}

// checkMistyped reports a word that looks like a mistyped command and is no known host.
func (f *flags) checkMistyped(cmd *cobra.Command, word string) error {
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
// where the command can read the secret; empty means that the hosts file says so.
type login func(ctx context.Context, h hosts.Host, secretFile string) (*exec.Cmd, error)

// show runs the screens, where ctrl+c is a key. Secrets that are stored nowhere are
// served to the logins that start from the screens, until the screens end.
func show(cmd *cobra.Command, c tui.Config, ssh login, signals chan<- os.Signal) error {
	var served []func()
	defer func() {
		for _, stop := range served {
			stop()
		}
	}()
	c.SSH = func(ctx context.Context, h hosts.Host, s knock.Secret) (*exec.Cmd, error) {
		if h.Secret.Source() != hosts.NoSecret {
			return ssh(ctx, h, "")
		}
		path, stop, err := hosts.ServeSecret(s)
		if err != nil {
			return nil, err
		}
		served = append(served, stop)
		return ssh(ctx, h, path)
	}
	if !c.Plain {
		ignoreInterrupt(signals)
	}
	err := tui.Run(cmd.Context(), c)
	if errors.Is(err, tui.ErrNoTerminal) {
		err = fmt.Errorf("%w; rapport knock and rapport seq print the same without one", err)
	}
	return err
}

// ignoreInterrupt makes ctrl+c a key of the screens: SIGINT no longer ends the program.
func ignoreInterrupt(signals chan<- os.Signal) {
	signal.Stop(signals)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
}

// sshCommand returns the login of a server's screens: ssh with the range, skew and
// family that the screens have by then, and else the flags that were given.
func sshCommand(cmd *cobra.Command) login {
	return func(ctx context.Context, h hosts.Host, secretFile string) (*exec.Cmd, error) {
		ssh, err := exec.LookPath("ssh")
		if err != nil {
			return nil, errNoSSH
		}
		flags := givenFlags(cmd)
		flags["range"], flags["skew"] = h.Range.String(), h.Skew.String()
		if secretFile != "" {
			flags["secret-file"] = secretFile
		}
		delete(flags, "ipv4")
		delete(flags, "ipv6")
		if h.Family != knock.FamilyAuto {
			flags["ipv"+string(h.Family)] = "true"
		}
		argv, err := sshArgs(flags, h, h.Name, []string{h.Name})
		if err != nil {
			return nil, err
		}
		return exec.CommandContext(ctx, ssh, argv[1:]...), nil
	}
}

func newDemo(f *flags, signals chan<- os.Signal) *cobra.Command {
	var faults []string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Open the screens on a built-in gate and SSH server, on loopback",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return openDemo(cmd, f, faults, signals)
		},
	}
	cmd.Flags().StringArrayVar(&faults, "fault", nil, "a `fault` of the server, NAME=VALUE; may be repeated")
	return cmd
}

// openDemo opens the screens on a built-in server with faults.
func openDemo(cmd *cobra.Command, f *flags, faults []string, signals chan<- os.Signal) error {
	c, err := f.screenConfig(cmd)
	if err != nil {
		return err
	}
	server, err := demoConfig(cmd, f, faults)
	if err != nil {
		return err
	}
	if !c.Plain && !tui.HasTerminal() {
		return errors.New("the demo needs a terminal to draw its screens on")
	}
	return runDemo(cmd, f, c, server, signals)
}

// demoConfig returns the server that the flags ask for.
func demoConfig(cmd *cobra.Command, f *flags, faults []string) (c demo.Config, err error) {
	for _, s := range faults {
		if err := c.Faults.Set(s); err != nil {
			return c, err
		}
	}
	if err := f.Validate(); err != nil {
		return c, err
	}
	c.Clock = f.clock
	given := cmd.Flags().Changed
	if given("ssh-port") {
		c.SSHPort = f.sshPort
	}
	if given("range") {
		c.Range, _ = knock.ParseRange(f.portRange) // it is valid
	}
	c.Secret, err = knock.ParseSecret("f00b4r")
	return c, err
}

// runDemo starts the server and opens the screens on it.
func runDemo(cmd *cobra.Command, f *flags, c tui.Config, server demo.Config, signals chan<- os.Signal) error {
	events := make(chan string, 16)
	server.OnEvent = func(e demo.Event) {
		if e.Kind != demo.PortTaken {
			return
		}
		select {
		case events <- fmt.Sprintf("demo: port %d: %v", e.Port, e.Err):
		default: // the screens have ended
		}
	}
	g, err := demo.Start(cmd.Context(), server)
	if err != nil {
		return err
	}
	defer g.Close()
	c.Notes = []string{"demo: a gate and an SSH server on loopback, secret f00b4r",
		"the demo has to accept a knock to see it; a real gate stays silent"}
	for _, fault := range server.Faults.List() {
		c.Notes = append(c.Notes, "fault "+fault)
	}
	h := hosts.NewHost("demo")
	h.Address, h.SSHPort, h.Range, h.Skew = g.SSHAddr.Addr().String(), int(g.SSHAddr.Port()), g.Range, f.skew
	c.Host, c.Secret, c.Events, c.Demo = &h, server.Secret, events, true
	return show(cmd, c, demoSSH, signals)
}

// demoSSH is the login of the demo's server, which has a new key at every start.
func demoSSH(ctx context.Context, h hosts.Host, secretFile string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	// Without a hosts file, whose entries may include loopback.
	return exec.CommandContext(ctx, self, "ssh", "--config", os.DevNull, "--secret-file", secretFile, "--range", h.Range.String(), "--skew", h.Skew.String(), "--ssh-port", fmt.Sprint(h.SSHPort), h.Address, "-F", "none",
		"-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"), nil
}
