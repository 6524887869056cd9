package hosts

import (
	"errors"
	"strings"
)

// word is a word of a shell script, or an operator.
type word struct {
	text string
	raw  string // as it is written
	op   byte   // one of ();&|<> and the line's end, or 0 for a word
	line int
	// unknown says why the text cannot be told without running the script.
	unknown error
}

// is reports whether w is that word, without quotes.
func (w word) is(s string) bool { return w.op == 0 && w.raw == s }

// known reports whether w is a word whose text can be told.
func (w word) known() bool { return w.op == 0 && w.unknown == nil }

// variable is what a script assigned to a name.
type variable struct {
	text    string
	unknown error
}

// shellLine splits one line of a script into words by the rules of the POSIX
// shell's command language, 2.2 and 2.3, as far as simple words go: quotes,
// backslashes, comments, variables. It runs and looks up nothing. A quote that
// the line does not close stands for itself, since old scripts come wrapped in
// prose.
type shellLine struct {
	text string
	at   int
	line int
	vars map[string]variable
}

const (
	shellBlank     = " \t\r\f\v"
	shellOperators = "();&|<>"
)

// next returns the next word or operator; more is false at the end.
func (l *shellLine) next() (w word, more bool) {
	for l.at < len(l.text) && strings.IndexByte(shellBlank, l.text[l.at]) >= 0 {
		l.at++
	}
	if l.at == len(l.text) || l.text[l.at] == '#' {
		l.at = len(l.text)
		return word{}, false
	}
	w.line = l.line
	start := l.at
	if c := l.text[l.at]; strings.IndexByte(shellOperators, c) >= 0 {
		l.at++
		w.op, w.raw = c, string(c)
		return w, true
	}
	var b strings.Builder
	for l.at < len(l.text) && strings.IndexByte(shellBlank+shellOperators, l.text[l.at]) < 0 {
		if err := l.piece(&b); err != nil && w.unknown == nil {
			w.unknown = err
		}
	}
	w.text, w.raw = b.String(), l.text[start:l.at]
	return w, true
}

// piece takes one character, quotation or expansion of a word.
func (l *shellLine) piece(b *strings.Builder) error {
	c := l.text[l.at]
	rest := l.text[l.at+1:]
	switch c {
	case '\\':
		l.at++
		if rest != "" {
			b.WriteByte(rest[0])
			l.at++
		}
		return nil
	case '\'':
		if end := strings.IndexByte(rest, '\''); end >= 0 {
			b.WriteString(rest[:end])
			l.at += end + 2
			return nil
		}
	case '"':
		if end := closing(rest); end >= 0 {
			return l.quoted(b, end)
		}
	case '$', '`':
		return l.expand(b)
	}
	b.WriteByte(c)
	l.at++
	return nil
}

// closing returns where the double quote closes that was opened before s.
func closing(s string) int {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return -1
}

// quoted takes what stands in double quotes, up to that offset after the first.
func (l *shellLine) quoted(b *strings.Builder, end int) (err error) {
	inner := shellLine{text: l.text[l.at+1 : l.at+1+end], line: l.line, vars: l.vars}
	l.at += end + 2
	for inner.at < len(inner.text) {
		c := inner.text[inner.at]
		switch {
		case c == '\\' && inner.at+1 < len(inner.text) && strings.IndexByte("$`\"\\", inner.text[inner.at+1]) >= 0:
			b.WriteByte(inner.text[inner.at+1])
			inner.at += 2
		case c == '$' || c == '`':
			if e := inner.expand(b); err == nil {
				err = e
			}
		default:
			b.WriteByte(c)
			inner.at++
		}
	}
	return err
}

// Why a word cannot be told.
var (
	errParameter = errors.New("is given when the script is called ($1 and the like)")
	errCommand   = errors.New("comes from a command, which import does not run")
	errUnset     = errors.New("is in a variable that the script does not set before")
	errExpansion = errors.New("is written in a way that import does not understand")
)

// expand takes an expansion, which starts with '$' or '`'.
func (l *shellLine) expand(b *strings.Builder) error {
	s := l.text[l.at:]
	if s[0] == '`' {
		if end := strings.IndexByte(s[1:], '`'); end >= 0 {
			l.at += end + 2
			return errCommand
		}
		b.WriteByte('`')
		l.at++
		return nil
	}
	s = s[1:]
	l.at++
	switch {
	case s == "":
		b.WriteByte('$')
		return nil
	case s[0] == '(':
		depth := 0
		for i := 0; i < len(s); i++ {
			switch s[i] {
			case '(':
				depth++
			case ')':
				depth--
			}
			if depth == 0 {
				l.at += i + 1
				return errCommand
			}
		}
		l.at = len(l.text)
		return errCommand
	case s[0] == '{':
		end := strings.IndexByte(s, '}')
		if end < 0 {
			l.at = len(l.text)
			return errExpansion
		}
		l.at += end + 1
		return l.braced(b, s[1:end])
	case strings.IndexByte("0123456789@*#?!$-", s[0]) >= 0:
		l.at++
		return errParameter
	case s[0] == '\'' || s[0] == '"':
		return errExpansion
	}
	n := nameLen(s)
	if n == 0 {
		b.WriteByte('$')
		return nil
	}
	l.at += n
	return l.variable(b, s[:n])
}

// braced takes what stands in ${...}: a name, and a plain default value.
func (l *shellLine) braced(b *strings.Builder, s string) error {
	name, other, hasDefault := strings.Cut(s, "-")
	name = strings.TrimSuffix(name, ":")
	if hasDefault && name != "" && !strings.ContainsAny(other, "$`'\"\\") {
		if v, ok := l.vars[name]; ok && v.unknown == nil && v.text != "" {
			b.WriteString(v.text)
		} else {
			b.WriteString(other)
		}
		return nil
	}
	switch {
	case s != "" && nameLen(s) == len(s):
		return l.variable(b, s)
	case s != "" && strings.Trim(s, "0123456789") == "":
		return errParameter
	}
	return errExpansion
}

func (l *shellLine) variable(b *strings.Builder, name string) error {
	v, ok := l.vars[name]
	if !ok {
		return errUnset
	}
	b.WriteString(v.text)
	return v.unknown
}

// nameLen returns the length of the shell name that s starts with.
func nameLen(s string) int {
	i := 0
	for i < len(s) && (s[i] == '_' || s[i] >= 'a' && s[i] <= 'z' || s[i] >= 'A' && s[i] <= 'Z' || i > 0 && s[i] >= '0' && s[i] <= '9') {
		i++
	}
	return i
}

// assignment returns the name that w gives a value to, as in name=value.
func (w word) assignment() (name string, v variable, ok bool) {
	n := nameLen(w.raw)
	if w.op != 0 || n == 0 || n == len(w.raw) || w.raw[n] != '=' {
		return "", variable{}, false
	}
	return w.raw[:n], variable{w.text[n+1:], w.unknown}, true
}
