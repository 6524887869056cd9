package rules

import (
	"container/list"
	"slices"
	"strings"

	"rapport/knock/gate/trace"
	"rapport/knock/netfilter/machine"
)

// matrix is a trace as a table: a row for each rule that a packet met, a column for
// each packet, the last one for the SYN to SSH.
type matrix struct {
	trace.Trace
	rows []*ruleRow
}

// ruleRow is a rule, and what it did to each packet: nil where it did not meet it.
type ruleRow struct {
	trace.Hit
	hits   []*trace.Hit
	unsure bool // a match of it is not modelled, and a verdict depends on it
}

// newMatrix orders the rules as the packets met them: a rule that no packet before met
// stands behind the one that its packet met before it.
func newMatrix(t trace.Trace) matrix {
	type place struct {
		table, chain string
		rule         int
	}
	order, rows := list.New(), map[place]*list.Element{}
	for k, p := range t.Packets {
		before := order.PushFront(&ruleRow{}) // where a new first rule goes
		start := before
		for i := range p.Hits {
			hit := &p.Hits[i]
			where := place{hit.Table, hit.Chain, hit.Rule}
			if rows[where] == nil {
				row := &ruleRow{Hit: *hit, hits: make([]*trace.Hit, len(t.Packets)), unsure: unsure(t, *hit)}
				rows[where] = order.InsertAfter(row, before)
			}
			before = rows[where]
			// A packet may meet a rule twice. The hit that matched counts.
			if hits := before.Value.(*ruleRow).hits; hits[k] == nil || hit.Outcome == machine.Yes.String() {
				hits[k] = hit
			}
		}
		order.Remove(start)
	}
	m := matrix{Trace: t}
	for e := order.Front(); e != nil; e = e.Next() {
		m.rows = append(m.rows, e.Value.(*ruleRow))
	}
	return m
}

// unsure reports whether a verdict depends on a match of a rule that is not modelled.
func unsure(t trace.Trace, r trace.Hit) bool {
	return slices.ContainsFunc(t.Unmodelled, func(u trace.Unmodelled) bool { return u.Line == r.Line && u.Text == r.Text })
}

// unsure reports whether the phase of a packet is.
func (m matrix) unsure() bool {
	return slices.ContainsFunc(m.Packets, func(p trace.Played) bool { return p.PhaseUnsure })
}

// conclusion says whether the handshake opens SSH.
func (m matrix) conclusion() string {
	switch {
	case m.Opened:
		return "SSH opens"
	case m.Opens() == machine.Unknown:
		return "not known"
	case m.Unanswered():
		return "SSH's answer is dropped"
	}
	return "SSH stays shut"
}

// short is the rule in few words: without what the others imply.
func (r *ruleRow) short() string {
	if r.Rule == 0 {
		return r.Text + " of " + r.Chain
	}
	implied := strings.NewReplacer(" -m tcp ", " ", " -m udp ", " ", " -m recent ", " ", " -m state ", " ",
		" -m conntrack ", " ", " --mask 255.255.255.255", "", " --rsource", "")
	return implied.Replace(strings.TrimPrefix(r.Text, "-A "))
}
