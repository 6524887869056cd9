package gate

import (
	"strconv"
	"strings"

	"rapport/knock"
)

// Count is how many packets a rule has met. The zero Count is not known: a rule
// of nft counts only where it says so.
type Count struct {
	Known   bool
	Packets uint64
}

func count(digits string) Count {
	n, err := strconv.ParseUint(digits, 10, 64)
	return Count{err == nil, n}
}

// counted reads the [packets:bytes] that iptables-save -c has before a rule.
func counted(word string) Count {
	packets, _, ok := strings.Cut(strings.TrimPrefix(word, "["), ":")
	if !ok || !strings.HasPrefix(word, "[") {
		return Count{}
	}
	return count(packets)
}

// since returns how many packets came after an earlier count; none where either
// is not known or the rule is a new one.
func (c Count) since(earlier Count) uint64 {
	if !c.Known || !earlier.Known || c.Packets < earlier.Packets {
		return 0
	}
	return c.Packets - earlier.Packets
}

// plus is the sum, known where both are.
func (c Count) plus(d Count) Count {
	return Count{c.Known && d.Known, c.Packets + d.Packets}
}

// passed counts the connections that the gate's door let through.
func (f Found) passed(g Gate) Count {
	if g.door < 0 {
		return Count{}
	}
	s := f.ways[g.Family].steps[g.door]
	if s.verdict == drops { // the door is a rule against all others
		return Count{}
	}
	return s.count
}

// dropped counts the attempts to connect that came to the SSH port without
// being let through. That takes a rule for this port alone: others count other
// packets as well.
func (f Found) dropped(g Gate) Count {
	w := f.ways[g.Family]
	end := w.fate(packet{g.SSHPort, isNew}, -1)
	if g.SSHPort == 0 || end.verdict != drops || end.step < 0 || w.steps[end.step].port() != g.SSHPort {
		return Count{}
	}
	return w.steps[end.step].count
}

// phaseLists returns the lists that hold the addresses in each phase. A knock
// may lead to several at once: the article's fifth does.
func (f Found) phaseLists(g Gate) (all [][]string, table string) {
	w := f.ways[g.Family]
	edges := w.edges()
	for _, e := range g.edges {
		table = w.steps[e.step].table
		lists := []string{e.to}
		for _, o := range edges {
			if o.from == e.from && o.port == e.port && !o.byDest && !contains(all, o.to) && !contains([][]string{lists}, o.to) {
				lists = append(lists, o.to)
			}
		}
		all = append(all, lists)
	}
	if len(all) > knock.Knocks {
		all = all[:knock.Knocks]
	}
	return all, table
}

// throughLists returns the lists on which the door notes whom it lets through.
func (f Found) throughLists(g Gate) (lists []string) {
	if g.door < 0 {
		return nil
	}
	phases, _ := f.phaseLists(g)
	for _, n := range f.ways[g.Family].steps[g.door].sets {
		if n.stay > 0 && !contains(phases, n.list) {
			lists = append(lists, n.list)
		}
	}
	return lists
}

// guardsLocal reports whether the door lets packets in to this machine itself.
func (f Found) guardsLocal(g Gate) bool {
	if g.door < 0 || g.SSHPort == 0 {
		return false
	}
	w := f.ways[g.Family]
	s := w.steps[g.door]
	return s.verdict != dnats && w.bases[s.base].hook == input
}

func contains(all [][]string, list string) bool {
	for _, lists := range all {
		for _, l := range lists {
			if l == list {
				return true
			}
		}
	}
	return false
}
