package netfilter

import (
	"slices"
	"strings"
)

// shell follows what a line of a script does besides calling iptables: it records
// loops and variables whose values are plain, and returns the words with these values.
func (d *dump) shell(raw []string) (words []string) {
	if d.current != nil && d.current.Whole || len(raw) == 0 {
		return raw
	}
	for _, w := range raw {
		words = append(words, d.expand(w))
	}
	if d.ended { // by the line before
		d.loops, d.ended = d.loops[:max(0, len(d.loops)-1)], false
	}
	d.ended = slices.Contains(words, "done")
	d.assign(words)
	return words
}

// assign records the variables that a line sets, and the loop that it begins.
func (d *dump) assign(words []string) {
	switch words[0] {
	case "for", "while", "until":
		d.loops = append(d.loops, words[0])
		delete(d.vars, words[min(1, len(words)-1)])
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
	if len(d.loops) > 0 {
		d.flaw(NotFollowed, "the rule is in a "+d.loops[len(d.loops)-1]+" loop, and is read once")
		return
	}
	for i, w := range words { // the words of a call, from its command on
		if strings.ContainsAny(w, "$`") && !slices.Contains([]string{"--dport", "--dports"}, words[i-min(i, 1)]) {
			d.flaw(NotFollowed, "the value of "+raw[i]+" is not known")
			return
		}
	}
}
