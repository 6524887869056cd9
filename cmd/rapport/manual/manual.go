// Package manual holds what the program says about itself: the text of each command
// and of each topic, from which come --help, "rapport help", and the manual pages.
// A text exists once, in the folder text, so that they cannot differ.
//
// A text is plain: paragraphs between empty lines. A paragraph that is indented by two
// spaces keeps its lines. In the text of a command the first paragraph says what it
// does, the first indented one holds examples, and both are its --help; the rest is for
// the manual page and for "rapport help COMMAND".
package manual

import (
	"embed"
	"fmt"
	"path"
	"strings"

	"github.com/spf13/cobra"
)

//go:embed text
var texts embed.FS

// A group of commands, in the order of the help.
type group struct {
	title    string
	commands []string
}

// groups are all of them. A command that none names belongs to the last.
func groups() []group {
	return []group{
		{"Use:", []string{"knock", "probe", "seq", "ssh", "proxy", "demo"}},
		{"Diagnose:", []string{"doctor", "scan", "clock", "pcap"}},
		{"Server:", []string{"rules", "inspect", "trace", "audit", "watch"}},
		{"Configure:", []string{"hosts", "ssh-config", "completion", "man", "version", "help"}},
	}
}

// A Topic is a text that belongs to no command: "rapport help NAME", and NAME in
// section 7 of the manual.
type Topic struct {
	Name  string
	Short string
}

// Topics are all of them, in the order of the help.
func Topics() []Topic {
	return []Topic{
		{"scheme", "How the ports are computed, and what the server does with the knocks"},
		{"verdicts", "What rapport doctor can find, and what each verdict means"},
		{"security", "What each attack costs, and what the scheme does not protect from"},
		{"server", "From an empty server to ssh through the gate"},
	}
}

// Text returns the text of a topic.
func (t Topic) Text() string { return text("topic-" + t.Name) }

// text reads one of the embedded files. A missing one is a defect of the program, which
// a test would have shown.
func text(name string) string {
	b, err := texts.ReadFile(path.Join("text", name+".txt"))
	if err != nil {
		return ""
	}
	return string(b)
}

// Attach gives each command below root its text, makes --help short, and adds
// the commands help, man and completion install. Root has all other commands by then.
func Attach(root *cobra.Command) {
	root.InitDefaultCompletionCmd("completion")
	help := newHelp()
	root.SetHelpCommand(help)
	root.AddCommand(help, newMan())
	if completion, _, err := root.Find([]string{"completion"}); err == nil && completion != root {
		completion.Short = "Print or install completions: bash, zsh, fish, powershell"
		completion.AddCommand(newCompletionInstall())
		completion.RunE = func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("there are no completions for %q; see rapport completion --help", args[0])
			}
			return c.Help()
		}
		completion.Args = cobra.ArbitraryArgs
	}
	walk(root, func(c *cobra.Command) {
		if t := text(fileName(c)); t != "" {
			intro, examples, _ := split(t)
			c.Long, c.Example = intro, examples
		}
		c.Flags().VisitAll(peopleTimes)
		c.PersistentFlags().VisitAll(peopleTimes)
	})
	root.SetHelpFunc(func(c *cobra.Command, _ []string) { _, _ = fmt.Fprint(c.OutOrStdout(), short(c)) })
}

// walk calls f for c and every command below it that help shows.
func walk(c *cobra.Command, f func(*cobra.Command)) {
	f(c)
	for _, sub := range c.Commands() {
		walk(sub, f)
	}
}

// fileName is the name of the command's text and manual page: rapport-hosts-add.
func fileName(c *cobra.Command) string { return strings.ReplaceAll(c.CommandPath(), " ", "-") }

// split takes a command's text apart: its first paragraph, its first indented one, and
// what follows.
func split(text string) (intro, examples, rest string) {
	paragraphs := strings.Split(strings.TrimSpace(text), "\n\n")
	intro, paragraphs = paragraphs[0], paragraphs[1:]
	if len(paragraphs) > 0 && literal(paragraphs[0]) {
		examples, paragraphs = paragraphs[0], paragraphs[1:]
	}
	return intro, examples, strings.Join(paragraphs, "\n\n")
}

// literal reports whether the paragraph keeps its lines.
func literal(paragraph string) bool { return strings.HasPrefix(paragraph, "  ") }
