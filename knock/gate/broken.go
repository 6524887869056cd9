package gate

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"rapport/knock/gate/memory"
	"rapport/knock/netfilter/machine"
)

// maxLists bounds the lists that a client is put on to find the phases of a gate
// that no knocks lead through.
const maxLists = 24

// move is a knock that gets a client from one list to another.
type move struct {
	from, to string // from is empty for a client that is on no list
	knock    knockAt
	window   time.Duration // after the knock before it
	rule     *machine.Rule
}

// broken describes a gate whose phases do not follow from each other: it puts the
// client on each list in turn, and sees where its knocks lead. It fails for rules
// that hold no phases.
func (c *client) broken(knocks []knockAt) (g Gate, ok bool) {
	lists := memory.Lists(c.rules)
	if len(lists) > maxLists {
		lists = lists[:maxLists]
	}
	moves := c.moves(append([]string{""}, lists...), knocks)
	following := 0
	var knocked []knockAt
	for _, m := range moves {
		if m.from != "" {
			following++
		}
		if !slices.Contains(knocked, m.knock) {
			knocked = append(knocked, m.knock)
		}
	}
	if len(moves) < minKnocks || following < minKnocks-1 || len(knocked) < minKnocks {
		return g, false
	}
	c.work = nil
	g = Gate{Family: c.family, client: c, rules: c.rules, apart: firstBreak(moves)}
	for i, m := range moves {
		g.knocks = append(g.knocks, m.knock)
		g.steps = append(g.steps, Step{Rule: m.rule, Lists: []string{m.to}, List: m.to})
		g.Lists = append(g.Lists, machine.ShortName(m.to))
		if i > 0 {
			g.Windows = append(g.Windows, m.window)
		}
	}
	g.Ports = ports(g.knocks)
	if r := moves[0].rule; r != nil {
		g.Chain = r.Chain().Name
	}
	before := c.connect(c.machine(), sshPort)
	for _, list := range lists {
		m := c.machine()
		m.Put(list, c.src)
		if a := c.connect(m, sshPort); opensNow(before, a) {
			g.SSHPort, g.AcceptPorts, g.accept, g.Accept = sshPort, []int{sshPort}, a, Fixed
		}
	}
	return g, true
}

// moves returns the first knock that leads to each list, in the order of the rules.
func (c *client) moves(lists []string, knocks []knockAt) (all []move) {
	free := map[string]bool{} // lists that a client on no list gets on
	for _, from := range lists {
		for _, k := range knocks {
			if c.exhausted() {
				break
			}
			m := c.machine()
			m.Put(from, c.src)
			m.Tracing = true
			r := c.send(m, k)
			window, rule := within(r.Trace, from), portRule(r.Trace)
			for _, h := range r.Trace {
				for _, change := range h.Changes {
					if change.Verb == "remove" || change.List == from || free[change.List] && from != "" || byDest(h.Rule, change.List) {
						continue
					}
					free[change.List] = free[change.List] || from == ""
					all = append(all, move{from, change.List, k, window, rule})
				}
			}
		}
	}
	slices.SortStableFunc(all, func(a, b move) int { return cmp.Compare(lineOf(a.rule), lineOf(b.rule)) })
	var first []move
	for _, m := range all {
		if !slices.ContainsFunc(first, func(o move) bool { return o.to == m.to || o.knock == m.knock && o.from == m.from }) {
			first = append(first, m)
		}
	}
	if len(first) > 0 && first[0].from != "" && first[len(first)-1].from == "" {
		slices.Reverse(first) // the rules start with the last phase
	}
	return first
}

func lineOf(r *machine.Rule) int {
	if r == nil {
		return 0
	}
	return r.Line
}

// portRule returns the last rule that looked at the port and matched, or else the first
// that recorded the source.
func portRule(trace []machine.Hit) (last *machine.Rule) {
	for _, h := range trace {
		if h.Outcome == machine.Yes && h.Rule != nil && (h.Rule.Reads(machine.Port) || last == nil && len(h.Changes) > 0) {
			last = h.Rule
		}
	}
	return last
}

// within returns how long the rules that matched let an entry of the list count.
func within(trace []machine.Hit, list string) time.Duration {
	for _, h := range trace {
		if h.Rule == nil || h.Outcome != machine.Yes {
			continue
		}
		for _, check := range h.Rule.Checks() {
			if check.List == list {
				return check.Within
			}
		}
	}
	return 0
}

// firstBreak says which phase does not follow the one before it.
func firstBreak(moves []move) string {
	for i, m := range moves {
		want := ""
		if i > 0 {
			want = moves[i-1].to
		}
		switch {
		case m.from == want:
		case m.from == "":
			return fmt.Sprintf("the rule for phase %d checks no list", i+1)
		default:
			return fmt.Sprintf("the rule for phase %d checks the list %s", i+1, machine.ShortName(m.from))
		}
	}
	return "the accept rule checks another list than the last phase fills"
}
