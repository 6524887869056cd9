package manual

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/pflag"

	"rapport/knock/phrase"
)

// flagTable lists the flags that help shows, a line each.
func flagTable(set *pflag.FlagSet) string {
	var b strings.Builder
	table := tabwriter.NewWriter(&b, 0, 0, 3, ' ', 0)
	set.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		name, value := syntax(f)
		if f.Shorthand == "" {
			name = "    " + name
		}
		fmt.Fprintf(table, "  %s%s\t%s\n", name, value, meaning(f))
	})
	_ = table.Flush()
	return b.String()
}

// syntax is how a flag is typed: its names, and its value with what goes before it.
func syntax(f *pflag.Flag) (name, value string) {
	value, _ = pflag.UnquoteUsage(f)
	switch {
	case value == "":
	case f.NoOptDefVal != "":
		value = "[=" + value + "]"
	default:
		value = " " + value
	}
	name = "--" + f.Name
	if f.Shorthand != "" {
		name = "-" + f.Shorthand + ", " + name
	}
	return name, value
}

// meaning is what a flag does, with its default unless that is nothing.
func meaning(f *pflag.Flag) string {
	_, usage := pflag.UnquoteUsage(f)
	switch f.DefValue {
	case "", "0", "0s", "false", "[]":
		return usage
	}
	return usage + " (default " + f.DefValue + ")"
}

// peopleTimes lets help show a default as the flag takes it: 1m, and not 1m0s.
func peopleTimes(f *pflag.Flag) {
	if d, err := time.ParseDuration(f.DefValue); err == nil && f.Value.Type() == "duration" {
		f.DefValue = phrase.Duration(d)
	}
}
