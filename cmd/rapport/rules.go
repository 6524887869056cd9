package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"rapport/knock"
	"rapport/knock/gate/script"
	"rapport/knock/gate/script/dryrun"
	"rapport/knock/hosts"
	"rapport/knock/phrase"
)

type rulesOptions struct {
	script.Rules
	format        string
	grace, window string
	forwards      []string
	units, cron   bool
	noSweepGuard  bool
}

func newRules(f *flags) *cobra.Command {
	o := &rulesOptions{}
	cmd := &cobra.Command{
		Use:   "rules HOST",
		Short: "Print a script for the server to review: iptables or nft",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 2 && cmd.Flags().Changed("replay-guard") {
				return fmt.Errorf("name one host; the number of --replay-guard goes with an equals sign: --replay-guard=%s", knock.Clean(args[1], 40))
			}
			return oneHost(cmd, args)
		},
		ValidArgsFunction: f.completeHosts,
		RunE:              func(cmd *cobra.Command, args []string) error { return o.run(cmd, f, args[0]) },
	}
	o.register(cmd)
	return cmd
}

func (o *rulesOptions) register(cmd *cobra.Command) {
	p := cmd.Flags()
	p.StringVar(&o.format, "format", string(script.IPTables), "the firewall `tool`: iptables, nft")
	p.StringVar(&o.SecretPath, "secret-path", script.DefaultSecretPath, "the file on the server that holds the secret, at `path`")
	p.BoolVar(&o.Embed, "embed-secret", false, "write the secret into the script instead")
	p.StringVar(&o.grace, "grace", phrase.Duration(script.DefaultGrace), "accept the last hour's sequence too, for this `duration` after the hour change")
	p.StringVar(&o.window, "window", phrase.Duration(knock.DefaultWindow), "the `duration` for which each phase, and at the end SSH, stays open")
	p.IntVar(&o.ReplayGuard, "replay-guard", 0, "let at most `N` addresses open the gate in an hour, each as often as it likes (1 without N)")
	p.Lookup("replay-guard").NoOptDefVal = "1"
	p.IntVar(&o.SweepGuard, "sweep-guard", script.DefaultSweepGuard, "ignore an address for a minute after more than `N` wrong ports in one minute")
	p.BoolVar(&o.noSweepGuard, "no-sweep-guard", false, "accept any number of wrong ports: a sweep of the range opens the gate")
	p.BoolVar(&o.OneShot, "one-shot", false, "end the window with the first connection")
	p.StringArrayVar(&o.forwards, "forward", nil, "after a handshake, forward a port: `PORT=ADDR:PORT`; repeatable")
	p.BoolVar(&o.Log, "log", false, "log which address enters which phase, at a limited rate")
	p.BoolVar(&o.NoDrop, "no-drop", false, "leave connections without a handshake to the rest of the firewall")
	p.BoolVar(&o.units, "systemd", false, "print a script that installs systemd units for it instead")
	p.BoolVar(&o.cron, "cron", false, "print a cron file that runs the script instead")
}

// apply completes the rules, but for the secret, with what h and the flags say. It
// reports flags that contradict each other.
func (o *rulesOptions) apply(h hosts.Host, given func(string) bool) (err error) {
	switch {
	case o.units && o.cron:
		return errors.New("--systemd and --cron are two ways to run the script: use one of them")
	case given("replay-guard") && o.ReplayGuard < 1:
		return fmt.Errorf("--replay-guard=%d lets no address open the gate: leave the flag out for no guard", o.ReplayGuard)
	case given("sweep-guard") && o.noSweepGuard:
		return errors.New("--sweep-guard and --no-sweep-guard contradict each other: use one of them")
	case given("sweep-guard") && o.SweepGuard < 1:
		return fmt.Errorf("--sweep-guard %d allows no wrong port: give --no-sweep-guard for no guard", o.SweepGuard)
	case o.Embed && given("secret-path") && !o.units && !o.cron:
		return errors.New("--secret-path and --embed-secret both say where the secret is: use one of them")
	}
	o.Format, o.Host, o.Range, o.SSHPort, o.Window = script.Format(o.format), h.Name, h.Range, h.SSHPort, h.Window
	switch {
	case o.noSweepGuard:
		o.SweepGuard = 0
	case !given("sweep-guard"):
		o.SweepGuard = min(o.SweepGuard, script.MaxSweepGuard(o.Range))
	}
	if o.Grace, err = script.ParseSeconds(o.grace); err != nil {
		return fmt.Errorf("--grace: %w", err)
	}
	if given("window") {
		if o.Window, err = script.ParseSeconds(o.window); err != nil {
			return fmt.Errorf("--window: %w", err)
		}
	}
	for _, s := range o.forwards {
		forward, err := script.ParseForward(s)
		if err != nil {
			return err
		}
		o.Forward = append(o.Forward, forward)
	}
	return nil
}

func (o *rulesOptions) run(cmd *cobra.Command, f *flags, name string) error {
	h, err := f.server(cmd, name)
	if err != nil {
		return err
	}
	if err := o.apply(h, cmd.Flags().Changed); err != nil {
		return err
	}
	if o.units || o.cron {
		check := o.Rules
		check.Embed = false // units do not depend on the secret
		if err := check.Validate(); err != nil {
			return err
		}
		text := o.Systemd
		if o.cron {
			text = o.Cron
		}
		fmt.Fprint(cmd.OutOrStdout(), text())
		return nil
	}
	if o.Embed {
		if o.Secret, err = f.secret(cmd.Context(), h); err != nil {
			return err
		}
	}
	text, err := o.Script()
	if err != nil {
		return err
	}
	if err := dryrun.Check(cmd.Context(), o.Rules, f.clock.Now()); err != nil {
		return errShut(err.Error())
	}
	o.warn(cmd.ErrOrStderr())
	fmt.Fprint(cmd.OutOrStdout(), text)
	return nil
}

// warn warns about rules that are valid and still weak.
func (o *rulesOptions) warn(w io.Writer) {
	warnNarrow(w, o.Range)
	if o.Range.Contains(o.SSHPort) {
		fmt.Fprintf(w, "rapport: warning: ssh port %d lies in the range %v of the knocks; use another range\n", o.SSHPort, o.Range)
	}
	if o.Embed {
		fmt.Fprintln(w, "rapport: warning: the script holds the secret: run umask 077 before you write it to a file, and leave the file to root with mode 700")
	}
}
