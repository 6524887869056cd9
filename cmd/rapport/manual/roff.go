package manual

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// A Page is one manual page.
type Page struct {
	Name    string // its file without the section: rapport-knock
	Section int    // 1 for commands, 7 for topics
	Roff    string // see man(7)
}

// File is the page's file below the folder of all pages: man1/rapport-knock.1.
func (p Page) File() string { return fmt.Sprintf("man%d/%s.%d", p.Section, p.Name, p.Section) }

// Pages returns the manual pages of root, of each command below it and of each topic.
// They bear the date, or none if it is zero.
//
// The roff is written here and not by cobra's own generator, which goes through Markdown
// and a parser of it, and knows no topics.
func Pages(root *cobra.Command, date time.Time) []Page {
	var pages []Page
	walk(root, func(c *cobra.Command) {
		if c.Name() != "help" && (c.IsAvailableCommand() || c == root) {
			pages = append(pages, Page{fileName(c), 1, commandPage(c, date)})
		}
	})
	for _, t := range Topics() {
		r := newRoff("rapport-"+t.Name, 7, date)
		r.section("NAME", "rapport-"+t.Name+" - "+t.Short)
		r.section("DESCRIPTION", t.Text())
		r.section("SEE ALSO", "rapport(1)")
		pages = append(pages, Page{"rapport-" + t.Name, 7, r.String()})
	}
	return pages
}

func commandPage(c *cobra.Command, date time.Time) string {
	r := newRoff(fileName(c), 1, date)
	_, _, rest := split(text(fileName(c)))
	r.section("NAME", fileName(c)+" - "+c.Short)
	if c.Runnable() {
		r.section("SYNOPSIS", "  "+c.UseLine())
	}
	r.section("DESCRIPTION", c.Long+"\n\n"+rest)
	r.section("EXAMPLES", c.Example)
	if c == c.Root() {
		r.section("COMMANDS", Commands(c))
	} else if c.HasAvailableSubCommands() {
		r.section("COMMANDS", list(c.Commands()))
	}
	r.flags("OPTIONS", c.LocalNonPersistentFlags())
	if c == c.Root() {
		r.flags("OPTIONS OF ALL COMMANDS", c.PersistentFlags())
	}
	also := []string{"rapport(1)"}
	if c == c.Root() {
		also = nil
		for _, t := range Topics() {
			also = append(also, "rapport-"+t.Name+"(7)")
		}
	}
	r.section("SEE ALSO", strings.Join(append(also, "ssh(1)"), ", "))
	return r.String()
}

// roff writes a manual page.
type roff struct{ strings.Builder }

func newRoff(name string, section int, date time.Time) *roff {
	day := ""
	if !date.IsZero() {
		day = date.UTC().Format(time.DateOnly)
	}
	r := &roff{}
	fmt.Fprintf(r, ".TH %q %q %q rapport rapport\n.nh\n.ad l\n", strings.ToUpper(name), fmt.Sprint(section), day)
	return r
}

// section writes a section, or nothing if the text is empty.
func (r *roff) section(title, text string) {
	if text = strings.Trim(text, "\n"); text == "" {
		return
	}
	r.WriteString(".SH " + title + "\n")
	for i, p := range strings.Split(text, "\n\n") {
		if i > 0 {
			r.WriteString(".PP\n")
		}
		lines := strings.Split(p, "\n")
		keep := literal(p) || len(lines) > 1 && literal(lines[1])
		if keep {
			r.WriteString(".nf\n")
		}
		for _, line := range lines {
			r.WriteString(escape(strings.TrimPrefix(line, "  ")) + "\n")
		}
		if keep {
			r.WriteString(".fi\n")
		}
	}
}

// flags writes the flags that help shows.
func (r *roff) flags(title string, set *pflag.FlagSet) {
	if !set.HasAvailableFlags() {
		return
	}
	r.WriteString(".SH " + title + "\n")
	set.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		name, value := syntax(f)
		fmt.Fprintf(r, ".TP\n\\fB%s\\fR%s\n%s\n", escape(name), escape(value), escape(meaning(f)))
	})
}

// escape makes a line of text one of roff: a leading dot or quote would be a request, and
// a hyphen would be a typographic one.
func escape(line string) string {
	line = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(line)
	if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
		line = `\&` + line
	}
	return line
}
