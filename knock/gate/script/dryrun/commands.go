package dryrun

import (
	"crypto/md5" //nolint:gosec // the scheme's
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	awk "github.com/benhoyt/goawk/interp"
	"github.com/benhoyt/goawk/parser"
	"mvdan.cc/sh/v3/interp"
)

// command is a program that the script calls. Its errors are an exit status, refused,
// or what this package does not know of the program.
type command struct {
	reads bool // standard input
	run   func(b *sandbox, args []string, in string) (string, error)
}

// commands are the programs that there are.
var commands = map[string]command{
	"awk":  {true, func(_ *sandbox, args []string, in string) (string, error) { return runAWK(args, in) }},
	"cat":  {true, func(_ *sandbox, args []string, in string) (string, error) { return in, plain(args) }},
	"cmp":  {false, func(_ *sandbox, args []string, _ string) (string, error) { return "", plain(args, "-s", "--") }}, // all are equal
	"date": {false, date},
	"grep": {true, func(_ *sandbox, args []string, in string) (string, error) { return "", grep(args, in) }},
	"id":   {false, func(_ *sandbox, args []string, _ string) (string, error) { return "0\n", plain(args, "-u") }},
	"ls": {false, func(_ *sandbox, args []string, _ string) (string, error) {
		return "-rw------- 1 0\n", plain(args, "-lnL", "--")
	}},
	"md5sum": {true, func(_ *sandbox, args []string, in string) (string, error) {
		return fmt.Sprintf("%x  -\n", md5.Sum([]byte(in))), plain(args)
	}},
	"od":                {true, od},
	"paste":             {true, paste},
	"sed":               {true, sed},
	"sort":              {true, sorted},
	"tr":                {true, tr},
	"iptables":          {false, version},
	"ip6tables":         {false, version},
	"iptables-save":     {false, save(false)},
	"ip6tables-save":    {false, save(true)},
	"iptables-restore":  {true, restore(false)},
	"ip6tables-restore": {true, restore(true)},
	"nft":               {true, nft},
}

// plain refuses options other than these. Names of files are for those who call it.
func plain(args []string, options ...string) error {
	for _, a := range args {
		if strings.HasPrefix(a, "-") && !slices.Contains(options, a) {
			return unknown(args)
		}
	}
	return nil
}

// unknown is the error for arguments that a command of the sandbox does not have.
func unknown(args []string) error { return fmt.Errorf("arguments %q are not known here", args) }

// status returns the exit status that stands for a yes or a no.
func status(yes bool) error {
	if yes {
		return nil
	}
	return interp.ExitStatus(1)
}

// runAWK runs awk [-v NAME=VALUE]... PROGRAM on standard input.
func runAWK(args []string, in string) (string, error) {
	var vars []string
	for len(args) > 2 && args[0] == "-v" {
		name, value, _ := strings.Cut(args[1], "=")
		vars, args = append(vars, name, value), args[2:]
	}
	if len(args) != 1 {
		return "", unknown(args)
	}
	program, err := parser.ParseProgram([]byte(args[0]), nil)
	if err != nil {
		return "", err
	}
	var out, stderr strings.Builder
	code, err := awk.ExecProgram(program, &awk.Config{Stdin: strings.NewReader(in), Output: &out, Error: &stderr, Vars: vars,
		NoExec: true, NoFileWrites: true, NoFileReads: true, Environ: []string{}})
	if err != nil {
		return "", err
	}
	return out.String(), status(code == 0)
}

// date is date -u [-d @SECONDS] +FORMAT.
func date(b *sandbox, args []string, _ string) (string, error) {
	t := b.now
	if len(args) == 4 && args[1] == "-d" {
		n, err := strconv.ParseInt(strings.TrimPrefix(args[2], "@"), 10, 64)
		if err != nil {
			return "", unknown(args)
		}
		t, args = time.Unix(n, 0), []string{args[0], args[3]}
	}
	if len(args) != 2 || args[0] != "-u" {
		return "", unknown(args)
	}
	layout, ok := map[string]string{"+%Y-%m-%d": "2006-01-02\n", "+%Y-%m-%d-%H": "2006-01-02-15\n"}[args[1]]
	if args[1] == "+%s" {
		return fmt.Sprintln(t.Unix()), nil
	}
	if !ok {
		return "", unknown(args)
	}
	return t.UTC().Format(layout), nil
}

// grep is grep -Eq PATTERN.
func grep(args []string, in string) error {
	if len(args) != 2 || args[0] != "-Eq" {
		return unknown(args)
	}
	pattern, err := regexp.Compile("(?m)" + args[1])
	if err != nil {
		return err
	}
	return status(pattern.MatchString(in))
}

// od is od -An -v -tu1.
func od(_ *sandbox, args []string, in string) (string, error) {
	var out strings.Builder
	for i := range len(in) {
		fmt.Fprintf(&out, " %d", in[i])
	}
	out.WriteByte('\n')
	return out.String(), plain(args, "-An", "-v", "-tu1")
}

// paste is paste -sd SEPARATOR -.
func paste(_ *sandbox, args []string, in string) (string, error) {
	if len(args) != 3 || args[0] != "-sd" || args[2] != "-" {
		return "", unknown(args)
	}
	return strings.ReplaceAll(strings.TrimSuffix(in, "\n"), "\n", args[1]) + "\n", nil
}

// sed is sed s/PATTERN/TEXT/, where nothing in TEXT is special.
func sed(_ *sandbox, args []string, in string) (string, error) {
	if len(args) != 1 || strings.Count(args[0], "/") != 3 || !strings.HasPrefix(args[0], "s/") || !strings.HasSuffix(args[0], "/") || strings.ContainsAny(args[0], `\&`) {
		return "", unknown(args)
	}
	part := strings.Split(args[0], "/")
	pattern, err := regexp.Compile(part[1])
	if err != nil {
		return "", err
	}
	var out strings.Builder
	for line := range strings.Lines(in) {
		if at := pattern.FindStringIndex(line); at != nil {
			line = line[:at[0]] + part[2] + line[at[1]:]
		}
		out.WriteString(line)
	}
	return out.String(), nil
}

// sorted is sort -u, or sort -nu for whole numbers.
func sorted(_ *sandbox, args []string, in string) (string, error) {
	if len(args) != 1 || args[0] != "-u" && args[0] != "-nu" {
		return "", unknown(args)
	}
	lines := slices.Collect(strings.Lines(in))
	slices.SortFunc(lines, func(a, b string) int {
		if args[0] == "-nu" && len(a) != len(b) {
			return len(a) - len(b)
		}
		return strings.Compare(a, b)
	})
	return strings.Join(slices.Compact(lines), ""), nil
}

// tr is tr -d CHARACTER.
func tr(_ *sandbox, args []string, in string) (string, error) {
	if len(args) != 2 || args[0] != "-d" || len(args[1]) != 1 {
		return "", unknown(args)
	}
	return strings.ReplaceAll(in, args[1], ""), nil
}

// version is iptables -V or --version.
func version(_ *sandbox, args []string, _ string) (string, error) {
	return "iptables v1.8.9 (nf_tables)\n", plain(args, "-V", "--version")
}

// save lists the rules of a family.
func save(six bool) func(*sandbox, []string, string) (string, error) {
	return func(b *sandbox, args []string, _ string) (string, error) {
		return b.firewall.tables(six), plain(args)
	}
}

// restore is iptables-restore --noflush -w 10.
func restore(six bool) func(*sandbox, []string, string) (string, error) {
	return func(b *sandbox, args []string, in string) (string, error) {
		if !slices.Equal(args, []string{"--noflush", "-w", "10"}) {
			return "", unknown(args)
		}
		return "", b.firewall.restore(six, in)
	}
}

// nft is nft -f -, and nft -t list, which lists all, or fails for a table.
func nft(b *sandbox, args []string, in string) (string, error) {
	switch {
	case slices.Equal(args, []string{"-f", "-"}):
		return "", b.firewall.load(in)
	case slices.Equal(args, []string{"-t", "list", "ruleset"}):
		return b.firewall.ruleset(), nil
	case slices.Equal(args, []string{"-t", "list", "table", "inet", "portknock"}):
		return "", status(b.firewall.has("inet portknock"))
	}
	return "", unknown(args)
}
