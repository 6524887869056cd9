package netfilter

import (
	"net/netip"
	"slices"
	"strings"

	"rapport/knock/netfilter/machine"
)

// match reads a condition: fields, a relation, and values.
func (r *nftRule) match() {
	first := r.i
	fields, ok := r.fields()
	if r.took("set") { // changes the packet
		r.set(fields)
		return
	}
	masks := r.mask()
	relation := ""
	for _, w := range []string{"!=", "!", "<", ">", ">=", "<=", "==", "eq"} {
		if r.took(w) {
			relation = w
			break
		}
	}
	if !ok {
		r.values()
		r.unmodelledSince(first)
		return
	}
	for i := range fields {
		if masks != nil {
			fields[i].Mask = bitsOf(fields[i].Subject, masks)
		}
	}
	negate := strings.HasPrefix(relation, "!")
	switch {
	case r.took("vmap"):
		r.lookup(fields, negate, true)
	case r.peek() == "{" || strings.HasPrefix(r.peek(), "@"):
		r.lookup(fields, negate, false)
	case r.took("map"):
		r.values()
		r.unmodelledSince(first)
	case isInterface(fields[0].Subject) && len(fields) == 1:
		r.iface(fields[0], r.list(), negate)
	default:
		var in []machine.Range
		for _, v := range r.list() {
			one, ok := valueOf(fields[0].Subject, v)
			if !ok {
				r.unmodelledSince(first)
				return
			}
			in = append(in, one)
		}
		if len(in) > 0 {
			in[0] = related(relation, in[0])
			r.compare(fields[0], in, relation)
		}
	}
}

// unmodelledSince adds a match that is not known, with the words since the first. Packets
// of other protocols than the first word do not match.
func (r *nftRule) unmodelledSince(first int) {
	if proto, ok := protoNames[r.w[first]]; ok {
		r.add(&machine.Compare{Field: machine.Field{Subject: machine.Protocol}, In: []machine.Range{machine.One(machine.Number(proto))}})
	}
	text := ""
	for _, w := range r.w[first:r.i] {
		if text += " " + w; strings.HasPrefix(w, `"`) { // words come without their end
			text += `"`
		}
	}
	r.unmodelled(text[1:])
}

// related returns the values that have the relation to those of r.
func related(relation string, r machine.Range) machine.Range {
	switch relation {
	case "<":
		r.From.Lo--
		return machine.AtMost(r.From)
	case "<=":
		return machine.AtMost(r.To)
	case ">":
		r.To.Lo++
		return machine.AtLeast(r.To)
	case ">=":
		return machine.AtLeast(r.From)
	}
	return r
}

// compare adds the match of one field. The values of flags are bits unless they
// are compared with "==" or under a mask.
func (r *nftRule) compare(f machine.Field, in []machine.Range, relation string) {
	c := &machine.Compare{Field: f, In: in, Negate: strings.HasPrefix(relation, "!")}
	switch f.Subject {
	case machine.TCPFlags, machine.ConnState, machine.ConnStatus:
		all := machine.Value{}
		for _, i := range in {
			all = all.Or(i.From)
		}
		c.In = []machine.Range{machine.One(all)}
		if r.took("/") {
			c.Mask = bitsOf(f.Subject, r.list())
		} else {
			c.Bits = f.Mask == nil && relation != "==" && relation != "eq" && !(relation == "!=" && f.Subject == machine.TCPFlags)
		}
	}
	r.add(c)
}

// mask reads the words of "& 0xff" and "and (fin | syn)".
func (r *nftRule) mask() []string {
	if !r.took("&", "and") {
		return nil
	}
	if !r.took("(") {
		return r.list()
	}
	var all []string
	for r.more() && !r.took(")") {
		all = append(all, parts(r.next())...)
	}
	return all
}

// parts splits a word at commas and bars.
func parts(word string) []string {
	return strings.FieldsFunc(word, func(c rune) bool { return c == ',' || c == '|' })
}

// bitsOf returns a mask of all bits of the values.
func bitsOf(s machine.Subject, words []string) *machine.Value {
	var v machine.Value
	if len(words) == 1 && (s == machine.SourceAddr || s == machine.DestAddr) {
		if a, err := netip.ParseAddr(words[0]); err == nil {
			v = machine.AddrMask(a)
			return &v
		}
	}
	for _, w := range words {
		if in, ok := valueOf(s, w); ok {
			v = v.Or(in.From)
		}
	}
	return &v
}

// list reads values that commas or bars separate.
func (r *nftRule) list() (all []string) {
	for r.more() {
		w := r.next()
		if w == "(" || w == ")" {
			continue
		}
		all = append(all, parts(w)...)
		if !r.took(",", "|") && r.peek() != ")" && !strings.HasSuffix(w, "|") {
			break
		}
	}
	return all
}

// values skips what a match compares with.
func (r *nftRule) values() {
	r.took("vmap", "map")
	if r.took("{") {
		r.braces()
		return
	}
	first := r.i
	r.skipToStatement()
	for i := first + 1; i < r.i; i++ { // the first word is a value
		_, begins := nftFields[strings.Join(r.w[i:min(i+2, len(r.w))], " ")]
		if begins || r.w[i] == "meta" || strings.HasPrefix(r.w[i], "iif") || strings.HasPrefix(r.w[i], "oif") {
			r.i = i
		}
	}
}

// lookup adds the match of a set, or of a map of verdicts.
func (r *nftRule) lookup(fields []machine.Field, negate, vmap bool) {
	l := &machine.Lookup{Fields: fields, Negate: negate, VMap: vmap}
	if name, ok := strings.CutPrefix(r.next(), "@"); ok {
		l.Name = r.n.list(name)
		if r.add(l); slices.Contains(r.n.vague, l.Name) {
			r.unmodelled("a statement of " + l.Name)
		}
		return
	}
	words := r.braces()
	if !vmap && len(fields) == 1 && isInterface(fields[0].Subject) {
		r.iface(fields[0], words, negate)
		return
	}
	l.Items, _, _ = readElements(fields, words)
	r.add(l)
}

// iface adds the match of names of interfaces.
func (r *nftRule) iface(f machine.Field, words []string, negate bool) {
	m := &machine.IfaceMatch{Out: f.Subject == machine.OutInterface, Negate: negate}
	for _, w := range words {
		if w != "," && w != "\n" {
			m.Names = append(m.Names, strings.TrimPrefix(w, `"`))
		}
	}
	r.add(m)
}

func isInterface(s machine.Subject) bool {
	return s == machine.InInterface || s == machine.OutInterface
}

// skipToStatement reads the words before the next verdict or statement.
func (r *nftRule) skipToStatement() []string {
	return r.skipTo(slices.Concat(verdicts, statements)...)
}
