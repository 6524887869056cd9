// Command rapport is the terminal assistant for a port-knocking scheme that
// needs no daemon: it previews sequences, knocks, proves that SSH opened, and finds
// out why it did not. It also writes, inspects, traces, audits and watches a
// server's rules.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"rapport/cmd/rapport/manual"
	"rapport/cmd/rapport/process"
	"rapport/knock"
	"rapport/knock/hosts"
	"rapport/knock/phrase"
	"rapport/knock/proxy"
	"rapport/tui"
	"rapport/tui/noquery"
)

func main() {
	noquery.Restore()
	os.Exit(run(os.Args[1:]))
}

// Exit codes; see also [process.Signalled].
const (
	exitShut    = 1 // the gate did not open, or the check says no
	exitUsage   = 2 // usage or configuration
	exitNetwork = 3 // name or network failure
)

// errShut is the no of a check, which exits 1; the text says why.
type errShut string

func (e errShut) Error() string { return string(e) }

// run is the program: it returns the exit code.
func run(args []string) int {
	process.DenyTracing()
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	go func() {
		if s, ok := (<-signals).(syscall.Signal); ok {
			cancel(process.Signalled{Signal: s})
			signal.Reset() // the next signal ends the process
		}
	}()

	root := newRoot(time.Now, signals)
	root.SetArgs(args)
	out := &output{w: os.Stdout}
	root.SetOut(out)
	cmd, err := root.ExecuteContextC(ctx)
	if ended, ok := errors.AsType[process.Ended](err); ok {
		return int(ended)
	}
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	err = errors.Join(err, out.err)
	var s process.Signalled
	switch {
	case err == nil:
		return 0
	case errors.As(err, &s):
		// The terminal shows ^C without a line end. In proxy it belongs to ssh.
		if s.Signal == syscall.SIGINT && cmd.Name() != "proxy" && term.IsTerminal(int(os.Stderr.Fd())) {
			fmt.Fprintln(os.Stderr, "\nrapport: cancelled")
		}
		return 128 + int(s.Signal)
	case errors.Is(err, tui.ErrInterrupted):
		return 128 + int(syscall.SIGINT)
	}
	fmt.Fprintf(os.Stderr, "rapport: %s\n", oneLine(err))
	if out.err != nil {
		return exitShut
	}
	return codeOf(err)
}

// codeOf is the exit code of a command that failed by itself.
func codeOf(err error) int {
	var shut errShut
	switch {
	case errors.As(err, &shut):
		return exitShut
	case errors.Is(err, knock.ErrName), errors.Is(err, knock.ErrUnreachable), errors.Is(err, knock.ErrSend), errors.Is(err, proxy.ErrLost):
		return exitNetwork
	}
	return exitUsage
}

// oneLine makes an error safe for a terminal and a log: it may repeat arguments.
func oneLine(err error) string {
	return knock.Clean(strings.ReplaceAll(err.Error(), "\n", "; "), 4000)
}

// output is standard output. A failed write, which it remembers, fails the command.
type output struct {
	w   io.Writer
	err error
}

func (o *output) Write(b []byte) (int, error) {
	n, err := o.w.Write(b)
	if err != nil && o.err == nil {
		o.err = fmt.Errorf("cannot write the result: %w", phrase.WithoutPath(err))
	}
	return n, err
}

// newRoot returns the root command of a machine with this clock. The screens stop
// SIGINT from reaching signals.
func newRoot(clock knock.Clock, signals chan<- os.Signal) *cobra.Command {
	f := &flags{clock: clock, environment: os.Getenv(secretVariable), log: slog.New(slog.DiscardHandler)}
	_ = os.Unsetenv(secretVariable) // child processes, such as ssh and secret_command, do not need it
	shown := false                  // the version
	cmd := &cobra.Command{
		Use:           "rapport [HOST]",
		Short:         "Knock on a server's ports, see SSH open, and see why it did not",
		Args:          noCommand,
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if f.verbose {
				f.log = slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelDebug}))
			}
			if f.json && !slices.Contains(jsonCommands, cmd.CommandPath()) {
				return fmt.Errorf("%s prints no JSON: leave --json out", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if shown {
				return printVersion(cmd)
			}
			return screens(cmd, f, args, signals)
		},
		ValidArgsFunction:          f.completeHosts,
		SuggestionsMinimumDistance: 2,
	}
	// A version template would link text/template, and with it all methods.
	cmd.Flags().BoolVarP(&shown, "version", "v", false, "version for rapport")
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		if value, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
			err = fmt.Errorf("--%s does not take %q%s", value.GetFlag().Name, value.GetValue(), withUnit(value))
		}
		return fmt.Errorf("%w; see %s --help", err, cmd.CommandPath())
	})
	f.register(cmd)
	cmd.AddCommand(newSeq(f), newKnock(f), newProbe(f), newProxy(f), newSSH(f), newSSHConfig(f), newHosts(f), newClock(f), newScan(f),
		newDoctor(f), newRules(f), newInspect(f), newTrace(f), newAudit(f), newWatch(f, signals), newPcap(f), newDemo(f, signals), newVersion())
	manual.Attach(cmd)
	return cmd
}

// jsonCommands are the commands that print JSON, or say why not. The others refuse the flag.
var jsonCommands = []string{
	"rapport", "rapport seq", "rapport knock", "rapport probe", "rapport demo", "rapport doctor", "rapport scan", "rapport clock", "rapport pcap",
	"rapport inspect", "rapport trace", "rapport audit", "rapport watch", "rapport hosts list", "rapport hosts show", "rapport version",
}

// withUnit proposes a unit for a time that was given without one.
func withUnit(v *pflag.InvalidValueError) string {
	if _, err := strconv.ParseFloat(v.GetValue(), 64); err != nil || v.GetFlag().Value.Type() != "duration" {
		return ""
	}
	unit := "s"
	switch v.GetFlag().Name {
	case "skew":
		unit = "h"
	case "gap":
		unit = "ms"
	}
	return " (did you mean " + v.GetValue() + unit + "?)"
}

// noCommand is the root's Args: more than one argument is a mistyped command.
func noCommand(cmd *cobra.Command, args []string) error {
	if len(args) < 2 {
		return nil
	}
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		return fmt.Errorf("there is no command %q; did you mean %s?", args[0], strings.Join(near, " or "))
	}
	return fmt.Errorf("there is no command %q; see rapport --help", args[0])
}

// check is a command that asks a server something and exits 0 for a yes, 1 for a no.
type check[R any] struct {
	empty R                              // what --json prints if HOST has no address
	run   func(*knock.Client) (R, error) // the target is pinned by then
	print func(io.Writer, R)             // as text
	// partial: print is called beside an error too, for what was done before it.
	partial bool
	judge   func(R) error // the error that stands for a no, or nil
}

// do resolves h, pins t to its address, runs the check and prints what it found.
func (c check[R]) do(cmd *cobra.Command, f *flags, h hosts.Host, t *knock.Target) error {
	r := c.empty
	client, err := f.pin(cmd, h, t)
	if err == nil {
		r, err = c.run(client)
	}
	if cmd.Context().Err() != nil {
		return err
	}
	if f.json || err == nil || c.partial {
		if err := render(cmd, f.json, r, c.print); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	return c.judge(r)
}

// render prints r on standard output: as JSON, or as text by print.
func render[R any](cmd *cobra.Command, asJSON bool, r R, print func(io.Writer, R)) error {
	if asJSON {
		e := json.NewEncoder(cmd.OutOrStdout())
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	print(cmd.OutOrStdout(), r)
	return nil
}

// interruptible lets a signal end a command that computes or reads. One that waits for
// its context first gets the time to put the terminal right.
func interruptible(run func(*cobra.Command, []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		done := make(chan error, 2)
		go func() { done <- run(cmd, args) }()
		context.AfterFunc(cmd.Context(), func() {
			time.Sleep(200 * time.Millisecond)
			done <- context.Cause(cmd.Context())
		})
		return <-done
	}
}

// unless returns nil for a yes, and else the no of a check with its reason.
func unless(yes bool, why string) error {
	if yes {
		return nil
	}
	return errShut(why)
}
