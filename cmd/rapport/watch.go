package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"

	"github.com/spf13/cobra"

	"rapport/cmd/rapport/process"
	"rapport/knock"
	"rapport/knock/gate/script"
	"rapport/knock/gate/watch"
	"rapport/tui"
)

// observing is what the flags of watch say.
type observing struct {
	*flags
	filter        watch.Filter
	clients, mask bool
	metrics, exec string
}

func newWatch(f *flags, signals chan<- os.Signal) *cobra.Command {
	o := observing{flags: f}
	cmd := &cobra.Command{
		Use:   "watch",
		Short: "On the server: watch addresses move through the gate's phases",
		Args:  o.check,
		RunE:  func(cmd *cobra.Command, _ []string) error { return o.run(cmd, signals) },
	}
	p := cmd.Flags()
	p.BoolVar(&o.clients, "clients", false, "see the SYNs too, and say what each client's knocks were made with")
	p.BoolVar(&o.filter.In, "in", false, "show only who got in")
	p.IntVar(&o.filter.Phase, "phase", 0, "show only who reached this `phase`, 1 to 5")
	p.BoolVar(&o.mask, "mask-ports", false, "leave out the ports of knocks")
	p.StringVar(&o.metrics, "metrics", "", "serve counters for Prometheus on `address`, :9464 on loopback alone")
	p.StringVar(&o.exec, "exec", "", "run a `command` when an address got in or stuck, has another hour, or scans")
	return cmd
}

func (o *observing) run(cmd *cobra.Command, signals chan<- os.Signal) error {
	switch {
	case runtime.GOOS != "linux":
		return errors.New("watch runs on the server, which is a Linux machine")
	case os.Geteuid() != 0:
		return errors.New("watching the gate requires root: sudo rapport watch")
	}
	w, err := watch.NewWatcher(cmd.Context(), o.clock)
	switch {
	case errors.Is(err, watch.ErrNoGate):
		return errShut(err.Error())
	case err != nil:
		return err
	}
	if o.clients {
		if err := o.observe(cmd, w); err != nil {
			return err
		}
	}
	sinks, end, err := watch.Sinks{Metrics: o.metrics, Exec: o.exec, Filter: o.filter}.Open(cmd.Context(), func(err error) {
		o.log.Warn("exec", "error", err)
	})
	if err != nil {
		return err
	}
	defer end()
	if o.json {
		return o.lines(cmd, w, sinks)
	}
	ignoreInterrupt(signals)
	err = tui.Watch(cmd.Context(), tui.Config{Client: o.client(), ASCII: o.ascii, NoColor: o.noColor}, func(ctx context.Context, on func(watch.Snapshot)) error {
		return w.Run(ctx, func(seen watch.Snapshot) { on(sinks(seen)) })
	})
	if errors.Is(err, tui.ErrNoTerminal) {
		err = fmt.Errorf("%w; rapport watch --json prints the same without one", err)
	}
	return err
}

// observe makes the watch see SYNs. Where that is not permitted, it goes on without.
func (o *observing) observe(cmd *cobra.Command, w *watch.Watcher) error {
	if o.secretFile == "" && o.environment == "" {
		o.secretFile = script.DefaultSecretPath
	}
	h, secret, err := o.known(cmd, "")
	if err != nil {
		return err
	}
	err = w.Observe(cmd.Context(), secret, h.Range)
	if err != nil && !errors.Is(err, watch.ErrOtherSecret) && cmd.Context().Err() == nil {
		fmt.Fprintf(cmd.ErrOrStderr(), "rapport: warning: SYNs cannot be seen (%s); only the gate's lists are read\n", oneLine(err))
		return nil
	}
	return err
}

// check rejects a HOST and the flags that describe one.
func (o *observing) check(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return errors.New("watch takes no HOST; run it on the server")
	}
	if o.filter.Phase < 0 || o.filter.Phase > knock.Knocks {
		return fmt.Errorf("--phase %d is not within 1-5", o.filter.Phase)
	}
	for _, name := range []string{"range", "ssh-port", "secret-file", "skew", "ipv4", "ipv6", "source", "timeout"} {
		if cmd.Flags().Changed(name) && !(o.clients && (name == "range" || name == "secret-file")) {
			return fmt.Errorf("watch takes no --%s: it finds the gate in this machine's rules", name)
		}
	}
	return watch.Sinks{Metrics: o.metrics}.Validate()
}

// errOutputClosed ends a watch whose output nobody reads any more.
var errOutputClosed = errors.New("output closed")

// lines prints a line for each event, until a signal or the end of the output.
func (o *observing) lines(cmd *cobra.Command, w *watch.Watcher, sinks func(watch.Snapshot) watch.Snapshot) error {
	ctx, cancel := context.WithCancelCause(cmd.Context())
	defer cancel(nil)
	print := watch.Lines(cmd.OutOrStdout(), o.mask)
	err := w.Run(ctx, func(seen watch.Snapshot) {
		if err := print(sinks(seen)); err != nil {
			cancel(err)
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
