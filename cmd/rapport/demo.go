package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"

	"github.com/spf13/cobra"

	"rapport/knock"
	"rapport/knock/demo"
	"rapport/knock/hosts"
	"rapport/tui"
)

func newDemo(f *flags, signals chan<- os.Signal) *cobra.Command {
	var faults []string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Open the screens on a built-in gate and SSH server, on loopback",
		Long: `demo starts a gate and an SSH server on loopback and opens the screens on them.
It needs no setup, no root and no network. --fault gives the server a fault that real
servers have:

  --fault clock=+3h            the server's clock is off
  --fault range=10000-11000    the server's rules use another range
  --fault sshd=down            the gate opens, nothing listens (or silent, refusing)
  --fault drop=3               the third knock is always lost`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := f.screenConfig(cmd)
			if err != nil {
				return err
			}
			server, err := demoConfig(cmd, f, faults)
			if err != nil {
				return err
			}
			if !tui.HasTerminal() {
				return errors.New("the demo needs a terminal to draw its screens on")
			}
			return runDemo(cmd, f, c, server, signals)
		},
	}
	cmd.Flags().StringArrayVar(&faults, "fault", nil, "a `fault` of the server, NAME=VALUE; may be repeated")
	return cmd
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
	c.Host, c.Secret, c.Events = &h, server.Secret, events
	return show(cmd, c, demoSSH, signals)
}

// demoSSH is the login of the demo's server, which has a new key at every start.
func demoSSH(h hosts.Host, secretFile string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	// Without a hosts file, whose entries may include loopback.
	return exec.Command(self, "ssh", "--config", os.DevNull, "--secret-file", secretFile, "--range", h.Range.String(), "--skew", h.Skew.String(), "--ssh-port", fmt.Sprint(h.SSHPort), h.Address, "-F", "none",
		"-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"), nil
}
