package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"rapport/knock"
	"rapport/tui"
)

// screens opens the screens on a server.
func screens(cmd *cobra.Command, f *flags, host string, signals chan<- os.Signal) error {
	t, err := f.target(host, true)
	if err != nil {
		return err
	}
	return show(cmd, tui.Config{Target: t, Family: f.family(), Options: knock.Options{Timeout: f.timeout}, ASCII: f.ascii, NoColor: f.noColor}, signals)
}

// show runs the screens, with ctrl+c for a key.
func show(cmd *cobra.Command, c tui.Config, signals chan<- os.Signal) error {
	signal.Stop(signals)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	err := tui.Run(cmd.Context(), c)
	if errors.Is(err, tui.ErrNoTerminal) {
		err = fmt.Errorf("%w; rapport knock and rapport seq print the same without one", err)
	}
	return err
}
