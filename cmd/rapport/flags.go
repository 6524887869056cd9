package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"rapport/knock"
	"rapport/knock/hosts"
	"rapport/knock/hosts/sshconfig"
	"rapport/knock/phrase"
	"rapport/knock/report"
	"rapport/knock/source"
)

// flags are the options that all subcommands share.
type flags struct {
	portRange  string
	sshPort    int
	secretFile string
	skew       time.Duration
	only4      bool
	only6      bool
	source     string
	timeout    time.Duration
	json       bool
	noColor    bool
	ascii      bool
	theme      string
	noMotion   bool
	plain      bool
	config     string
	verbose    bool

	environment string       // the value of RAPPORT_SECRET, which child processes do not inherit
	log         *slog.Logger // of --verbose; discards without it. Nothing logs a secret.
	clock       knock.Clock  // this machine's

	listed bool   // the server has an entry in the hosts file
	near   string // the listed name that HOST may be a misspelling of, if it has no entry
}

func (f *flags) register(cmd *cobra.Command) {
	p := cmd.PersistentFlags()
	p.StringVar(&f.portRange, "range", knock.DefaultRange.String(), "the `ports` that sequences are drawn from")
	p.IntVar(&f.sshPort, "ssh-port", knock.DefaultSSHPort, "the server's SSH `port`")
	p.StringVar(&f.secretFile, "secret-file", "", "read the secret from the file at `path`, which others must not be able to read")
	p.DurationVar(&f.skew, "skew", 0, "the server's clock minus this machine's, if known: 41m, -3h")
	p.BoolVarP(&f.only4, "ipv4", "4", false, "use IPv4 only")
	p.BoolVarP(&f.only6, "ipv6", "6", false, "use IPv6 only")
	p.StringVar(&f.source, "source", "", "send knocks and SSH from this `address or interface` of this machine")
	p.DurationVar(&f.timeout, "timeout", knock.DefaultTimeout, "give up after this time")
	p.BoolVar(&f.json, "json", false, "print one JSON object")
	p.BoolVar(&f.noColor, "no-color", false, "draw the screens without colour")
	p.BoolVar(&f.ascii, "ascii", false, "draw the screens with ASCII characters only")
	p.StringVar(&f.theme, "theme", "", "the colours of the screens: dark or light, or the `name` of your themes/NAME.toml beside the hosts file")
	p.BoolVar(&f.noMotion, "no-motion", false, "draw the screens without motion")
	p.BoolVar(&f.plain, "plain", false, "print what happens as lines, for a screen reader, and read commands of one letter")
	p.StringVar(&f.config, "config", "", "use the hosts file at `path`")
	p.BoolVar(&f.verbose, "verbose", false, "write a log to standard error")
}

// Validate reports the flag whose value makes no sense for any server.
func (f *flags) Validate() error {
	switch {
	case f.only4 && f.only6:
		return errors.New("-4 and -6 exclude each other: give one, or neither for both families")
	case f.timeout <= 0:
		return fmt.Errorf("--timeout %v is not a time to wait", f.timeout)
	case f.skew.Abs() > hosts.MaxSkew:
		return fmt.Errorf("--skew %s is more than a century", phrase.Duration(f.skew))
	case f.sshPort < 1 || f.sshPort > 65535:
		return fmt.Errorf("--ssh-port %d is not within 1-65535", f.sshPort)
	}
	if _, err := knock.ParseRange(f.portRange); err != nil {
		return fmt.Errorf("--range: %w", err)
	}
	if err := hosts.CheckTheme(f.theme); err != nil {
		return err
	}
	if f.source == "" {
		return nil
	}
	s, err := source.Parse(f.source)
	switch family := s.Family(); {
	case err != nil:
		return fmt.Errorf("--source: %w", err)
	case f.only4 && family == knock.Family6, f.only6 && family == knock.Family4:
		return fmt.Errorf("--source %s is an IPv%s address: leave the flag for the other family out", s, family)
	}
	return nil
}

func (f *flags) path() (string, error) {
	if f.config != "" {
		return f.config, nil
	}
	return hosts.DefaultPath()
}

func (f *flags) load() (hosts.File, error) {
	path, err := f.path()
	if err != nil {
		return hosts.File{}, err
	}
	return hosts.Load(path)
}

// server returns what is known about HOST: its entry in the hosts file, or else what
// ~/.ssh/config says about it, or else its name alone. Flags override all of these.
func (f *flags) server(cmd *cobra.Command, name string) (hosts.Host, error) {
	if err := knock.CheckHost(name); err != nil {
		return hosts.Host{}, err
	}
	file, err := f.load()
	if err != nil {
		return hosts.Host{}, err
	}
	return f.find(cmd, file, name)
}

// find is server in a hosts file that is loaded.
func (f *flags) find(cmd *cobra.Command, file hosts.File, name string) (h hosts.Host, err error) {
	if name, err = typed(file, name); err != nil {
		return hosts.Host{}, err
	}
	port := 0
	if cmd.Flags().Changed("ssh-port") {
		port = f.sshPort
	}
	if h, err = file.Find(name, port, sshconfig.DefaultPath()); err != nil {
		return h, err
	}
	if _, f.listed = file.Host(h.Name); !f.listed {
		f.near = file.Near(name)
	}
	for _, doubt := range h.Doubts {
		fmt.Fprintf(cmd.ErrOrStderr(), "rapport: warning: %s\n", doubt)
	}
	if h, err = f.override(cmd, h); err != nil {
		return h, err
	}
	f.log.Debug("server", "name", h.Name, "address", h.Lookup(), "ssh_port", h.SSHPort, "range", h.Range, "family", h.Family,
		"skew", h.Skew, "window", h.Window, "secret_file", f.secretFile, "secret_environment", f.environment != "", "secret_source", h.Secret.Source(), "hosts_file", file.Path, "listed", f.listed)
	return h, nil
}

// typed returns the host that a user means: a name in the hosts file, or an address.
func typed(file hosts.File, name string) (string, error) {
	if _, listed := file.Host(name); listed {
		return name, nil
	}
	return hosts.AsTyped(name)
}

// override applies the flags that were given to h.
func (f *flags) override(cmd *cobra.Command, h hosts.Host) (hosts.Host, error) {
	if err := f.Validate(); err != nil {
		return h, err
	}
	given := cmd.Flags().Changed
	if given("ssh-port") {
		h.SSHPort = f.sshPort
	}
	if given("skew") {
		h.Skew = f.skew
	}
	switch {
	case f.only4:
		h.Family = knock.Family4
	case f.only6:
		h.Family = knock.Family6
	}
	if s, _ := source.Parse(f.source); s.Family() != knock.FamilyAuto {
		h.Family = s.Family()
	}
	if given("range") {
		h.Range, _ = knock.ParseRange(f.portRange) // it is valid
	}
	return h, nil
}

// target returns what is known about HOST, with its secret and without its address.
func (f *flags) target(cmd *cobra.Command, name string) (hosts.Host, knock.Target, error) {
	h, err := f.server(cmd, name)
	if err != nil {
		return h, knock.Target{}, err
	}
	t := h.Target()
	if t.Secret, err = f.secret(cmd.Context(), h); err != nil {
		return h, t, err
	}
	warnNarrow(cmd.ErrOrStderr(), t.Range)
	return h, t, nil
}

// warnNarrow warns about a range that is too small for a sweep guard to protect.
func warnNarrow(w io.Writer, r knock.Range) {
	if r.IsNarrow() {
		fmt.Fprintf(w, "rapport: warning: range %v has only %d ports: their order can be guessed, even past a sweep guard; use 100 or more\n", r, r.Size())
	}
}

// client returns a client of this machine.
func (f *flags) client() *knock.Client {
	client := &knock.Client{Clock: f.clock, Log: f.log}
	if s, err := source.Parse(f.source); err == nil { // Validate has said what is wrong
		client.Source = s
	}
	return client
}

// warnRoute warns of knocks that left by another way than SSH.
func warnRoute(cmd *cobra.Command, r knock.Report) {
	if warning := report.RouteWarning(r); warning != "" {
		fmt.Fprintf(cmd.ErrOrStderr(), "rapport: warning: %s\n", warning)
	}
}

// pin resolves h and pins t to the address found, within the timeout.
func (f *flags) pin(cmd *cobra.Command, h hosts.Host, t *knock.Target) (*knock.Client, error) {
	client := f.client()
	ctx, cancel := context.WithTimeout(cmd.Context(), f.timeout)
	defer cancel()
	addr, err := client.Resolve(ctx, h.Lookup(), h.Family)
	switch {
	case errors.Is(err, knock.ErrName) && f.near != "":
		return client, fmt.Errorf("%w; %s is not in the hosts file, did you mean %s?", err, knock.Quote(h.Name), f.near)
	case err != nil:
		return client, err
	}
	f.log.Debug("resolved", "host", h.Lookup(), "family", h.Family, "address", addr)
	t.Addr = netip.AddrPortFrom(addr, t.Addr.Port())
	return client, nil
}

// deadline bounds scan and doctor by --timeout if given, else they take their time.
func (f *flags) deadline(cmd *cobra.Command) (context.Context, context.CancelFunc) {
	if !cmd.Flags().Changed("timeout") {
		return cmd.Context(), func() {}
	}
	return context.WithTimeout(cmd.Context(), f.timeout)
}

// options returns the options of a handshake: without --timeout, its own timeout.
func (f *flags) options(cmd *cobra.Command) (o knock.Options) {
	if cmd.Flags().Changed("timeout") {
		o.Timeout = f.timeout
	}
	return o
}

// changeCommand returns the command that applies a change.
func (f *flags) changeCommand(cmd *cobra.Command, name string, c hosts.Change) string {
	var given []hosts.Flag
	cmd.Flags().Visit(func(p *pflag.Flag) {
		g := hosts.Flag{Name: p.Name, Value: p.Value.String(), Alone: p.Value.Type() == "bool"}
		given = append(given, g)
	})
	return c.Command(name, f.listed, given)
}

func (f *flags) completeHosts(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	file, err := f.load()
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, h := range file.Hosts() {
		names = append(names, h.Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func (f *flags) hostCommand(use, short string, run func(cmd *cobra.Command, f *flags, host string) error) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: oneHost, ValidArgsFunction: f.completeHosts,
		RunE: func(cmd *cobra.Command, args []string) error { return run(cmd, f, args[0]) },
	}
}

// oneHost is the Args of commands that take one HOST.
func oneHost(cmd *cobra.Command, args []string) error {
	if len(args) != 1 || args[0] == "" {
		return fmt.Errorf("name one host: %s %s", cmd.Parent().CommandPath(), cmd.Use)
	}
	return nil
}

// secretVariable is the environment variable that can hold the secret.
const secretVariable = hosts.SecretVariable

// sources are where a secret comes from, besides the hosts file.
func (f *flags) sources() hosts.Sources {
	return hosts.Sources{File: f.secretFile, Environment: f.environment}
}

// secret returns the secret of h, which f.server has found.
func (f *flags) secret(ctx context.Context, h hosts.Host) (knock.Secret, error) {
	s := f.sources()
	s.Near = f.near
	return s.Read(ctx, h, f.listed)
}
