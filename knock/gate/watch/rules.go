package watch

import (
	"fmt"
	"reflect"

	"rapport/knock/gate"
	"rapport/knock/netfilter"
	"rapport/knock/netfilter/machine"
)

// known are the rules that were read last, and the gates that a search found in
// them. A search takes far longer than reading a text, so it is repeated only when
// more has changed than what packets change.
type known struct {
	found       gate.Findings
	key, listed string           // see keysOf
	rules       *machine.Ruleset // without what packets change; nil was not read
}

// read reads rules. It reports whether they differ from those before; if not, it
// only updates their counters and elements.
func (k *known) read(text []byte) (changed bool, err error) {
	now, err := netfilter.Parse(text)
	if err != nil {
		*k = known{}
		return true, err
	}
	counts, elements := cutChanging(now)
	if !reflect.DeepEqual(now, k.rules) {
		*k = known{rules: now}
		k.found, err = gate.Find(text)
		k.key, k.listed = keysOf(k.found)
		return true, err
	}
	for _, g := range k.found.Gates[:min(1, len(k.found.Gates))] { // they share the rules
		for r := range g.Rules().Rules {
			r.Count, counts = counts[0], counts[1:]
		}
		for _, t := range g.Rules().Tables {
			for name, set := range t.Sets {
				set.Elements = elements[name]
			}
		}
	}
	return false, nil
}

// cutChanging removes what packets change from rules that no search has seen, and
// where rules stand in the text, which depends on it. It returns the counters, in
// the order of the rules, and the elements of the sets.
func cutChanging(rules *machine.Ruleset) (counts []machine.Count, elements map[string][]machine.Element) {
	for r := range rules.Rules {
		counts = append(counts, r.Count)
		r.Count, r.Line, r.Text = machine.Count{}, 0, ""
	}
	elements = map[string][]machine.Element{}
	for _, t := range rules.Tables {
		for name, set := range t.Sets {
			elements[name], set.Elements = set.Elements, nil
		}
	}
	return counts, elements
}

// keysOf returns a key for the gates, and one for their lists and what these lead to.
// Both leave out the ports and a replay guard's lists, which change with the hour.
func keysOf(f gate.Findings) (key, listed string) {
	for _, g := range f.Gates {
		_, table := phaseLists(g)
		lists := fmt.Sprintln(f.Kind, g.Family, table, g.Lists, g.SSHPort, g.AcceptPorts)
		key += fmt.Sprintln(lists, g.Windows, g.Accept)
		listed += lists
	}
	return key, listed
}

// count returns how many packets the rules counted. It is unknown if one of them is
// missing, as where no rule accepts and another drops all other packets.
func count(rules []*machine.Rule) machine.Count {
	all := machine.Count{Known: true}
	for _, r := range rules {
		if r == nil {
			return machine.Count{}
		}
		all = all.Plus(r.Count)
	}
	return all
}
