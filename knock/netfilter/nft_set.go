package netfilter

import (
	"cmp"
	"slices"
	"strconv"

	"rapport/knock/netfilter/machine"
)

// set reads a set or a map: its type, timeout, size and elements.
func (n *nftReader) set(name string) {
	s := &machine.Set{Name: n.list(name)}
	var fields []machine.Field
	var elements []string
	for n.more() {
		switch n.next() {
		case "}":
			s.Items, n.timed[s.Name], s.Elements = readElements(fields, elements)
			n.table.Sets[s.Name] = s
			return
		case "{":
			n.braces()
		case "type":
			fields = typeFields(n.skipTo("\n", ";", "}"))
		case "typeof":
			r := nftRule{wordReader: wordReader{w: n.skipTo("\n", ";", "}")}}
			fields, _ = r.fields()
		case "elements":
			if n.next() == "=" && n.took("{") {
				elements = n.braces()
			}
		case "timeout":
			s.Timeout = nftTime(n.next())
		case "size":
			s.Size, _ = strconv.Atoi(n.next())
		case "limit", "ct", "quota":
			n.i--
			n.elementStatement(s)
		}
	}
}

// elementStatement reads a statement of each element that rules make.
func (n *nftReader) elementStatement(s *machine.Set) {
	r := nftRule{wordReader{w: n.skipTo("\n", ";", "}")}, n, &machine.Rule{}}
	rate, known := machine.Rate{}, true
	switch r.next() {
	case "limit":
		rate, known = r.rate()
		s.Rate = &rate
	case "ct":
		s.Count = r.connCount()
	default:
		known = false
	}
	if !known {
		n.vague = append(n.vague, s.Name)
	}
}

// typeFields returns the fields of "ipv4_addr . inet_service : verdict".
func typeFields(words []string) (all []machine.Field) {
	subjects := map[string]machine.Subject{"inet_service": machine.Port, "inet_proto": machine.Protocol, "ifname": machine.InInterface, "iface_index": machine.InInterface,
		"ct_state": machine.ConnState, "mark": machine.Mark, "fib_addrtype": machine.SourceType}
	for _, w := range words {
		switch w {
		case ".":
		case ":":
			return all
		default:
			all = append(all, machine.Field{Subject: cmp.Or(subjects[w], machine.UnknownSubject)})
		}
	}
	return all
}

// readElements reads the elements of a set, or of braces in a rule, as they are listed,
// and what they match, those with a timeout apart: they may come and go.
func readElements(fields []machine.Field, words []string) (items, timed []machine.Item, listed []machine.Element) {
	var item machine.Item
	var e machine.Element
	fields = append(slices.Clip(fields), slices.Repeat([]machine.Field{{Subject: machine.UnknownSubject}}, machine.MaxFields)...)
	ok := true
	flush := func() {
		switch {
		case !ok || len(item.In) == 0:
		case e.Timeout != 0 || e.Expires != 0:
			timed = append(timed, item)
		default:
			items = append(items, item)
		}
		if e.Addr != "" {
			listed = append(listed, e)
		}
		item, e, ok = machine.Item{}, machine.Element{}, true
	}
	for i := 0; i < len(words); i++ {
		value := words[min(i+1, len(words)-1)]
		switch w := words[i]; {
		case w == "\n" || w == "." || w == "*" && len(item.In) > 0 || w == "counter":
		case w == ",":
			flush()
		case w == "timeout":
			e.Timeout = nftTime(value)
			i++
		case w == "expires":
			e.Expires = nftTime(value)
			i++
		case w == "comment" || w == "packets" || w == "bytes":
			i++
		case len(item.In) > 0 && (w == "limit" || w == "quota" || w == "ct" || w == "last"):
			for i+1 < len(words) && !slices.Contains([]string{",", ":", "timeout", "expires", "comment", "counter"}, words[i+1]) {
				i++
			}
		case w == ":":
			i = itemVerdict(&item, words, i+1) - 1
		case len(item.In) < machine.MaxFields:
			in, valid := valueOf(fields[len(item.In)].Subject, w)
			item.In, e.Addr = append(item.In, in), cmp.Or(e.Addr, w)
			ok = ok && valid
		}
	}
	flush()
	return items, timed, listed
}

// itemVerdict reads what an element of a map leads to, and returns the index behind it.
func itemVerdict(one *machine.Item, words []string, i int) int {
	for ; i < len(words) && words[i] != ","; i++ {
		switch w := words[i]; w {
		case "accept", "drop", "return":
			one.Verdict = machine.Verdict(w)
		case "continue":
			one.Verdict = machine.Next
		case "jump", "goto":
			one.Verdict = machine.Verdict(w)
			if i+1 < len(words) {
				i++
				one.Target = words[i]
			}
		}
	}
	return i
}
