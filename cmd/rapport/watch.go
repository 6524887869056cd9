package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"

	"github.com/spf13/cobra"

	"rapport/cmd/rapport/process"
	"rapport/knock/gate/watch"
	"rapport/tui"
)

func newWatch(f *flags, signals chan<- os.Signal) *cobra.Command {
	return &cobra.Command{
		Use:   "watch",
		Short: "On the server: watch addresses move through the gate's phases",
		Args:  watchArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case runtime.GOOS != "linux":
				return errors.New("watch runs on the server, which is a Linux machine")
			case os.Geteuid() != 0:
				return errors.New("watching the gate requires root: sudo rapport watch")
			}
			w, err := watch.NewWatcher(cmd.Context(), f.clock)
			switch {
			case errors.Is(err, watch.ErrNoGate):
				return errShut(err.Error())
			case err != nil:
				return err
			case f.json:
				return watchJSON(cmd, w)
			}
			ignoreInterrupt(signals)
			err = tui.Watch(cmd.Context(), tui.Config{Client: f.client(), ASCII: f.ascii, NoColor: f.noColor}, w.Run)
			if errors.Is(err, tui.ErrNoTerminal) {
				err = fmt.Errorf("%w; rapport watch --json prints the same without one", err)
			}
			return err
		},
	}
}

// watchArgs rejects a HOST and the flags that describe one.
func watchArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return errors.New("watch takes no HOST; run it on the server")
	}
	for _, name := range []string{"range", "ssh-port", "secret-file", "skew", "ipv4", "ipv6", "source", "timeout"} {
		if cmd.Flags().Changed(name) {
			return fmt.Errorf("watch takes no --%s: it finds the gate in this machine's rules", name)
		}
	}
	return nil
}

// errOutputClosed ends a watch whose output nobody reads any more.
var errOutputClosed = errors.New("output closed")

// watchJSON prints a line for each event, until a signal or the end of the output.
func watchJSON(cmd *cobra.Command, w *watch.Watcher) error {
	ctx, cancel := context.WithCancelCause(cmd.Context())
	defer cancel(nil)
	e := json.NewEncoder(cmd.OutOrStdout())
	e.SetEscapeHTML(false)
	err := w.Run(ctx, func(seen watch.Snapshot) {
		for _, event := range seen.Events {
			if err := e.Encode(event); err != nil {
				cancel(err)
			}
		}
		if process.OutputClosed(os.Stdout) {
			cancel(errOutputClosed)
		}
	})
	if errors.Is(err, errOutputClosed) {
		return nil // as head does it
	}
	return err
}
