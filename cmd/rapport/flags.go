package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"rapport/knock"
	"rapport/knock/hosts"
)

// flags are the ones that all subcommands share.
type flags struct {
	portRange  string
	sshPort    int
	secretFile string
	skew       time.Duration
	only4      bool
	only6      bool
	timeout    time.Duration
	json       bool
	noColor    bool
	ascii      bool
}

func (f *flags) register(cmd *cobra.Command) {
	p := cmd.PersistentFlags()
	p.StringVar(&f.portRange, "range", knock.DefaultRange.String(), "the `ports` that sequences are drawn from")
	p.IntVar(&f.sshPort, "ssh-port", 22, "the server's SSH `port`")
	p.StringVar(&f.secretFile, "secret-file", "", "read the secret from the file at `path`, which others must not be able to read")
	p.DurationVar(&f.skew, "skew", 0, "the server's clock minus this machine's, as known: 41m, -3h")
	p.BoolVarP(&f.only4, "ipv4", "4", false, "use IPv4 only")
	p.BoolVarP(&f.only6, "ipv6", "6", false, "use IPv6 only")
	p.DurationVar(&f.timeout, "timeout", knock.DefaultTimeout, "give up after this time")
	p.BoolVar(&f.json, "json", false, "print one JSON object")
	p.BoolVar(&f.noColor, "no-color", false, "draw the screens without colour")
	p.BoolVar(&f.ascii, "ascii", false, "draw the screens with ASCII characters alone")
	cmd.MarkFlagsMutuallyExclusive("ipv4", "ipv6")
}

func (f *flags) family() knock.Family {
	switch {
	case f.only4:
		return knock.Family4
	case f.only6:
		return knock.Family6
	}
	return knock.FamilyAuto
}

// target makes the target that the flags describe, without its address and,
// unless wanted, without its secret.
func (f *flags) target(host string, withSecret bool) (knock.Target, error) {
	t := knock.Target{Host: host, Skew: f.skew}
	if f.sshPort < 1 || f.sshPort > 65535 {
		return t, fmt.Errorf("--ssh-port %d is not within 1-65535", f.sshPort)
	}
	if f.timeout <= 0 {
		return t, fmt.Errorf("--timeout %v is not a time to wait", f.timeout)
	}
	t.Addr = netip.AddrPortFrom(netip.Addr{}, uint16(f.sshPort))
	var err error
	if t.Range, err = knock.ParseRange(f.portRange); err != nil {
		return t, fmt.Errorf("--range: %w", err)
	}
	if withSecret {
		t.Secret, err = f.secret(host)
	}
	return t, err
}

// secret looks for the secret where the house rules say, in that order.
func (f *flags) secret(host string) (knock.Secret, error) {
	if f.secretFile != "" {
		return hosts.ReadSecretFile(f.secretFile)
	}
	if text := os.Getenv("RAPPORT_SECRET"); text != "" {
		s, err := knock.ParseSecret(text)
		if err != nil {
			err = fmt.Errorf("RAPPORT_SECRET: %w", err)
		}
		return s, err
	}
	if !term.IsTerminal(int(os.Stdin.Fd())) || !term.IsTerminal(int(os.Stderr.Fd())) {
		return knock.Secret{}, errors.New("no secret: give --secret-file PATH, set RAPPORT_SECRET, or run it on a terminal to be asked")
	}
	fmt.Fprintf(os.Stderr, "secret for %q: ", host)
	text, err := term.ReadPassword(int(os.Stdin.Fd()))
	fmt.Fprintln(os.Stderr)
	if err != nil {
		return knock.Secret{}, fmt.Errorf("cannot read the secret from the terminal: %w", err)
	}
	return knock.ParseSecret(string(text))
}

// warnNarrow says on standard error that a range is easily swept.
func warnNarrow(w io.Writer, r knock.Range) {
	if r.IsNarrow() {
		fmt.Fprintf(w, "rapport: warning: range %v has only %d ports; 100 or more are harder to guess\n", r, r.Size())
	}
}

// printJSON prints one object.
func printJSON(cmd *cobra.Command, v any) error {
	e := json.NewEncoder(cmd.OutOrStdout())
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// oneHost is the Args of commands that take a HOST.
func oneHost(cmd *cobra.Command, args []string) error {
	if len(args) != 1 || args[0] == "" {
		return fmt.Errorf("name one host: rapport %s", cmd.Use)
	}
	return nil
}
