package script

import (
	"cmp"
	"fmt"
	"strings"
	"text/template/parse"
)

// fields are what the names in a template stand for: bools, numbers, texts, and lists
// whose elements may be fields in turn.
type fields map[string]any

// renderer executes templates of text/template without that package: because it can
// call any method by name, the linker keeps all methods of the program for it, a sixth
// of the program's size. The templates have names, if, else and range.
type renderer struct {
	strings.Builder
	root fields // $
	err  error  // the first one
}

// render writes a template.
func (r *renderer) render(name, text string) {
	trees, err := parse.Parse(name, text, "", "")
	if err != nil {
		r.err = cmp.Or(r.err, err)
		return
	}
	r.list(trees[name].Root, r.root)
}

// list writes the nodes of l, which is nil for an else that is not there.
func (r *renderer) list(l *parse.ListNode, dot any) {
	if l == nil {
		return
	}
	for _, n := range l.Nodes {
		switch n := n.(type) {
		case *parse.TextNode:
			r.Write(n.Text)
		case *parse.ActionNode:
			fmt.Fprint(r, r.value(n.Pipe, dot))
		case *parse.IfNode:
			if holds(r.value(n.Pipe, dot)) {
				r.list(n.List, dot)
			} else {
				r.list(n.ElseList, dot)
			}
		case *parse.RangeNode:
			all, _ := r.value(n.Pipe, dot).([]any)
			for _, each := range all {
				r.list(n.List, each)
			}
		default:
			r.fail(n)
		}
	}
}

// value returns what a name stands for: {{.Name}}, {{$.Name}} or {{.}}.
func (r *renderer) value(p *parse.PipeNode, dot any) any {
	in, name := dot, ""
	switch n := p.Cmds[0].Args[0].(type) {
	case *parse.DotNode:
		return dot
	case *parse.FieldNode:
		name = strings.Join(n.Ident, ".")
	case *parse.VariableNode:
		in, name = r.root, strings.Join(n.Ident[1:], ".")
	}
	some, _ := in.(fields)
	v, ok := some[name]
	if !ok || len(p.Cmds) > 1 || len(p.Cmds[0].Args) > 1 {
		r.fail(p)
	}
	return v
}

// fail records that a template has what is not known here.
func (r *renderer) fail(n parse.Node) {
	r.err = cmp.Or(r.err, fmt.Errorf("a template of a script has %s", n))
}

// holds reports whether a condition is met.
func holds(v any) bool {
	switch v := v.(type) {
	case bool:
		return v
	case int:
		return v != 0
	case []any:
		return len(v) > 0
	}
	return false
}
