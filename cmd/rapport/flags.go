package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"rapport/knock"
	"rapport/knock/hosts"
	"rapport/knock/hosts/sshconfig"
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
	config     string

	environment string // what RAPPORT_SECRET held, which no program started from here sees

	listed bool // the server in question has an entry in the hosts file
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
	p.StringVar(&f.config, "config", "", "the hosts file, at another `path`")
	cmd.MarkFlagsMutuallyExclusive("ipv4", "ipv6")
}

// path returns where the hosts file is.
func (f *flags) path() (string, error) {
	if f.config != "" {
		return f.config, nil
	}
	return hosts.DefaultPath()
}

// load reads the hosts file.
func (f *flags) load() (hosts.File, error) {
	path, err := f.path()
	if err != nil {
		return hosts.File{}, err
	}
	return hosts.Load(path)
}

// server returns what is known of HOST: its entry in the hosts file, else what
// ~/.ssh/config says of it, else its name alone. Flags that were given win.
func (f *flags) server(cmd *cobra.Command, name string) (hosts.Host, error) {
	if err := knock.CheckHost(name); err != nil {
		return hosts.Host{}, err
	}
	file, err := f.load()
	if err != nil {
		return hosts.Host{}, err
	}
	if name, err = typed(file, name); err != nil {
		return hosts.Host{}, err
	}
	if f.timeout <= 0 {
		return hosts.Host{}, fmt.Errorf("--timeout %v is not a time to wait", f.timeout)
	}
	port := 0
	if cmd.Flags().Changed("ssh-port") {
		port = f.sshPort
	}
	h, err := file.Find(name, port, sshconfig.DefaultPath())
	if err != nil {
		return h, err
	}
	_, f.listed = file.Host(h.Name)
	for _, doubt := range h.Doubts() {
		fmt.Fprintf(cmd.ErrOrStderr(), "rapport: warning: %s\n", doubt)
	}
	return f.override(cmd, h)
}

// typed returns the host that name stands for, typed by someone: a name of the
// hosts file as it is.
func typed(file hosts.File, name string) (string, error) {
	if _, listed := file.Host(name); listed {
		return name, nil
	}
	return hosts.AsTyped(name)
}

// override changes h by the flags that were given.
func (f *flags) override(cmd *cobra.Command, h hosts.Host) (_ hosts.Host, err error) {
	given := cmd.Flags().Changed
	if given("ssh-port") {
		h.SSHPort = f.sshPort
	}
	if given("skew") {
		h.Skew = f.skew
	}
	if err := f.checkSkew(); err != nil {
		return h, err
	}
	switch {
	case f.only4:
		h.Family = knock.Family4
	case f.only6:
		h.Family = knock.Family6
	}
	if given("range") {
		if h.Range, err = knock.ParseRange(f.portRange); err != nil {
			return h, fmt.Errorf("--range: %w", err)
		}
	}
	if h.SSHPort < 1 || h.SSHPort > 65535 {
		return h, fmt.Errorf("--ssh-port %d is not within 1-65535", h.SSHPort)
	}
	return h, nil
}

// checkSkew reports why --skew cannot be one.
func (f *flags) checkSkew() error {
	if f.skew.Abs() > hosts.MaxSkew {
		return fmt.Errorf("--skew %s is more than a century", knock.FormatDuration(f.skew))
	}
	return nil
}

// checkNTP reports why --ntp names no servers to ask.
func checkNTP(servers []string) error {
	if len(servers) == 0 {
		return errors.New("--ntp names no server")
	}
	for _, s := range servers {
		if err := knock.CheckHost(s); err != nil {
			return fmt.Errorf("--ntp: %w", err)
		}
	}
	return nil
}

// target returns what is known of HOST with its secret, not yet pinned to an
// address, and warns of a range that is too narrow.
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

// warnNarrow says that a range is so small that a sweep guard does not protect it.
func warnNarrow(w io.Writer, r knock.Range) {
	if r.IsNarrow() {
		fmt.Fprintf(w, "rapport: warning: range %v has only %d ports: their order can be guessed, even past a sweep guard; take 100 or more\n", r, r.Size())
	}
}

// pin resolves h and pins t to the address found, within the timeout.
func (f *flags) pin(cmd *cobra.Command, h hosts.Host, t *knock.Target) (*knock.Client, error) {
	client := &knock.Client{}
	ctx, cancel := context.WithTimeout(cmd.Context(), f.timeout)
	defer cancel()
	addr, err := client.Resolve(ctx, h.Lookup(), h.Family)
	if err == nil {
		t.Addr = netip.AddrPortFrom(addr, t.Addr.Port())
	}
	return client, err
}

// options are the handshake's; a timeout that was not given is its own.
func (f *flags) options(cmd *cobra.Command) (o knock.Options) {
	if cmd.Flags().Changed("timeout") {
		o.Timeout = f.timeout
	}
	return o
}

// completeHosts completes HOST from the hosts file.
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

// printJSON prints one object.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// oneHost is the Args of commands that take a HOST.
func oneHost(cmd *cobra.Command, args []string) error {
	if len(args) != 1 || args[0] == "" {
		return fmt.Errorf("name one host: %s %s", cmd.Parent().CommandPath(), cmd.Use)
	}
	return nil
}
