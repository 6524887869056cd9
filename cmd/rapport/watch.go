package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/spf13/cobra"

	"rapport/knock/gate"
	"rapport/tui"
)

func newWatch(f *flags, signals chan<- os.Signal) *cobra.Command {
	return &cobra.Command{
		Use:   "watch",
		Short: "On the server: watch addresses move through the gate's phases",
		Long: `watch runs on the server, as root. It finds the gate in this machine's rules and shows
who reached which phase how long ago, who got in, and at which phase people get stuck. With
--json it prints a line for each event. It reads iptables-save and nft list, the lists in
/proc/net/xt_recent and the connections in /proc/net, and writes nothing.

Two addresses that look like one client behind carrier NAT stand out: those that got stuck at
the same time, and one that the gate opened to while attempts to connect were dropped. It is
never proof: a knock that lacks the one before it leaves no trace in the kernel.

Exit status: 1 there is no gate, 2 the rules cannot be read, 130 and 143 on signals.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case runtime.GOOS != "linux":
				return errors.New("watch runs on the server, which is a Linux machine")
			case os.Geteuid() != 0:
				return errors.New("watching the gate takes root: sudo rapport watch")
			}
			w, err := gate.NewWatcher(cmd.Context())
			switch {
			case errors.Is(err, gate.ErrNoGate):
				return errShut(err.Error())
			case err != nil:
				return err
			case f.json:
				return watchJSON(cmd, w)
			}
			signal.Stop(signals)
			signal.Notify(signals, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
			err = tui.Watch(cmd.Context(), tui.WatchConfig{Run: w.Run, ASCII: f.ascii, NoColor: f.noColor})
			if errors.Is(err, tui.ErrNoTerminal) {
				err = fmt.Errorf("%w; rapport watch --json prints the same without one", err)
			}
			return err
		},
	}
}

// watchJSON prints events, a line each, until a signal comes or nobody reads on.
func watchJSON(cmd *cobra.Command, w *gate.Watcher) error {
	ctx, cancel := context.WithCancelCause(cmd.Context())
	defer cancel(nil)
	e := json.NewEncoder(cmd.OutOrStdout())
	e.SetEscapeHTML(false)
	return w.Run(ctx, func(seen gate.Watched) {
		for _, event := range seen.Events {
			if err := e.Encode(event); err != nil {
				cancel(err)
			}
		}
	})
}
