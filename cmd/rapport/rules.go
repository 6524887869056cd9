package main

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"rapport/knock"
	"rapport/knock/gate/script"
)

func newRules(f *flags) *cobra.Command {
	var format string
	var forwards []string
	var grace, window string
	var units, cron, noSweepGuard bool
	r := script.Rules{}
	cmd := &cobra.Command{
		Use:   "rules HOST",
		Short: "Print a script for the server to review: iptables or nft",
		Long: `rules prints a shell script that makes a Linux server the gate of HOST. Read it, copy
it to the server, and run it there as root with one of its actions:

  setup [--confirm SECONDS]   load the rules
  confirm                     keep what setup --confirm has loaded
  refresh                     load the ports of this hour; run it every minute
  status                      print what is loaded
  remove                      remove everything that setup has loaded

  rapport rules myserver --format nft >rapport-gate
  rapport rules myserver --systemd

The script reads the secret from a file on the server that only root may read. With
setup --confirm 60, what was loaded before comes back after 60 seconds unless the
action confirm is run by then.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 2 && cmd.Flags().Changed("replay-guard") {
				return fmt.Errorf("name one host; the number of --replay-guard goes with an equals sign: --replay-guard=%s", knock.Clean(args[1], 40))
			}
			return oneHost(cmd, args)
		},
		ValidArgsFunction: f.completeHosts,
		RunE: func(cmd *cobra.Command, args []string) error {
			h, err := f.server(cmd, args[0])
			if err != nil {
				return err
			}
			r.Format, r.Host, r.Range, r.SSHPort, r.Window = script.Format(format), h.Name, h.Range, h.SSHPort, h.Window
			if units && cron {
				return errors.New("--systemd and --cron are two ways to run the script: keep one")
			}
			if cmd.Flags().Changed("replay-guard") && r.ReplayGuard < 1 {
				return fmt.Errorf("--replay-guard=%d lets nobody open: leave the flag out for no guard", r.ReplayGuard)
			}
			if cmd.Flags().Changed("sweep-guard") {
				if noSweepGuard {
					return errors.New("--sweep-guard and --no-sweep-guard contradict each other: keep one")
				}
				if r.SweepGuard < 1 {
					return fmt.Errorf("--sweep-guard %d forgives no wrong port: give --no-sweep-guard for no guard", r.SweepGuard)
				}
			} else {
				r.SweepGuard = min(r.SweepGuard, script.MaxSweepGuard(r.Range))
			}
			if noSweepGuard {
				r.SweepGuard = 0
			}
			if r.Grace, err = parseSeconds(grace); err != nil {
				return fmt.Errorf("--grace: %w", err)
			}
			if cmd.Flags().Changed("window") {
				if r.Window, err = parseSeconds(window); err != nil {
					return fmt.Errorf("--window: %w", err)
				}
			}
			for _, s := range forwards {
				fw, err := script.ParseForward(s)
				if err != nil {
					return err
				}
				r.Forward = append(r.Forward, fw)
			}
			if units || cron {
				check := r // the units do not depend on the secret
				check.Embed = false
				if err := check.Validate(); err != nil {
					return err
				}
				text := r.Systemd
				if cron {
					text = r.Cron
				}
				_, err := fmt.Fprint(cmd.OutOrStdout(), text())
				return err
			}
			if r.Embed {
				if cmd.Flags().Changed("secret-path") {
					return errors.New("--secret-path and --embed-secret say twice where the secret is: keep one")
				}
				if r.Secret, err = f.secret(cmd.Context(), h); err != nil {
					return err
				}
			}
			text, err := r.Script()
			if err != nil {
				return err
			}
			warnNarrow(cmd.ErrOrStderr(), r.Range)
			if r.Range.Contains(r.SSHPort) {
				fmt.Fprintf(cmd.ErrOrStderr(), "rapport: warning: ssh port %d lies in the range %v of the knocks; take another range\n", r.SSHPort, r.Range)
			}
			if r.Embed {
				fmt.Fprintln(cmd.ErrOrStderr(), "rapport: warning: the script holds the secret: run umask 077 before it is written to a file, and keep it mode 700 and root's")
			}
			_, err = fmt.Fprint(cmd.OutOrStdout(), text)
			return err
		},
	}
	p := cmd.Flags()
	p.StringVar(&format, "format", string(script.IPTables), "the firewall tool: iptables, nft")
	p.StringVar(&r.SecretPath, "secret-path", script.DefaultSecretPath, "the file on the server that holds the secret, at `path`")
	p.BoolVar(&r.Embed, "embed-secret", false, "write the secret into the script instead")
	p.StringVar(&grace, "grace", script.DefaultGrace.String(), "take the last hour's sequence too, for `seconds` after the turn")
	p.StringVar(&window, "window", knock.DefaultWindow.String(), "the `seconds` for each phase, and at the end for SSH")
	p.IntVar(&r.ReplayGuard, "replay-guard", 0, "let `N` addresses open in an hour, then only those again (1 when N is left out)")
	p.Lookup("replay-guard").NoOptDefVal = "1"
	p.IntVar(&r.SweepGuard, "sweep-guard", script.DefaultSweepGuard, "ignore for a minute who knocks at more than `N` wrong ports a minute")
	p.BoolVar(&noSweepGuard, "no-sweep-guard", false, "let addresses knock at any number of wrong ports: a sweep of the range opens")
	p.BoolVar(&r.OneShot, "one-shot", false, "end the window with the first connection")
	p.StringArrayVar(&forwards, "forward", nil, "after a handshake, send a port on: `PORT=ADDR:PORT`; repeatable")
	p.BoolVar(&r.Log, "log", false, "log who gets into which phase, at a limited rate")
	p.BoolVar(&r.NoDrop, "no-drop", false, "leave connections without a handshake to the rest of the firewall")
	p.BoolVar(&units, "systemd", false, "print systemd units that run the script instead")
	p.BoolVar(&cron, "cron", false, "print a cron file that runs the script instead")
	return cmd
}

// parseSeconds reads 5 and 5s.
func parseSeconds(s string) (time.Duration, error) {
	if n, err := strconv.ParseUint(s, 10, 32); err == nil {
		return time.Duration(n) * time.Second, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 || d%time.Second != 0 {
		return 0, fmt.Errorf("%q is not whole seconds, such as 5 or 5s", knock.Clean(s, 40))
	}
	return d, nil
}
