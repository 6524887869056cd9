package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"rapport/knock"
	"rapport/tui"
)

// Exit codes; see also signalled.
const (
	exitShut    = 1 // the gate did not open, or the check says no
	exitUsage   = 2 // usage or configuration
	exitNetwork = 3 // name or network failure
)

// errShut is a check's no, told in its text.
type errShut string

func (e errShut) Error() string { return string(e) }

// signalled is the cause of a context that a signal ended.
type signalled struct{ signal syscall.Signal }

func (s signalled) Error() string { return s.signal.String() }

// run is the program: it returns the exit code.
func run(args []string) int {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	go func() {
		if s, ok := (<-signals).(syscall.Signal); ok {
			cancel(signalled{s})
		}
	}()

	root := newRoot(signals)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	var s signalled
	switch {
	case err == nil:
		return 0
	case errors.As(err, &s):
		return 128 + int(s.signal)
	case errors.Is(err, tui.ErrInterrupted):
		return 128 + int(syscall.SIGINT)
	}
	fmt.Fprintf(os.Stderr, "rapport: %v\n", err)
	var shut errShut
	switch {
	case errors.As(err, &shut):
		return exitShut
	case errors.Is(err, knock.ErrName), errors.Is(err, knock.ErrUnreachable), errors.Is(err, knock.ErrSend):
		return exitNetwork
	}
	return exitUsage
}

// newRoot returns the command with all that is below it. The screens take
// SIGINT back from signals, since ctrl+c is a key there.
func newRoot(signals chan<- os.Signal) *cobra.Command {
	var f flags
	cmd := &cobra.Command{
		Use:   "rapport [HOST]",
		Short: "Knock on a server's ports, see SSH open, and see why it did not",
		Long: `rapport is the terminal assistant for Roland Mas's port-knocking scheme: five
ports computed every hour from the UTC date, the hour and a secret.

With HOST, a name or an address, it opens the screens on that server.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return fmt.Errorf("there is no command %q; see rapport --help", args[0])
			}
			return nil
		},
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("name a host: rapport HOST; or see the screens without one: rapport demo")
			}
			return screens(cmd, &f, args[0], signals)
		},
	}
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w; see %s --help", err, cmd.CommandPath())
	})
	f.register(cmd)
	cmd.AddCommand(newSeq(&f), newKnock(&f), newProbe(&f), newDemo(&f, signals))
	return cmd
}
