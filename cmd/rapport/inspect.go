package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"rapport/knock"
	"rapport/knock/gate"
	"rapport/knock/hosts"
	"rapport/knock/solve"
)

// inspectReport is what inspect prints.
type inspectReport struct {
	Schema   int            `json:"schema"`
	Gate     *gateLine      `json:"gate"`
	Other    *gateLine      `json:"other_gate"` // of nft beside one of iptables
	Match    *matchLine     `json:"match"`
	Differs  []string       `json:"differs"`
	Problems []gate.Problem `json:"problems"`
	Searched uint64         `json:"searched"`
	Elapsed  knock.Millis   `json:"elapsed_ms"`

	otherSecret bool
	printed     string // what our own script would load
}

// gateLine is a gate as JSON has it.
type gateLine struct {
	Kind     gate.Kind      `json:"kind"`
	Families []knock.Family `json:"families"`
	Chain    string         `json:"chain"`
	Ports    []uint16       `json:"ports"`
	Also     [][]uint16     `json:"also"`
	Window   float64        `json:"window_s"` // the shortest; 0 is without end, or not told
	Windows  []float64      `json:"windows_s"`
	Door     gate.AcceptKind  `json:"door"`
	SSHPort  int            `json:"ssh_port"`
	Strict   bool           `json:"strict"`
	Sweep    sweepLine      `json:"sweep"`
}

// sweepLine is what a sweep does to a gate: Passes in ascending order open it, 0
// where none do or the rules do not tell.
type sweepLine struct {
	Guarded   bool `json:"guarded"`
	Passes    int  `json:"passes"`
	Rate      int  `json:"rate_per_s"`
	PerMinute int  `json:"wrong_per_min"` // that the sweep guard forgives; 0 is no sweep guard
}

// matchLine is what the ports were made of. Others is how many other ways there
// are to make them.
type matchLine struct {
	solve.Candidate
	Others int `json:"others"`

	made string
}

// inspection is the flags of inspect.
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
		Long: `inspect reads the output of iptables-save (with ip6tables-save behind it), iptables -S
or nft list ruleset, all of them one after the other too, the script of rapport rules,
or another one that calls iptables, and finds the gate in it. With a
secret it finds out which hour, range and form of the secret the ports were made with.
Without FILE it reads the rules of this machine, which takes root on Linux. With --ports
it needs no rules. One argument is FILE if there is such a file, else HOST. The secret is
asked for only if there is a HOST.

Exit status: 0 all matches and nothing is wrong, 1 it does not, 2 usage.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 2 || cmd.Flags().Changed("ports") && len(args) > 1 {
				return fmt.Errorf("too many arguments: rapport %s", cmd.Use)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) },
	}
	p := cmd.Flags()
	p.StringVar(&o.ports, "ports", "", "the five `ports` that the server takes, A,B,C,D,E, in the place of rules")
	p.IntVar(&o.past, "past", solve.DefaultHours, "look so many `hours` back")
	p.IntVar(&o.future, "future", solve.DefaultHours, "look so many `hours` ahead")
	p.StringVar(&o.at, "at", "", "the `time` at which the rules were read, if not now: 2026-11-22-08, or RFC 3339")
	return cmd
}

func (o *inspection) run(cmd *cobra.Command, args []string) error {
	start, now := time.Now(), time.Now()
	for name, n := range map[string]int{"past": o.past, "future": o.future} {
		if n < 0 || n > solve.MaxHours {
			return fmt.Errorf("--%s %d is not within 0-%d", name, n, solve.MaxHours)
		}
	}
	if o.at != "" {
		var err error
		if now, err = parseAt(o.at); err != nil {
			return err
		}
	}
	file, host := o.arguments(cmd, args)
	h, secret, err := o.client(cmd, host)
	if err != nil {
		return err
	}
	t := h.Target()
	p := solve.Query{Secret: secret, Range: t.Range, Hour: knock.HourOf(now.Add(t.Skew)), Past: o.past, Future: o.future}
	if host == "" && secret.IsZero() && !cmd.Flags().Changed("range") {
		p.Range = knock.Range{} // nobody has said it
	}
	i, err := o.inspect(cmd, p, file, h, host)
	if err != nil {
		return err
	}
	r := reportOf(i)
	r.Elapsed = knock.Millis(time.Since(start))
	if o.json {
		err = printJSON(cmd.OutOrStdout(), r)
	} else {
		printInspect(cmd.OutOrStdout(), r)
	}
	if no := r.no(); err == nil && no != "" {
		err = errShut(no)
	}
	return err
}

// arguments tells FILE and HOST apart.
func (o *inspection) arguments(cmd *cobra.Command, args []string) (file, host string) {
	switch {
	case len(args) == 2:
		return args[0], args[1]
	case len(args) == 0:
		return "", ""
	case cmd.Flags().Changed("ports"):
		return "", args[0]
	}
	if _, err := os.Stat(args[0]); err == nil || args[0] == "-" || strings.ContainsRune(args[0], filepath.Separator) || strings.ContainsRune(args[0], '/') {
		return args[0], ""
	}
	return "", args[0]
}

// client returns what the client knows. Without a host it is what flags and
// the environment say, and nobody is asked.
func (o *inspection) client(cmd *cobra.Command, host string) (h hosts.Host, s knock.Secret, err error) {
	if host != "" {
		if h, err = o.server(cmd, host); err == nil {
			s, err = o.secret(cmd.Context(), h)
		}
		return h, s, err
	}
	if h, err = o.override(cmd, hosts.NewHost("")); err != nil {
		return h, s, err
	}
	if o.secretFile != "" || o.environment != "" {
		s, err = o.secret(cmd.Context(), h)
	}
	return h, s, err
}

// inspect reads what there is to inspect, and has it judged.
func (o *inspection) inspect(cmd *cobra.Command, p solve.Query, file string, h hosts.Host, host string) (i gate.Inspection, err error) {
	if cmd.Flags().Changed("ports") {
		if p.Secret.IsZero() {
			return i, fmt.Errorf("--ports needs a secret: name the HOST, give --secret-file PATH or set %s", secretVariable)
		}
		if p.Ports, err = solve.ParsePorts(o.ports); err != nil {
			return i, fmt.Errorf("--ports: %w", err)
		}
		return gate.InspectPorts(cmd.Context(), p)
	}
	found, total, err := readRules(cmd, file)
	if err != nil {
		return i, err
	}
	known := gate.Facts{ListTotal: total}
	if host != "" || cmd.Flags().Changed("ssh-port") {
		known.SSHPort = h.SSHPort
	}
	if host != "" {
		known.Window = h.Window
	}
	return gate.Inspect(cmd.Context(), found, p, known)
}

// readRules reads a file, standard input, or the machine's own rules.
func readRules(cmd *cobra.Command, file string) (f gate.Findings, listTotal int, err error) {
	switch {
	case file == "-":
		f, err = gate.ReadRules(cmd.InOrStdin())
		return f, 0, err
	case file != "":
		in, err := os.Open(file)
		if err != nil {
			return f, 0, fmt.Errorf("cannot read the rules: %w", noOp(err))
		}
		defer in.Close()
		f, err = gate.ReadRules(in)
		switch plain := noOp(err); {
		case plain != err:
			err = fmt.Errorf("cannot read the rules: %w", plain)
		case err != nil:
			err = fmt.Errorf("%s: %w", knock.Clean(file, 200), err)
		}
		return f, 0, err
	case runtime.GOOS != "linux":
		return f, 0, errors.New("give FILE: the output of iptables-save or nft list ruleset on the server")
	case os.Geteuid() != 0:
		return f, 0, errors.New("reading this machine's rules takes root: sudo rapport inspect; or give FILE, the output of iptables-save on the server")
	}
	return gate.ReadLocal(cmd.Context())
}

// noOp is an error of a file without the system call that failed.
func noOp(err error) error {
	if pe := new(fs.PathError); errors.As(err, &pe) {
		return fmt.Errorf("%s: %w", knock.Clean(pe.Path, 200), pe.Err)
	}
	return err
}

// reportOf is an inspection as inspect prints it.
func reportOf(i gate.Inspection) inspectReport {
	r := inspectReport{Schema: 1, Differs: i.Differs, Problems: i.Problems, Searched: i.Solution.Searched, otherSecret: i.OtherSecret()}
	r.Gate, r.Other = newGateLine(i.Kind, i.Gates, i.Range()), newGateLine(gate.FromNFT, i.Other, i.Range())
	if i.Printed != nil {
		r.printed = i.Printed.Words()
	}
	if m := i.Candidate(); m != nil {
		r.Match = &matchLine{*m, i.Others(), m.Made()}
	}
	return r
}

// newGateLine is what the first of the gates is, nil without one.
func newGateLine(kind gate.Kind, all []gate.Gate, r knock.Range) *gateLine {
	if len(all) == 0 {
		return nil
	}
	g := all[0]
	s := g.Sweep(r)
	l := &gateLine{Kind: kind, Chain: g.Chain, Ports: g.Ports, Also: append([][]uint16{}, g.Also...),
		Window: g.Window().Seconds(), Windows: []float64{}, Door: g.Accept, SSHPort: g.SSHPort,
		Strict: g.Strict, Sweep: sweepLine{s.Guarded, s.Passes, s.Rate, g.SweepGuard}}
	for _, w := range g.Windows {
		l.Windows = append(l.Windows, w.Seconds())
	}
	for _, g := range all {
		l.Families = append(l.Families, g.Family)
	}
	return l
}

// no is the check's no in one line, empty where all is well.
func (r inspectReport) no() string {
	words := append([]string{}, r.Differs...)
	if r.otherSecret {
		words = append(words, "no hour, range or form of the secret makes these ports: it is another secret")
	}
	told := strings.Join(words, "\n")
	for _, p := range r.Problems {
		// What differs is told already.
		same := p.Code == "stale-hour" || p.Code == "hour-ahead" || p.Code == "secret-variant" || p.Code == "ssh-port" && told != ""
		if p.Severity == gate.SeverityError && !same {
			words = append(words, p.Summary)
		}
	}
	return strings.Join(words, "; ")
}

func (l gateLine) solvable() bool {
	_, ok := gate.Gate{Ports: l.Ports}.Sequence()
	return ok
}

// printInspect prints what was found, a line each.
func printInspect(w io.Writer, r inspectReport) {
	if r.printed != "" {
		fmt.Fprintln(w, r.printed)
	}
	if r.Gate != nil && r.printed == "" {
		r.Gate.print(w, "gate")
	}
	if r.Other != nil {
		r.Other.print(w, "other gate")
	}
	if m := r.Match; m != nil {
		fmt.Fprintf(w, "made with: %s\n", m.made)
		if m.Others > 0 {
			fmt.Fprintf(w, "ambiguous: %d other combinations of hour, range and secret make these ports too\n", m.Others)
		}
		if len(r.Differs) == 0 {
			fmt.Fprintln(w, "differs: nothing")
		}
	}
	if len(r.Differs) > 0 {
		fmt.Fprintf(w, "differs: %s\n", strings.Join(r.Differs, "; "))
	}
	for _, p := range r.Problems {
		fmt.Fprintf(w, "%s %s: %s\n  fix: %s\n", p.Severity, p.Code, p.Summary, p.Fix)
	}
	if r.Searched > 0 {
		fmt.Fprintf(w, "searched %d combinations in %s\n", r.Searched, millis(time.Duration(r.Elapsed)))
	}
}

// print prints a gate, its ports in a line of their own.
func (g gateLine) print(w io.Writer, name string) {
	fmt.Fprintf(w, "%s: %s for IPv%s in chain %s", name, g.Kind, joined(g.Families, " and IPv"), g.Chain)
	if g.Door != "" {
		fmt.Fprintf(w, ", door %s", g.Door)
	}
	if g.SSHPort != 0 {
		fmt.Fprintf(w, " to port %d", g.SSHPort)
	}
	if g.Window > 0 {
		fmt.Fprintf(w, ", window %v", time.Duration(g.Window*float64(time.Second)))
	}
	if g.Strict {
		fmt.Fprint(w, ", strict")
	}
	if g.Sweep.PerMinute > 0 {
		fmt.Fprintf(w, ", sweep guard over %d wrong ports a minute", g.Sweep.PerMinute)
	}
	fmt.Fprintln(w)
	if g.solvable() || len(g.Ports) != knock.Knocks {
		fmt.Fprintf(w, "ports: %s\n", joined(g.Ports, " "))
	} else {
		fmt.Fprintln(w, "ports: computed by the script")
	}
	for _, also := range g.Also {
		fmt.Fprintf(w, "also takes: %s\n", joined(also, " "))
	}
}

// joined writes values with something between them.
func joined[T any](all []T, between string) string {
	var words []string
	for _, v := range all {
		words = append(words, fmt.Sprint(v))
	}
	return strings.Join(words, between)
}
