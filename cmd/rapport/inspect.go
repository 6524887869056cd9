package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"rapport/knock"
	"rapport/knock/gate"
	"rapport/knock/gate/audit"
	gatereport "rapport/knock/gate/report"
	"rapport/knock/hosts"
	"rapport/knock/solve"
)

type inspection struct {
	*flags
	ports        string
	at           string
	past, future int
}

func newInspect(f *flags) *cobra.Command {
	o := inspection{flags: f}
	cmd := &cobra.Command{
		Use:   "inspect [FILE|-] [HOST]",
		Short: "Read a server's rules: which hour and range they have, and what is wrong",
		Args: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("ports") && len(args) > 1 {
				return errors.New("too many arguments: with --ports there is no FILE")
			}
			return fileAndHost(cmd, args)
		},
		RunE: interruptible(o.run),
	}
	p := cmd.Flags()
	p.StringVar(&o.ports, "ports", "", "the five `ports` that the server takes, A,B,C,D,E, in the place of rules")
	p.IntVar(&o.past, "past", solve.DefaultHours, "look so many `hours` back")
	p.IntVar(&o.future, "future", solve.DefaultHours, "look so many `hours` ahead")
	p.StringVar(&o.at, "at", "", "the `time` at which the rules were read, if not now: 2026-11-22-08, or RFC 3339")
	return cmd
}

// fileAndHost is the Args of commands that take FILE and HOST, both optional.
func fileAndHost(cmd *cobra.Command, args []string) error {
	if len(args) > 2 {
		return fmt.Errorf("too many arguments: rapport %s", cmd.Use)
	}
	return nil
}

func (o *inspection) run(cmd *cobra.Command, args []string) error {
	start := o.clock.Now()
	seen, err := o.read(cmd, args)
	if err != nil {
		return err
	}
	i := seen.Inspection
	r := gatereport.Of(i)
	r.Elapsed = knock.Millis(o.clock.Now().Sub(start))
	if err := render(cmd, o.json, r, func(w io.Writer, r gatereport.Report) { r.Print(w, i.Printed) }); err != nil {
		return err
	}
	no := gatereport.Wrong(i)
	return unless(no == "", no)
}

// read reads rules, or ports, and compares them with what the client knows.
func (o *inspection) read(cmd *cobra.Command, args []string) (r audit.Request, err error) {
	if err := cmp.Or(checkHours("past", o.past), checkHours("future", o.future)); err != nil {
		return r, err
	}
	now, err := parseAt(o.at, o.clock)
	if err != nil {
		return r, err
	}
	file, host, err := o.arguments(cmd, args)
	if err != nil {
		return r, err
	}
	h, secret, err := o.known(cmd, host)
	if err != nil {
		return r, err
	}
	t := h.Target()
	q := solve.Query{Secret: secret, Range: t.Range, Hour: knock.HourOf(now.Add(t.Skew)), Past: o.past, Future: o.future}
	if host == "" && secret.IsZero() && !cmd.Flags().Changed("range") {
		q.Range = knock.Range{} // nobody has said it
	}
	if cmd.Flags().Changed("ports") {
		r.Inspection, err = o.inspectPorts(cmd, q)
		return r, err
	}
	found, total, err := readRules(cmd, file)
	if err != nil {
		return r, err
	}
	known := gate.Facts{ListTotal: total}
	if host != "" || cmd.Flags().Changed("ssh-port") {
		known.SSHPort = h.SSHPort
	}
	if host != "" {
		known.Window = h.Window
	}
	i, err := gate.Inspect(cmd.Context(), found, q, known)
	if host == "" && !cmd.Flags().Changed("range") {
		q.Range = knock.Range{}
	}
	return audit.Request{Findings: found, Inspection: i, Range: q.Range, Secret: secret, Hour: q.Hour, SSHPort: known.SSHPort, ListTotal: total}, err
}

// ruleFiles are the usual endings of files with rules.
var ruleFiles = []string{".bak", ".conf", ".dump", ".json", ".nft", ".out", ".rules", ".S", ".save", ".sh", ".txt", ".v4", ".v6"}

// arguments tells FILE and HOST apart. A name of neither is more likely a FILE that was
// mistyped than a server on which this runs, unless its secret is given.
func (o *inspection) arguments(cmd *cobra.Command, args []string) (file, host string, err error) {
	switch {
	case len(args) == 2:
		return args[0], args[1], nil
	case len(args) == 0:
		return "", "", nil
	case cmd.Flags().Changed("ports"):
		return "", args[0], nil
	}
	if _, err := os.Stat(args[0]); err == nil || args[0] == "-" || strings.ContainsRune(args[0], filepath.Separator) || strings.ContainsRune(args[0], '/') {
		return args[0], "", nil
	}
	f, err := o.load()
	_, listed := f.Host(args[0])
	given := o.secretFile != "" || o.environment != ""
	if err == nil && !listed && (!given || slices.Contains(ruleFiles, filepath.Ext(args[0]))) {
		err = fmt.Errorf("there is no file %q, and it is not in the hosts file: give FILE, or see rapport hosts add", knock.Clean(args[0], 200))
	}
	return "", args[0], err
}

// named returns what is known about a host, or without one what the flags say.
func (f *flags) named(cmd *cobra.Command, host string) (hosts.Host, error) {
	if host != "" {
		return f.server(cmd, host)
	}
	return f.override(cmd, hosts.NewHost(""))
}

// known is named with the secret. Without a host, nobody is asked for one.
func (f *flags) known(cmd *cobra.Command, host string) (h hosts.Host, s knock.Secret, err error) {
	if h, err = f.named(cmd, host); err == nil && (host != "" || f.secretFile != "" || f.environment != "") {
		s, err = f.secret(cmd.Context(), h)
	}
	return h, s, err
}

func (o *inspection) inspectPorts(cmd *cobra.Command, q solve.Query) (i gate.Inspection, err error) {
	if q.Secret.IsZero() {
		return i, fmt.Errorf("--ports needs a secret: name the HOST, give --secret-file PATH or set %s", secretVariable)
	}
	if q.Ports, err = solve.ParsePorts(o.ports); err != nil {
		return i, fmt.Errorf("--ports: %w", err)
	}
	return gate.InspectPorts(cmd.Context(), q)
}

// readRules reads a file, standard input, or the machine's own rules.
func readRules(cmd *cobra.Command, file string) (f gate.Findings, listTotal int, err error) {
	switch {
	case file == "-":
		f, err = gate.ReadRules(cmd.InOrStdin())
		return f, 0, err
	case file != "":
		f, err = gate.ReadRulesFile(file)
		return f, 0, err
	case runtime.GOOS != "linux":
		return f, 0, errors.New("give FILE: the output of iptables-save or nft list ruleset on the server")
	case os.Geteuid() != 0:
		return f, 0, errors.New("reading this machine's rules takes root: run it with sudo; or give FILE, the output of iptables-save on the server")
	}
	return gate.ReadLocal(cmd.Context())
}
