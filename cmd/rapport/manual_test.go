package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"rapport/cmd/rapport/manual"
	"rapport/diag"
	"rapport/knock/gate/audit"
)

// commands returns all commands below c that help shows.
func commands(c *cobra.Command) []*cobra.Command {
	var all []*cobra.Command
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() && sub.Name() != "help" {
			all = append(append(all, sub), commands(sub)...)
		}
	}
	return all
}

// The help of every command starts with what it does and at least two examples, each of
// which is a command with flags that exist.
func TestHelpHasExamples(t *testing.T) {
	root := newRoot(time.Now, nil)
	help, _, _ := root.Find([]string{"help"})
	for _, c := range append(commands(root), help) {
		if c.Parent().Name() == "completion" && c.Name() != "install" {
			continue // cobra's own
		}
		if strings.Count(c.Example, "\n") < 1 {
			t.Errorf("%s has not two examples: %q", c.CommandPath(), c.Example)
		}
		if !strings.HasPrefix(c.Long, c.Name()) {
			t.Errorf("the help of %s does not begin with what it does: %q", c.CommandPath(), c.Long)
		}
		for line := range strings.Lines(c.Example) {
			checkExample(t, line)
		}
	}
}

// checkExample parses the call of rapport in the line, and its arguments.
func checkExample(t *testing.T, line string) {
	t.Helper()
	_, call, found := strings.Cut(line, "rapport ")
	if !found || strings.Contains(line, "ProxyCommand") {
		return // of ssh, man or another program
	}
	call, _, _ = strings.Cut(call, "|")
	words := strings.Fields(strings.Trim(strings.TrimSpace(call), `)"`))
	if i := slices.IndexFunc(words, func(w string) bool { return strings.HasPrefix(w, ">") }); i >= 0 {
		words = words[:i]
	}
	c, rest, err := newRoot(time.Now, nil).Find(words)
	if err == nil {
		err = c.ParseFlags(rest)
	}
	if err == nil && c.Args != nil {
		err = c.Args(c, c.Flags().Args())
	}
	if err != nil {
		t.Errorf("example %q: %v", strings.TrimSpace(line), err)
	}
}

// What the program can say is explained by a topic or a command's text.
func TestTopicsNameEverything(t *testing.T) {
	verdicts := manual.Topics()[1].Text()
	for _, code := range diag.Codes() {
		if !strings.Contains(verdicts, "  "+string(code)+" ") {
			t.Errorf("rapport help verdicts does not explain %s", code)
		}
	}
	var out strings.Builder
	root := newRoot(time.Now, nil)
	root.SetOut(&out)
	root.SetArgs([]string{"help", "audit"})
	if err := root.Execute(); err != nil {
		t.Fatal(err)
	}
	for _, name := range audit.Names() {
		if !strings.Contains(out.String(), name+",") && !strings.Contains(out.String(), name+"\n") {
			t.Errorf("rapport help audit does not name %s", name)
		}
	}
}

// The manual pages have no line that roff does not understand, and bear the build's date.
func TestManualPages(t *testing.T) {
	pages := manual.Pages(newRoot(time.Now, nil), time.Date(2026, 11, 22, 8, 43, 54, 0, time.UTC))
	groff, err := exec.LookPath("groff")
	if err != nil {
		t.Log("without groff the pages are not formatted")
	}
	for _, p := range pages {
		if !strings.Contains(p.Roff, `"2026-11-22"`) || !strings.Contains(p.Roff, ".SH NAME\n") {
			t.Errorf("%s has no date or no name:\n%s", p.File(), p.Roff)
		}
		if groff != "" {
			cmd := exec.Command(groff, "-ww", "-z", "-man", "-Tutf8")
			cmd.Stdin = strings.NewReader(p.Roff)
			if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
				t.Errorf("%s: %v\n%s", p.File(), err, out)
			}
		}
	}
	for _, file := range []string{"man1/rapport.1", "man1/rapport-hosts-add.1", "man7/rapport-scheme.7"} {
		if !slices.ContainsFunc(pages, func(p manual.Page) bool { return p.File() == file }) {
			t.Errorf("there is no page %s", file)
		}
	}
}

// Install says which files it wrote, and these exist.
func TestInstall(t *testing.T) {
	data := t.TempDir()
	t.Setenv("XDG_DATA_HOME", data)
	t.Setenv("SHELL", "/bin/zsh")
	for call, file := range map[string]string{
		"man install":             "man/man1/rapport.1",
		"completion install":      "zsh/site-functions/_rapport",
		"completion install bash": "bash-completion/completions/rapport",
		"completion install fish": "fish/vendor_completions.d/rapport.fish",
	} {
		var out strings.Builder
		root := newRoot(time.Now, nil)
		root.SetOut(&out)
		root.SetArgs(strings.Fields(call))
		if err := root.Execute(); err != nil {
			t.Errorf("rapport %s: %v", call, err)
		}
		if _, err := os.Stat(filepath.Join(data, file)); err != nil || !strings.Contains(out.String(), data) {
			t.Errorf("rapport %s: %v\n%s", call, err, out.String())
		}
		if advice := "MANPATH=':" + filepath.Join(data, "man") + "'"; call == "man install" && !strings.Contains(out.String(), advice) {
			t.Errorf("rapport %s does not say %s:\n%s", call, advice, out.String())
		}
	}
}
