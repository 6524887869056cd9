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
			s.Elements, s.Items = listElements(elements), readItems(fields, elements)
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
		}
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

// listElements reads the elements of a set of addresses as they are listed.
func listElements(words []string) (all []machine.Element) {
	var e machine.Element
	for i, w := range words {
		value := ""
		if i+1 < len(words) {
			value = words[i+1]
		}
		switch w {
		case "\n":
		case ",":
			if e.Addr != "" {
				all = append(all, e)
			}
			e = machine.Element{}
		case "timeout":
			e.Timeout = nftTime(value)
		case "expires":
			e.Expires = nftTime(value)
		default:
			if e.Addr == "" {
				e.Addr = w
			}
		}
	}
	if e.Addr != "" {
		all = append(all, e)
	}
	return all
}

// readItems reads what the elements of a set, or of braces in a rule, match. Those
// with a timeout are left out: they come and go.
func readItems(fields []machine.Field, words []string) (all []machine.Item) {
	var one machine.Item
	ok, timed := true, false
	flush := func() {
		if ok && !timed && len(one.In) > 0 {
			all = append(all, one)
		}
		one, ok, timed = machine.Item{}, true, false
	}
	for i := 0; i < len(words); i++ {
		switch w := words[i]; {
		case w == "\n" || w == "." || w == "*" && len(one.In) > 0 || w == "counter":
		case w == ",":
			flush()
		case w == "timeout" || w == "expires":
			timed = true
			i++
		case w == "comment" || w == "packets" || w == "bytes":
			i++
		case len(one.In) > 0 && (w == "limit" || w == "quota" || w == "ct" || w == "last"):
			for i+1 < len(words) && !slices.Contains([]string{",", ":", "timeout", "expires", "comment", "counter"}, words[i+1]) {
				i++
			}
		case w == ":":
			i = itemVerdict(&one, words, i+1) - 1
		case len(one.In) < machine.MaxFields:
			f := machine.Field{Subject: machine.UnknownSubject}
			if len(one.In) < len(fields) {
				f = fields[len(one.In)]
			}
			in, valid := valueOf(f.Subject, w)
			one.In = append(one.In, in)
			ok = ok && valid
		}
	}
	flush()
	return all
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
