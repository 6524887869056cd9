package netfilter

import (
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"rapport/knock/netfilter/machine"
)

// shell follows what a line of a script does besides calling iptables: it records
// blocks and variables whose values are plain, and returns the words with these values.
func (d *dump) shell(raw []string) (words []string) {
	if d.current != nil && d.current.Whole || len(raw) == 0 {
		return raw
	}
	for _, w := range raw {
		words = append(words, d.expand(w))
	}
	d.nest(words)
	d.assign(words)
	d.over = d.script && words[0] == "exit" && len(d.within) == 0
	return words
}

// blockEnds are the words that begin a block of a script, and those that end it.
var blockEnds = map[string]string{"for": "done", "while": "done", "until": "done", "if": "fi", "case": "esac", "function": "}", "{": "}"}

// nest records the blocks that a line begins and ends, and which of them its call of
// iptables is in.
func (d *dump) nest(words []string) {
	called := false
	for _, w := range words {
		last := len(d.blocks) - 1
		_, begins := blockEnds[w]
		switch {
		case last >= 0 && w == blockEnds[d.blocks[last]]:
			d.blocks = d.blocks[:last]
		case called:
		case isIPTables(w):
			called, d.within = true, slices.Clone(d.blocks)
		case strings.HasSuffix(w, "()"):
			d.blocks = append(d.blocks, "function")
		case begins && !(w == "{" && last >= 0 && d.blocks[last] == "function"):
			d.blocks = append(d.blocks, w)
		}
	}
	if !called {
		d.within = slices.Clone(d.blocks)
	}
}

// assign records the variables that a line sets.
func (d *dump) assign(words []string) {
	switch words[0] {
	case "for", "while", "until":
		delete(d.vars, words[min(1, len(words)-1)])
		if len(words) > 3 && isIPTables(words[3]) { // for cmd in iptables ip6tables
			d.vars[words[1]] = words[3]
		}
		return
	case "export", "readonly", "local", "declare":
		words = words[1:]
	}
	for _, w := range words {
		name, value, ok := strings.Cut(w, "=")
		if !ok || strings.ContainsFunc(name, notInName) {
			return
		}
		if d.vars[name] = value; strings.ContainsAny(value, "$`(") {
			delete(d.vars, name)
		}
	}
}

func notInName(c rune) bool {
	return c != '_' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z')
}

// expand replaces $NAME and ${NAME}, where the value is plain and one word.
func (d *dump) expand(w string) string {
	before, rest, ok := strings.Cut(w, "$")
	if !ok {
		return w
	}
	name := strings.TrimPrefix(rest, "{")
	end := strings.IndexFunc(name, notInName)
	if end < 0 {
		end = len(name)
	}
	name, after := name[:end], name[end:]
	if strings.HasPrefix(rest, "{") {
		if after == "" || after[0] != '}' {
			return w
		}
		after = after[1:]
	}
	value, known := d.vars[name]
	if !known || strings.Contains(value, " ") {
		return w
	}
	return before + value + d.expand(after)
}

// follow records why the rule of a call is not all that the script makes of it. The
// ports may be computed: that shows in the gate.
func (d *dump) follow(words, raw []string) {
	for _, block := range d.within {
		switch blockEnds[block] {
		case "done":
			d.flaw(NotFollowed, "the rule is in a "+block+" loop, and is read once")
			return
		case "fi", "esac":
			d.flaw(NotFollowed, "the rule stands under "+block+", and is read as if it were reached")
			return
		}
	}
	for i, w := range words { // the words of a call, from its command on
		if strings.ContainsAny(w, "$`") && !slices.Contains([]string{"--dport", "--dports"}, words[i-min(i, 1)]) {
			d.flaw(NotFollowed, "the value of "+raw[i]+" is not known")
			return
		}
	}
}

// operators are those of the shell that end the words of a call.
var operators = []string{"|", "||", "&", "&&", "<", ">", ">>", "2>", "2>>", "&>"}

// arguments returns the words of a call up to the next operator of the shell.
func arguments(words []string) []string {
	i := slices.IndexFunc(words, func(w string) bool {
		return slices.Contains(operators, strings.TrimSuffix(w, "/dev/null")) || strings.HasPrefix(w, "2>")
	})
	if i < 0 {
		return words
	}
	return words[:i]
}

// remove follows the commands of a script that take rules away: -D, -F, and the first
// half of -R. In a block it is not known whether they run.
func (d *dump) remove(chain, command string, w []string) {
	if !slices.Contains([]string{"-D", "--delete", "-R", "--replace", "-F", "--flush"}, command) {
		return
	}
	if len(d.within) > 0 {
		if command != "-F" && command != "--flush" {
			d.flaw(NotFollowed, command+" stands in a block, and is not followed")
		}
		return
	}
	for _, c := range d.filter().Chains {
		switch {
		case chain != "" && c.Name != chain:
		case command == "-F" || command == "--flush":
			c.Rules = nil
		default:
			if i := d.place(c, w); i >= 0 {
				c.Rules = slices.Delete(c.Rules, i, i+1)
			}
		}
	}
}

// place returns the index of the rule with that number or those words, -1 without one.
func (d *dump) place(c *machine.Chain, w []string) int {
	if len(w) > 0 {
		if n, err := strconv.Atoi(w[0]); err == nil && n <= len(c.Rules) {
			return n - 1
		}
	}
	named := maps.Clone(d.named) // a rule that goes makes no list
	r := d.rule(w)
	d.named = named
	return slices.IndexFunc(c.Rules, func(o *machine.Rule) bool {
		return o.Verdict == r.Verdict && o.Target == r.Target && reflect.DeepEqual(o.Parts, r.Parts) && reflect.DeepEqual(o.Redirect, r.Redirect)
	})
}
