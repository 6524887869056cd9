package main

import (
	"errors"
	"os"

	"github.com/spf13/cobra"

	"rapport/knock"
	"rapport/knock/gate"
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
			c := gate.Config{SSHPort: f.sshPort}
			if !cmd.Flags().Changed("ssh-port") {
				c.SSHPort = 0
			}
			for _, s := range faults {
				if err := c.Faults.Set(s); err != nil {
					return err
				}
			}
			var err error
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
			g, err := gate.Start(cmd.Context(), c)
			if err != nil {
				return err
			}
			defer g.Close()
			notes := []string{"demo: a gate and an SSH server on loopback, secret f00b4r",
				"the demo has to accept a knock to see it; a real gate stays silent"}
			for _, fault := range c.Faults.List() {
				notes = append(notes, "fault "+fault)
			}
			t := knock.Target{Host: "demo", Addr: g.SSHAddr(), Range: g.Range(), Secret: c.Secret, Skew: f.skew}
			return show(cmd, tui.Config{Target: t, Address: g.SSHAddr().Addr().String(), Options: knock.Options{Timeout: f.timeout},
				Notes: notes, ASCII: f.ascii, NoColor: f.noColor}, signals)
		},
	}
	cmd.Flags().StringArrayVar(&faults, "fault", nil, "a `fault` of the server, NAME=VALUE; may be repeated")
	return cmd
}
