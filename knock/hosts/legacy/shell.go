package legacy

import (
	"errors"
	"maps"
	"strings"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"
)

// variable is the value that a script assigned to a name.
type variable struct {
	text    string
	unknown error // why the text is not known without running the script
}

// word is a word of a command, with the variables in it replaced.
type word struct {
	variable
	line int
}

// is reports whether w is known to be s.
func (w word) is(s string) bool { return w.unknown == nil && w.text == s }

// Reasons why a word is not known.
var (
	errParameter = errors.New("is given when the script is called ($1 and the like)")
	errCommand   = errors.New("comes from a command, which import does not run")
	errUnset     = errors.New("is in a variable that the script does not set before")
	errExpansion = errors.New("is written in a path that import does not understand")
	errPath      = errors.New("depends on which branch the script takes")
	errElsewhere = errors.New("may be set by eval, by read or by another file")
)

const (
	maxCalls = 16      // depth of functions that call each other
	maxSteps = 300_000 // of work for one script
)

// shellReading collects the simple commands of a script, with their words, without
// running anything. Functions are followed where they are called; those that are
// never called are followed at the end, for their commands alone.
type shellReading struct {
	source
	vars      map[string]variable
	functions map[string]*function
	params    []word              // of the function that is followed; nil outside of one
	locals    map[string]variable // the values of the function's local names before it; unset ones are unknown
	depth     int
	steps     int
	commands  [][]word
}

// source maps the positions of statements to lines of the script.
type source struct {
	base   int   // the line before their first
	origin []int // the script's line of each line, where lines were split
}

func (s source) line(p syntax.Pos) int {
	n := s.base + int(p.Line())
	if n-1 < len(s.origin) {
		return s.origin[n-1]
	}
	return n
}

type function struct {
	source
	body   *syntax.Stmt
	called bool
}

func (r *shellReading) statements(list []*syntax.Stmt) {
	for _, s := range list {
		r.statement(s)
	}
}

func (r *shellReading) statement(s *syntax.Stmt) {
	if r.steps++; r.steps > maxSteps || s == nil {
		return
	}
	if s.Background {
		r.isolated(func() { r.command(s.Cmd) })
		return
	}
	r.command(s.Cmd)
}

func (r *shellReading) command(c syntax.Command) {
	switch c := c.(type) {
	case *syntax.CallExpr:
		r.call(c)
	case *syntax.DeclClause:
		for _, a := range c.Args {
			if a.Name != nil && c.Variant.Value == "local" && r.locals != nil {
				if _, saved := r.locals[a.Name.Value]; !saved {
					r.locals[a.Name.Value] = r.value(a.Name.Value)
				}
			}
			r.assign(a)
		}
	case *syntax.Block:
		r.statements(c.Stmts)
	case *syntax.Subshell:
		r.isolated(func() { r.statements(c.Stmts) })
	case *syntax.TimeClause:
		r.statement(c.Stmt)
	case *syntax.FuncDecl:
		if c.Name != nil && c.Name.Value != calcFunction { // that one is the same everywhere
			r.functions[c.Name.Value] = &function{source: r.source, body: c.Body}
		}
	case *syntax.BinaryCmd:
		switch c.Op {
		case syntax.AndStmt, syntax.OrStmt:
			r.statement(c.X)
			r.branches(func() { r.statement(c.Y) }, func() {})
		default: // a pipe
			r.isolated(func() { r.statement(c.X) })
			r.isolated(func() { r.statement(c.Y) })
		}
	case *syntax.IfClause:
		r.statements(c.Cond)
		r.branches(func() { r.statements(c.Then) }, func() {
			if c.Else != nil {
				r.command(c.Else)
			}
		})
	case *syntax.CaseClause:
		paths := []func(){func() {}}
		for _, item := range c.Items {
			paths = append(paths, func() { r.statements(item.Stmts) })
		}
		r.branches(paths...)
	case *syntax.WhileClause:
		r.loop(c, func() {
			r.statements(c.Cond)
			r.statements(c.Do)
		})
	case *syntax.ForClause:
		if each, ok := c.Loop.(*syntax.WordIter); ok {
			r.vars[each.Name.Value] = variable{unknown: errPath}
		}
		r.loop(c, func() { r.statements(c.Do) })
	}
}

// isolated runs do, after which all variables are as before: a subshell, a pipe.
func (r *shellReading) isolated(do func()) {
	r.steps += len(r.vars)
	before := r.vars
	r.vars = maps.Clone(before)
	do()
	r.vars = before
}

// branches follows branches of which the script takes one. Variables that they set
// to different values are unknown afterwards; a variable that only some of them
// set, and that was not set before, has their value.
func (r *shellReading) branches(paths ...func()) {
	before := r.vars
	var after []map[string]variable
	for _, path := range paths {
		r.steps += len(before)
		r.vars = maps.Clone(before)
		path()
		after = append(after, r.vars)
	}
	r.vars = maps.Clone(after[0])
	for _, vars := range after[1:] {
		for name, v := range vars {
			if old, ok := r.vars[name]; ok && old != v {
				v = variable{unknown: errPath}
			}
			r.vars[name] = v
		}
	}
}

// loop follows a body that runs any number of times: what it sets is unknown.
func (r *shellReading) loop(node syntax.Node, do func()) {
	var names []string
	syntax.Walk(node, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.Subshell, *syntax.FuncDecl, *syntax.CmdSubst:
			return false
		case *syntax.CallExpr:
			return len(n.Args) == 0
		case *syntax.Assign:
			if n.Name != nil {
				names = append(names, n.Name.Value)
			}
		}
		return true
	})
	forget := func() {
		for _, name := range names {
			r.vars[name] = variable{unknown: errPath}
		}
	}
	forget()
	do()
	forget()
}

// call follows a simple command: assignments, or words.
func (r *shellReading) call(c *syntax.CallExpr) {
	if len(c.Args) == 0 {
		for _, a := range c.Assigns {
			r.assign(a)
		}
		return
	}
	var words []word
	for _, w := range c.Args {
		if r.params != nil && allParameters(w) {
			words = append(words, r.params[1:]...)
			continue
		}
		words = append(words, r.expand(w))
	}
	if len(words) == 0 {
		return
	}
	r.commands = append(r.commands, words)
	r.forget(words)
	if f, ok := r.functions[words[0].text]; ok && words[0].unknown == nil {
		r.follow(f, words)
	}
}

// forget marks the variables that a command such as read or eval may set.
func (r *shellReading) forget(words []word) {
	switch words[0].text {
	case "read", "unset", "getopts", "mapfile", "readarray":
		for _, w := range words[1:] {
			if _, set := r.vars[w.text]; set {
				r.vars[w.text] = variable{unknown: errElsewhere}
			}
		}
	case "eval", ".", "source":
		if words[0].text == "source" && len(words) != 2 {
			return // a sentence
		}
		r.steps += len(r.vars)
		for name := range r.vars {
			r.vars[name] = variable{unknown: errElsewhere}
		}
	}
}

// follow follows a function; words are its name and parameters.
func (r *shellReading) follow(f *function, words []word) {
	f.called = true
	if r.depth == maxCalls {
		return
	}
	was := *r
	r.source, r.params, r.locals = f.source, words, map[string]variable{}
	r.depth++
	r.statement(f.body)
	maps.Copy(r.vars, r.locals)
	r.source, r.params, r.locals, r.depth = was.source, was.params, was.locals, was.depth
}

func (r *shellReading) assign(a *syntax.Assign) {
	switch {
	case a.Name == nil, a.Naked:
	case a.Append, a.Index != nil, a.Array != nil:
		r.vars[a.Name.Value] = variable{unknown: errExpansion}
	case a.Value == nil:
		r.vars[a.Name.Value] = variable{}
	default:
		r.vars[a.Name.Value] = r.expand(a.Value).variable
	}
}

func (r *shellReading) value(name string) variable {
	if v, ok := r.vars[name]; ok {
		return v
	}
	return variable{unknown: errUnset}
}

// allParameters reports whether w is $@, in quotes or not.
func allParameters(w *syntax.Word) bool {
	parts := w.Parts
	if len(parts) == 1 {
		if q, ok := parts[0].(*syntax.DblQuoted); ok {
			parts = q.Parts
		}
	}
	if len(parts) != 1 {
		return false
	}
	p, ok := parts[0].(*syntax.ParamExp)
	return ok && p.Short && p.Param != nil && p.Param.Value == "@"
}

// expand replaces the variables in a word.
func (r *shellReading) expand(w *syntax.Word) word {
	out := word{line: r.line(w.Pos())}
	if r.steps++; r.steps > maxSteps {
		out.unknown = errExpansion
		return out
	}
	syntax.Walk(w, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.CmdSubst, *syntax.ProcSubst:
			out.unknown = errCommand
		case *syntax.ParamExp:
			if n.Param != nil && n.Param.Value != "" && strings.Contains("@*#?$!-", n.Param.Value) && out.unknown == nil {
				out.unknown = errParameter
			}
		}
		return true
	})
	if out.unknown != nil {
		return out
	}
	r.steps += len(w.Parts)
	text, err := expand.Literal(&expand.Config{Env: variables{r}, NoUnset: true}, literal(w))
	var unset expand.UnsetParameterError
	switch {
	case len(text) > MaxScript: // a variable that doubles itself
		out.unknown = errExpansion
	case err == nil:
		out.text = text
	case errors.As(err, &unset) && unset.Node != nil && unset.Node.Param != nil && unset.Node.Exp == nil && unset.Node.Repl == nil && unset.Node.Slice == nil:
		name := unset.Node.Param.Value
		if out.unknown = errParameter; strings.Trim(name, "0123456789") != "" {
			out.unknown = r.value(name).unknown
		}
	default:
		out.unknown = errExpansion
	}
	return out
}

// literal removes the backslashes outside of quotes, as [expand.Literal] does not.
func literal(w *syntax.Word) *syntax.Word {
	out := &syntax.Word{}
	for _, part := range w.Parts {
		if lit, ok := part.(*syntax.Lit); ok {
			var b strings.Builder
			for i := 0; i < len(lit.Value); i++ {
				if lit.Value[i] == '\\' && i+1 < len(lit.Value) {
					i++
				}
				b.WriteByte(lit.Value[i])
			}
			part = &syntax.SglQuoted{Value: b.String()}
		}
		out.Parts = append(out.Parts, part)
	}
	return out
}

// variables are what a word may contain; unknown ones count as unset.
type variables struct{ r *shellReading }

func (v variables) Get(name string) expand.Variable {
	held := v.r.value(name)
	if len(name) == 1 && name[0] >= '1' && name[0] <= '9' && int(name[0]-'0') < len(v.r.params) {
		held = v.r.params[name[0]-'0'].variable
	}
	if held.unknown != nil {
		return expand.Variable{}
	}
	return expand.Variable{Set: true, Kind: expand.String, Str: held.text}
}

// Each implements [expand.Environ]: no variable is passed to a program.
func (v variables) Each(func(string, expand.Variable) bool) {}
