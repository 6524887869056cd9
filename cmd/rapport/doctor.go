package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"rapport/diag"
	"rapport/knock"
	"rapport/knock/gate"
)

func newDoctor(f *flags) *cobra.Command {
	var s search
	var ntp []string
	var rules, report string
	cmd := &cobra.Command{
		Use:   "doctor HOST",
		Short: "Find out why SSH does not open, and what to do",
		Long: `doctor examines HOST: name, reachability, SSH without a knock, both clocks, the handshake,
the other IP family, whether the knocks are rejected on the way, and which hour, range and
form of the secret would open the gate (see rapport scan --help). Cheap and harmless steps
come first, and it stops when it knows. It makes a few connections to SSH at most.

--rules takes what iptables-save or nft list ruleset print on the server. --report prints
a text for a ticket, without the knocked ports (the ranges are in it) and without what the
servers said; --report=full has these too. The secret is in neither. --timeout bounds the
whole diagnosis, which else takes the time it needs; the verdict is then by what is known.

Exit status: 0 the handshake opens SSH, 1 it does not, or nothing guards SSH, 2 usage,
3 no such name or no way there.`,
		Args:              oneHost,
		ValidArgsFunction: f.completeHosts,
		RunE: func(cmd *cobra.Command, args []string) error {
			also, err := s.ranges()
			if err != nil {
				return err
			}
			if f.json && cmd.Flags().Changed("report") {
				return errors.New("--json and --report say twice what to print: keep one")
			}
			if report != "" && report != "brief" && report != "full" {
				return fmt.Errorf("--report takes brief or full, not %q", knock.Clean(report, 40))
			}
			if cmd.Flags().Changed("ntp") {
				if err := checkNTP(ntp); err != nil {
					return err
				}
			}
			h, t, err := f.target(cmd, args[0])
			if err != nil {
				return err
			}
			if cmd.Flags().Changed("ntp") {
				h.NTP = ntp
			}
			d := diag.Doctor{Past: s.past, Future: s.future, Also: also}
			if rules != "" {
				found, err := rulesOf(cmd, rules)
				if err != nil {
					return err
				}
				d.Rules = &found
			}
			ctx := cmd.Context()
			if cmd.Flags().Changed("timeout") {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, f.timeout)
				defer cancel()
			}
			r, err := d.Run(ctx, h, t.Secret, doctorProgress(cmd.ErrOrStderr(), f.json))
			if err != nil {
				return err
			}
			w := cmd.OutOrStdout()
			switch {
			case f.json:
				err = printJSON(w, r)
			case report != "":
				_, err = io.WriteString(w, r.Text(report == "full"))
			default:
				printDoctor(w, r, f.listed)
			}
			if err != nil {
				return err
			}
			switch {
			case r.Verdict.Code == diag.DNSFailure:
				return fmt.Errorf("%w: %s", knock.ErrName, strings.TrimPrefix(r.Verdict.Summary, knock.ErrName.Error()+": "))
			case r.Verdict.Code == diag.HostUnreachable:
				return fmt.Errorf("%w: %s", knock.ErrUnreachable, strings.TrimPrefix(r.Verdict.Summary, knock.ErrUnreachable.Error()+": "))
			case r.Verdict.Code != diag.Opens && r.Verdict.Code != diag.LossyPath:
				return errShut(r.Verdict.Summary)
			}
			return nil
		},
	}
	s.register(cmd)
	p := cmd.Flags()
	p.StringSliceVar(&ntp, "ntp", nil, "`servers` to ask for this machine's clock")
	p.StringVar(&rules, "rules", "", "the server's rules: a `file`, or - for standard input")
	p.StringVar(&report, "report", "", "print a text for a ticket: brief leaves out the knocked ports (not the ranges) and what servers said, `full` does not")
	p.Lookup("report").NoOptDefVal = "brief"
	return cmd
}

// rulesOf reads a file of rules.
func rulesOf(cmd *cobra.Command, file string) (gate.Findings, error) {
	if file == "" {
		return gate.Findings{}, errors.New("--rules needs a file")
	}
	found, _, err := readRules(cmd, file)
	return found, err
}

// doctorProgress says what a scan sends before it does, and tells someone at a
// terminal of every check that is settled.
func doctorProgress(w io.Writer, quiet bool) func(diag.Report) {
	if quiet {
		return nil
	}
	terminal := term.IsTerminal(int(os.Stderr.Fd()))
	told := map[string]diag.Status{}
	announced := false
	return func(r diag.Report) {
		if r.Scan != nil && !announced {
			announced = true
			fmt.Fprintln(w, r.Scan.Announce)
		}
		for _, c := range r.Checks {
			if terminal && c.Status != diag.Skipped && c.Status != told[c.ID] {
				told[c.ID] = c.Status
				fmt.Fprintf(w, "%-7s %-12s %s\n", c.Status, c.ID, c.Summary)
			}
		}
	}
}

// printDoctor prints checks, verdict and causes, a line each.
func printDoctor(w io.Writer, r diag.Report, listed bool) {
	fmt.Fprintf(w, "%s %s\n", r.Host, r.Address)
	for _, c := range r.Checks {
		fmt.Fprintf(w, "  %-7s  %-12s  %s\n", c.Status, c.ID, c.Summary)
	}
	fmt.Fprintf(w, "verdict: %s: %s\n", r.Verdict.Code, r.Verdict.Summary)
	if r.Verdict.Fix != "" {
		fmt.Fprintf(w, "fix: %s\n", r.Verdict.Fix)
	}
	if c := r.Verdict.Change; !c.IsZero() {
		if listed {
			fmt.Fprintf(w, "to take it over: rapport hosts edit %s %s\n", shellWord(r.Host), strings.Join(c.Flags(), " "))
		} else {
			fmt.Fprintf(w, "to take it over: %s\n", strings.Join(c.Flags(), " "))
		}
	}
	for _, c := range r.Causes {
		fmt.Fprintf(w, "%3.0f %%  %s: %s\n", c.Likelihood*100, c.Code, strings.Join(c.Evidence, "; "))
	}
	fmt.Fprintf(w, "examined in %s\n", seconds(r.Elapsed))
}

func seconds(m knock.Millis) string { return fmt.Sprintf("%.1f s", time.Duration(m).Seconds()) }
