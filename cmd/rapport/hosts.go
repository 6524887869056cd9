package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"rapport/knock"
	"rapport/knock/hosts"
	"rapport/knock/hosts/strength"
	"rapport/knock/phrase"
)

func newHosts(f *flags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "hosts",
		Short: "List, show, add, edit, import and remove servers",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("there is no command hosts %q; see rapport hosts --help", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newHostsList(f), newHostsShow(f), newHostsAdd(f), newHostsEdit(f), newHostsImport(f), newHostsRemove(f), newHostsPath(f))
	return cmd
}

type hostList struct {
	Schema int           `json:"schema"`
	Path   string        `json:"path"`
	Hosts  []hosts.Entry `json:"hosts"`
}

func newHostsList(f *flags) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the servers in the hosts file",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			file, err := f.load()
			if err != nil {
				return err
			}
			return render(cmd, f.json, hostList{1, file.Path, file.Entries()}, func(w io.Writer, list hostList) {
				if len(list.Hosts) == 0 {
					fmt.Fprintf(cmd.ErrOrStderr(), "rapport: no servers in %s yet; rapport hosts add NAME adds one\n", list.Path)
				}
				table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
				for _, e := range list.Hosts {
					fmt.Fprintf(table, "%s\t%s\trange %v\tsecret: %s\n", e.Name, net.JoinHostPort(e.Address, strconv.Itoa(e.SSHPort)), e.Range, e.Secret)
				}
				_ = table.Flush() // a failed write is remembered by w
			})
		},
	}
}

func newHostsShow(f *flags) *cobra.Command {
	return f.hostCommand("show NAME", "Print a server's entry, with what is left out in it", func(cmd *cobra.Command, f *flags, name string) error {
		file, err := f.load()
		if err != nil {
			return err
		}
		e, err := file.Entry(name)
		if err != nil {
			return err
		}
		return render(cmd, f.json, hostShown{1, e}, func(w io.Writer, s hostShown) { s.Print(w) })
	})
}

type hostShown struct {
	Schema int `json:"schema"`
	hosts.Entry
}

func newHostsRemove(f *flags) *cobra.Command {
	return f.hostCommand("remove NAME", "Remove a server's entry from the hosts file", func(cmd *cobra.Command, f *flags, name string) error {
		path, err := f.path()
		if err != nil {
			return err
		}
		h, err := hosts.Remove(cmd.Context(), path, name)
		if err != nil {
			return err
		}
		w := cmd.ErrOrStderr()
		fmt.Fprintf(w, "rapport: %s is no longer in %s\n", h.Name, path)
		switch h.Secret.Source() {
		case hosts.InFile:
			fmt.Fprintf(w, "rapport: its secret is still in %s; if no other host uses it, delete it: rm %s\n", h.Secret.Path, phrase.ShellWord(h.Secret.Path))
		case hosts.InKeyring:
			fmt.Fprintln(w, "rapport: its secret is still in the keyring")
		}
		return nil
	})
}

func newHostsPath(f *flags) *cobra.Command {
	return &cobra.Command{
		Use:   "path",
		Short: "Print where the hosts file is",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			path, err := f.path()
			if err == nil {
				fmt.Fprintln(cmd.OutOrStdout(), path)
			}
			return err
		},
	}
}

// entryFlags are the flags of hosts add and edit beyond the common ones.
type entryFlags struct {
	address  string
	window   time.Duration
	ntp      []string
	tags     []string
	strict   bool
	gap      time.Duration
	guard    int
	store    string
	generate bool
}

func (e *entryFlags) register(cmd *cobra.Command) {
	p := cmd.Flags()
	p.StringVar(&e.address, "address", "", "the server's name or `address`, if it is not the entry's name")
	p.DurationVar(&e.window, "window", knock.DefaultWindow, "how long each phase of the gate stays open")
	p.StringSliceVar(&e.ntp, "ntp", nil, "`servers` to ask for this machine's clock")
	p.StringSliceVar(&e.tags, "tags", nil, "`words` by which knock and probe take several servers: @web")
	p.BoolVar(&e.strict, "strict", false, "the gate starts over on a wrong or repeated knock")
	p.DurationVar(&e.gap, "gap", 0, "the `time` between knocks, if the gate limits SYNs; 0 is the plan's")
	p.IntVar(&e.guard, "sweep-guard", 0, "the gate forgives `N` wrong ports a minute; 0 means not known")
	e.registerStore(cmd)
	p.BoolVar(&e.generate, "generate", false, "make a strong random secret")
}

func (e *entryFlags) registerStore(cmd *cobra.Command) {
	cmd.Flags().StringVar(&e.store, "store", "", "the `place` to store the secret in: file (beside the hosts file, yours alone; the usual place) or keyring")
	_ = cmd.RegisterFlagCompletionFunc("store", cobra.FixedCompletions([]string{string(hosts.InFile), string(hosts.InKeyring)}, cobra.ShellCompDirectiveNoFileComp))
}

func (e *entryFlags) apply(cmd *cobra.Command, f *flags, h hosts.Host) (hosts.Host, error) {
	given := cmd.Flags().Changed
	if given("address") {
		address, err := hosts.AsTyped(e.address)
		if err != nil {
			return h, fmt.Errorf("--address: %w", err)
		}
		h.Address = address
	}
	if given("window") {
		if h.Window = e.window; e.window <= 0 {
			return h, fmt.Errorf("--window %v is not a time to stay open", e.window)
		}
	}
	if given("ntp") {
		h.NTP = e.ntp
	}
	if given("tags") {
		if h.Tags = e.tags; hosts.CheckTags(e.tags) != nil {
			return h, fmt.Errorf("--tags: %w", hosts.CheckTags(e.tags))
		}
	}
	if given("strict") {
		h.Strict = e.strict
	}
	if given("gap") {
		h.Gap = e.gap
	}
	if given("sweep-guard") {
		h.SweepGuard = e.guard
	}
	return f.override(cmd, h)
}

func newHostsAdd(f *flags) *cobra.Command {
	var e entryFlags
	cmd := &cobra.Command{
		Use:   "add NAME",
		Short: "Add a server to the hosts file",
		Args:  oneHost,
		RunE: func(cmd *cobra.Command, args []string) error {
			path, err := f.path()
			if err != nil {
				return err
			}
			h, err := e.newHost(cmd, f, args[0])
			if err != nil {
				return err
			}
			var secret knock.Secret
			if f.secretFile != "" {
				if h.Secret, err = ownSecretFile(f.secretFile); err != nil {
					return err
				}
			} else if secret, err = e.secret(cmd.Context(), f, h); err != nil {
				return err
			}
			return e.add(cmd, path, h, secret)
		},
	}
	e.register(cmd)
	return cmd
}

// newHost returns the entry to add. Its name is checked before anything is asked for.
// Without --address, the terminal is asked for it if the name does not look like one.
func (e *entryFlags) newHost(cmd *cobra.Command, f *flags, name string) (hosts.Host, error) {
	file, err := f.load()
	if err == nil {
		err = file.CheckNew(name)
	}
	if err != nil {
		return hosts.Host{}, err
	}
	h := hosts.NewHost(name)
	switch {
	case cmd.Flags().Changed("address"):
	case strings.ContainsAny(name, ".:@"):
		if h.Name, err = hosts.AsTyped(name); err != nil {
			return h, err
		}
	default:
		address, err := hosts.AskLine(cmd.Context(), fmt.Sprintf("address of %q (empty: %s): ", name, name))
		if err != nil && !errors.Is(err, hosts.ErrNoTerminal) {
			return h, err
		}
		if address != "" {
			if h.Address, err = hosts.AsTyped(address); err != nil {
				return h, err
			}
		}
	}
	return e.apply(cmd, f, h)
}

// add adds h to the hosts file, with a secret to store unless h refers to one.
func (e *entryFlags) add(cmd *cobra.Command, path string, h hosts.Host, secret knock.Secret) error {
	h, err := hosts.Add(cmd.Context(), path, h, secret, hosts.SecretSource(e.store))
	if err == nil {
		reportStored(cmd.ErrOrStderr(), path, h, secret)
		fmt.Fprintf(cmd.ErrOrStderr(), "rapport: next: rapport rules %s prints the script for the server; rapport help server tells each step\n", phrase.ShellWord(h.Name))
	}
	return err
}

// ownSecretFile returns a reference to the user's own secret file, if it can be read.
func ownSecretFile(path string) (hosts.SecretRef, error) {
	if _, err := hosts.ReadSecretFile(path); err != nil {
		return hosts.SecretRef{}, err
	}
	path, err := filepath.Abs(path)
	return hosts.SecretRef{Path: path}, err
}

// secret returns a new server's secret: generated, of the environment, or prompted for.
func (e *entryFlags) secret(ctx context.Context, f *flags, h hosts.Host) (knock.Secret, error) {
	if e.generate {
		return strength.Generate(), nil
	}
	if f.environment != "" {
		return f.sources().ParseEnvironment()
	}
	text, err := hosts.Ask(ctx, fmt.Sprintf("secret for %q (empty: make a strong one): ", h.Name))
	switch {
	case ctx.Err() != nil:
		return knock.Secret{}, err
	case err != nil:
		return knock.Secret{}, errors.New("no secret: give --generate, --secret-file PATH, set RAPPORT_SECRET, or run the command on a terminal")
	case text == "":
		return strength.Generate(), nil
	}
	return knock.ParseSecret(text)
}

// reportStored prints where entry and secret are stored, and how strong a new secret is.
func reportStored(w io.Writer, path string, h hosts.Host, secret knock.Secret) {
	fmt.Fprintf(w, "rapport: %s is in %s\n", h.Name, path)
	warnNarrow(w, h.Range)
	switch {
	case secret.IsZero():
		return
	case h.Secret.Source() == hosts.InKeyring:
		fmt.Fprintln(w, "rapport: its secret is in the keyring; the server needs the same")
	case h.Secret.Source() == hosts.Inline:
		fmt.Fprintln(w, "rapport: its secret is in that file too; the server needs the same")
	default:
		fmt.Fprintf(w, "rapport: its secret is in %s; the server needs the same\n", h.Secret.Path)
		if first, err := hosts.FirstSecretFile(path, h.Name); err == nil && first != h.Secret.Path {
			fmt.Fprintf(w, "rapport: %s is an earlier secret; delete it when no server has it any more\n", first)
		}
	}
	fmt.Fprintf(w, "rapport: it is %s\n", strength.Estimate(secret, h.Range).Summary())
}

func newHostsEdit(f *flags) *cobra.Command {
	var e entryFlags
	cmd := f.hostCommand("edit NAME", "Change a server's entry in the hosts file", func(cmd *cobra.Command, f *flags, name string) error {
		if !changes(cmd) {
			return fmt.Errorf("say what to change: rapport hosts edit %s --skew=-3h; see rapport hosts edit --help", phrase.ShellWord(name))
		}
		path, err := f.path()
		if err != nil {
			return err
		}
		if f.secretFile != "" && (e.generate || e.store != "") {
			return errors.New("--secret-file names the secret: leave --generate and --store out")
		}
		var secret knock.Secret
		if e.generate {
			secret = strength.Generate()
		}
		h, err := hosts.Edit(cmd.Context(), path, name, func(h hosts.Host) (hosts.Host, error) {
			h, err := e.apply(cmd, f, h)
			if err != nil || f.secretFile == "" {
				return h, err
			}
			h.Secret, err = ownSecretFile(f.secretFile)
			return h, err
		}, secret, hosts.SecretSource(e.store))
		if err == nil {
			reportStored(cmd.ErrOrStderr(), path, h, secret)
		}
		return err
	})
	e.register(cmd)
	return cmd
}

// changes reports whether a flag that changes an entry was given to hosts edit.
func changes(cmd *cobra.Command) (some bool) {
	common := []string{"range", "ssh-port", "skew", "ipv4", "ipv6", "secret-file"}
	cmd.Flags().Visit(func(p *pflag.Flag) {
		some = some || cmd.LocalNonPersistentFlags().Lookup(p.Name) != nil || slices.Contains(common, p.Name)
	})
	return some
}

func newHostsImport(f *flags) *cobra.Command {
	var e entryFlags
	cmd := &cobra.Command{
		Use:   "import SCRIPT [NAME]",
		Short: "Make an entry from an old script in the article's style",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) < 1 || len(args) > 2 {
				return errors.New("name the script, and the host: rapport hosts import SCRIPT [NAME]")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			path, err := f.path()
			if err != nil {
				return err
			}
			script, err := hosts.ReadScript(args[0])
			if err != nil {
				return err
			}
			name := script.Host
			if len(args) == 2 {
				name = args[1]
			}
			if name == "" {
				return fmt.Errorf("the script names no host: rapport hosts import %s NAME", phrase.ShellWord(args[0]))
			}
			h := hosts.NewHost(name)
			h.Range = script.Range
			h.SSHPort = cmp.Or(script.SSHPort, h.SSHPort)
			if name != script.Host {
				h.Address = script.Host
			}
			if h, err = f.override(cmd, h); err != nil {
				return err
			}
			return e.add(cmd, path, h, script.Secret)
		},
	}
	e.registerStore(cmd)
	return cmd
}
