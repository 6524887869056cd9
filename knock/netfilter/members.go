package netfilter

import (
	"slices"
	"strings"

	"rapport/knock/netfilter/machine"
)

// ipsets returns what the sets of addresses hold that ipset save prints, nil for those that rules
// change.
func ipsets(lines []string) map[string][]machine.Item {
	kinds, sets := []string{"hash:ip", "hash:net", "bitmap:ip"}, map[string][]machine.Item{}
	for _, line := range lines {
		if !strings.HasPrefix(line, "create ") && !strings.HasPrefix(line, "add ") && !strings.Contains(line, "-set ") {
			continue
		}
		w := append(strings.Fields(line), "", "", "")
		_, had := sets[w[1]]
		switch in, ok := valueOf(machine.SourceAddr, w[2]); {
		case w[0] == "create" && slices.Contains(kinds, w[2]) && !had:
			sets[w[1]] = []machine.Item{}
		case w[0] == "add" && sets[w[1]] != nil && ok && !slices.Contains(w, "nomatch"):
			sets[w[1]] = append(sets[w[1]], machine.Item{In: []machine.Range{in}})
		case w[0] == "add":
			sets[w[1]] = nil
		default:
			for i, option := range w {
				if option == "--add-set" || option == "--del-set" {
					sets[w[i+1]] = nil
				}
			}
		}
	}
	return sets
}

// settle lets elements with a timeout match in sets of nft that no rule changes: who bans
// addresses puts them there. Those of other sets come and go with packets.
func settle(rules *machine.Ruleset, timed map[string][]machine.Item) {
	for r := range rules.Rules {
		for _, p := range r.Parts {
			if u, ok := p.(*machine.SetUpdate); ok {
				delete(timed, u.Name)
			}
		}
	}
	for name, items := range timed {
		if s := rules.Set(name); s != nil {
			s.Items = append(s.Items, items...)
		}
	}
}
