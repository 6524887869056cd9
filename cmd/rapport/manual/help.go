package manual

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// short is what --help prints.
func short(c *cobra.Command) string {
	var b strings.Builder
	head(&b, c)
	root := c == c.Root()
	if root {
		b.WriteString("\n" + Commands(c))
	} else if c.HasAvailableSubCommands() {
		b.WriteString("\nCommands:\n" + list(c.Commands()))
	}
	if own := c.LocalNonPersistentFlags(); own.HasAvailableFlags() {
		b.WriteString("\nFlags:\n" + flagTable(own))
	}
	if root {
		b.WriteString("\nFlags of all commands:\n" + flagTable(c.PersistentFlags()))
		b.WriteString("\nTopics, with rapport help TOPIC:\n")
		for _, t := range Topics() {
			fmt.Fprintf(&b, "  %-11s %s\n", t.Name, t.Short)
		}
		return b.String()
	}
	b.WriteString("\nrapport --help lists the flags of all commands: --range, --secret-file, --json ...\n")
	if _, _, rest := split(text(fileName(c))); rest != "" {
		fmt.Fprintf(&b, "%s tells more.\n", strings.Replace(c.CommandPath(), "rapport ", "rapport help ", 1))
	}
	return b.String()
}

// long is what "rapport help COMMAND" prints.
func long(c *cobra.Command) string {
	if c == c.Root() {
		return short(c)
	}
	var b strings.Builder
	head(&b, c)
	if _, _, rest := split(text(fileName(c))); rest != "" {
		b.WriteString("\n" + rest + "\n")
	}
	if c.HasAvailableSubCommands() {
		b.WriteString("\nCommands:\n" + list(c.Commands()))
	}
	if own := c.LocalNonPersistentFlags(); own.HasAvailableFlags() {
		b.WriteString("\nFlags:\n" + flagTable(own))
	}
	b.WriteString("\nFlags of all commands:\n" + flagTable(c.InheritedFlags()))
	return b.String()
}

// head writes what the command does, its examples, and its usage.
func head(b *strings.Builder, c *cobra.Command) {
	does := c.Long
	if does == "" {
		does = c.Short + "."
	}
	b.WriteString(does + "\n")
	if c.Example != "" {
		b.WriteString("\n" + c.Example + "\n")
	}
	if c.Runnable() {
		b.WriteString("\nUsage: " + c.UseLine() + "\n")
	}
}

// Commands lists the commands below root by group, a line each, as --help and the README
// show them.
func Commands(root *cobra.Command) string {
	var b strings.Builder
	listed := map[string]bool{}
	groups := groups()
	for i, g := range groups {
		var of []*cobra.Command
		for _, name := range g.commands {
			if c, _, err := root.Find([]string{name}); err == nil && c != root {
				of, listed[c.Name()] = append(of, c), true
			}
		}
		if i == len(groups)-1 {
			of = append(of, slices.DeleteFunc(slices.Clone(root.Commands()), func(c *cobra.Command) bool { return listed[c.Name()] })...)
		}
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(g.title + "\n" + list(of))
	}
	return b.String()
}

// list writes one line for each command that help shows.
func list(commands []*cobra.Command) string {
	var b strings.Builder
	for _, c := range commands {
		if c.IsAvailableCommand() || c.Name() == "help" {
			fmt.Fprintf(&b, "  %-11s %s\n", c.Name(), c.Short)
		}
	}
	return b.String()
}

func newHelp() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND|TOPIC]",
		Short: "Print the whole text about a command or a topic",
		RunE: func(c *cobra.Command, args []string) error {
			out := c.OutOrStdout()
			if len(args) > 0 && args[0] == c.Root().Name() {
				args = args[1:]
			}
			if len(args) == 1 {
				for _, t := range Topics() {
					if t.Name == args[0] {
						_, err := fmt.Fprint(out, t.Text())
						return err
					}
				}
			}
			of, rest, err := c.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return fmt.Errorf("there is no command or topic %q; rapport --help lists them", strings.Join(args, " "))
			}
			_, err = fmt.Fprint(out, long(of))
			return err
		},
		ValidArgsFunction: func(c *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
			var names []cobra.Completion
			of, _, err := c.Root().Find(args)
			if err != nil {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			for _, sub := range of.Commands() {
				if sub.IsAvailableCommand() && strings.HasPrefix(sub.Name(), begun) {
					names = append(names, cobra.CompletionWithDesc(sub.Name(), sub.Short))
				}
			}
			if len(args) == 0 {
				for _, t := range Topics() {
					if strings.HasPrefix(t.Name, begun) {
						names = append(names, cobra.CompletionWithDesc(t.Name, t.Short))
					}
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
	}
}
