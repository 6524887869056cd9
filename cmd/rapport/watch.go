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

	"rapport/knock/gate/watch"
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

Two addresses that look like one client behind carrier NAT stand out: those that began and
got stuck together in the first two phases, and one that the gate opened to while attempts to
connect were dropped. It is never proof: a knock that lacks the one before it leaves no trace in
the kernel.

The times of phases are the kernel's. Who got in is seen up to a second late, save where the
rules note it, as those of the nft script do.

Exit status: 1 there is no gate, 2 the rules cannot be read, 130 and 143 on signals.`,
		Args: watchArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case runtime.GOOS != "linux":
				return errors.New("watch runs on the server, which is a Linux machine")
			case os.Geteuid() != 0:
				return errors.New("watching the gate takes root: sudo rapport watch")
			}
			w, err := watch.NewWatcher(cmd.Context())
			switch {
			case errors.Is(err, watch.ErrNoGate):
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

// watchArgs refuses what a watch of this machine has no use for.
func watchArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return errors.New("watch takes no HOST; run it on the server")
	}
	for _, name := range []string{"range", "ssh-port", "secret-file", "skew", "ipv4", "ipv6", "timeout"} {
		if cmd.Flags().Changed(name) {
			return fmt.Errorf("watch takes no --%s: it finds the gate in this machine's rules", name)
		}
	}
	return nil
}

// errUnread says that nobody reads what is printed.
var errUnread = errors.New("nobody reads on")

// watchJSON prints events, a line each, until a signal comes or nobody reads on.
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
		if readerGone(os.Stdout) {
			cancel(errUnread)
		}
	})
	if errors.Is(err, errUnread) {
		return nil // it has seen enough
	}
	return err
}
