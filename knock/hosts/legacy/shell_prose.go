package legacy

import (
	"maps"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

const (
	shellBlank = " \t\r\f\v"
	// maxParsed bounds the bytes that are parsed of a text that is no valid script:
	// parsing may start again at every line.
	maxParsed = 8 * MaxScript
	// maxRestarts bounds how often parsing starts again after a syntax error.
	maxRestarts = 400
	// maxNesting bounds how deep a script nests: the parser's time grows with its square.
	maxNesting = 400
)

// readShell reads a script. A text that is not valid may have prose around the
// script, or joined lines, as in a copy of the article from the web: then every
// statement that parses counts.
func readShell(text string) *shellReading {
	text = strings.ToValidUTF8(strings.ReplaceAll(text, "\r\n", "\n"), "\uFFFD")
	parser := syntax.NewParser(syntax.Variant(syntax.LangBash))
	if file, err := parser.Parse(strings.NewReader(text), ""); err == nil {
		r := newReading()
		r.statements(file.Stmts)
		r.followUncalled()
		if slices.ContainsFunc(r.commands, func(words []word) bool { return words[0].is(calcFunction) }) {
			return r
		}
	}
	r := newReading()
	var lines []string
	lines, r.origin = splitProse(text)
	text = strings.Join(lines, "\n")
	for parsed, n := 0, 0; r.base < len(lines) && parsed < maxParsed && n < maxRestarts; n++ {
		rest := strings.NewReader(text)
		end := 1 // the line where the last valid statement ends, or the first line
		var err error
		for s, failed := range parser.StmtsSeq(rest) {
			if err = failed; err == nil {
				r.statement(s)
				end = int(s.End().Line())
			}
		}
		if err == nil {
			break
		}
		parsed += int(rest.Size()) - rest.Len()
		r.base += end
		for range end {
			_, text, _ = strings.Cut(text, "\n")
		}
	}
	r.followUncalled()
	return r
}

// nestsTooDeep reports whether a text nests deeper than maxNesting.
func nestsTooDeep(text string) bool {
	depth := 0
	for _, w := range strings.FieldsFunc(text, func(c rune) bool { return strings.ContainsRune(shellBlank+"\n;", c) }) {
		switch w {
		case "if", "while", "until", "for", "case", "select":
			depth++
		case "fi", "done", "esac":
			depth = max(0, depth-1)
		}
		depth = max(0, depth+strings.Count(w, "(")+strings.Count(w, "{")-strings.Count(w, ")")-strings.Count(w, "}"))
		if depth > maxNesting {
			return true
		}
	}
	return false
}

func newReading() *shellReading {
	return &shellReading{vars: map[string]variable{}, functions: map[string]*function{}}
}

// followUncalled follows the functions that are never called, for their commands alone.
func (r *shellReading) followUncalled() {
	for _, name := range slices.Sorted(maps.Keys(r.functions)) {
		if f := r.functions[name]; !f.called {
			r.isolated(func() { r.follow(f, nil) })
		}
	}
}

// splitProse returns the lines of a text, with each command on a line of its own,
// and the line of the text that each came from. A quote that its line does not
// close is an apostrophe.
func splitProse(text string) (lines []string, origin []int) {
	given := strings.Split(text, "\n")
	for i := 0; i < len(given); i++ {
		from, line := i+1, given[i]
		if rest, ok := strings.CutPrefix(strings.TrimLeft(line, shellBlank), "#!"); ok {
			_, line, _ = strings.Cut(strings.TrimLeft(rest, shellBlank), " ")
		}
		var joined strings.Builder
		for (len(line)-len(strings.TrimRight(line, `\`)))%2 == 1 && i+1 < len(given) {
			i++
			joined.WriteString(line[:len(line)-1])
			line = given[i]
		}
		joined.WriteString(line)
		for _, l := range splitCommands(joined.String()) {
			lines = append(lines, l)
			origin = append(origin, from)
		}
	}
	return lines, origin
}

// splitCommands splits a line before each word that starts a command.
func splitCommands(line string) []string {
	var lines []string
	var b strings.Builder
	before := ""
	for i := 0; i < len(line); {
		c := line[i]
		start := i == 0 || strings.IndexByte(shellBlank, line[i-1]) >= 0
		if start && c == '#' {
			break
		}
		if start && strings.IndexByte(shellBlank, c) < 0 {
			next, _, _ := strings.Cut(line[i:], " ")
			if startsCommand(next) && before != "function" && before != "export" {
				lines = append(lines, b.String())
				b.Reset()
			}
			before = next
		}
		n := 1
		switch c {
		case '\\':
			n = min(2, len(line)-i)
		case '\'', '"', '`':
			if n = quoted(line[i:]); n == 0 {
				b.WriteByte('\\')
				n = 1
			}
		}
		b.WriteString(line[i : i+n])
		i += n
	}
	return append(lines, b.String())
}

// quoted returns the length of the quotation at the start of s, or 0 if it does not end.
func quoted(s string) int {
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && s[0] != '\'':
			i++
		case s[i] == s[0]:
			return i + 1
		}
	}
	return 0
}

// startsCommand reports whether a word starts a command of such scripts, or ends a list.
func startsCommand(w string) bool {
	switch strings.TrimRight(w, ";") {
	case calcFunction, "}", "for", "while", "if", "then", "else", "fi", "do", "done", "echo", "exec",
		"nc", "ncat", "netcat", "iptables", "ip6tables", "nft":
		return true
	}
	name, _, ok := strings.Cut(w, "=")
	return ok && syntax.ValidName(name)
}
