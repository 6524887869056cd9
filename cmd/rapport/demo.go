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
		Short: "Open the screens on a gate and SSH server built in, on loopback",
		Long: `demo starts a gate and an SSH server on loopback and opens the screens on them.
It needs no setup, no root and no network. Faults that real servers have can be
given to it:

  --fault clock=+3h            the server's clock is off
  --fault range=10000-11000    the server's rules use another range
  --fault sshd=down            the gate opens, nothing listens (or silent, refusing)
  --fault drop=3               the third knock is lost, always`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c := demo.Config{SSHPort: f.sshPort}
			if !cmd.Flags().Changed("ssh-port") {
				c.SSHPort = 0
			}
			for _, s := range faults {
				if err := c.Faults.Set(s); err != nil {
					return err
				}
			}
			if f.timeout <= 0 {
				return fmt.Errorf("--timeout %v is not a time to wait", f.timeout)
			}
			err := f.checkSkew()
			if err != nil {
				return err
			}
			if cmd.Flags().Changed("range") {
				if c.Range, err = knock.ParseRange(f.portRange); err != nil {
					return err
				}
			}
			if c.Secret, err = knock.ParseSecret("f00b4r"); err != nil {
				return err
			}
			if !tui.HasTerminal() {
				return errors.New("the demo needs a terminal to draw its screens on")
			}
			events := make(chan string, 16)
			c.OnEvent = func(e demo.Event) {
				if e.Kind != demo.PortTaken {
					return
				}
				select {
				case events <- "demo: " + e.String():
				default: // nobody reads: the screens are gone
				}
			}
			g, err := demo.Start(cmd.Context(), c)
			if err != nil {
				return err
			}
			defer g.Close()
			notes := []string{"demo: a gate and an SSH server on loopback, secret f00b4r",
				"the demo has to accept a knock to see it; a real gate stays silent"}
			for _, fault := range c.Faults.List() {
				notes = append(notes, "fault "+fault)
			}
			h := hosts.NewHost("demo")
			h.Address, h.SSHPort, h.Range, h.Skew = g.SSHAddr().Addr().String(), int(g.SSHAddr().Port()), g.Range(), f.skew
			return show(cmd, f, tui.Config{Host: &h, Secret: c.Secret, Notes: notes, Events: events}, demoSSH, signals)
		},
	}
	cmd.Flags().StringArrayVar(&faults, "fault", nil, "a `fault` of the server, NAME=VALUE; may be repeated")
	return cmd
}

// demoSSH makes the command that logs in to the demo's server, whose key is new
// with every start.
func demoSSH(h hosts.Host, secretFile string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	// No hosts file: one of its entries may be for loopback too.
	return exec.Command(self, "ssh", "--config", os.DevNull, "--secret-file", secretFile, "--range", h.Range.String(), "--skew", h.Skew.String(), "--ssh-port", fmt.Sprint(h.SSHPort), h.Address, "-F", "none",
		"-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"), nil
}
