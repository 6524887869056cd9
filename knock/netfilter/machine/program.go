package machine

import (
	"cmp"
	"slices"
	"time"
)

// program is a ruleset ready for machines.
type program struct {
	bases      [2][Postrouting + 1][]*Chain // of IPv4 and IPv6, by hook
	complete   [2]bool                      // the text shows all rules of the family
	lists      []*recentInfo
	listID     map[string]int
	sets       []*Set
	hashes     []*HashLimit // the first of each table
	hashID     map[string]int
	buckets    int
	connLimits int
	rules      int
	unmodelled bool // some rule has a match that is not modelled
}

// recentInfo is what all rules of a list of the recent match say of it.
type recentInfo struct {
	name    string
	masks   [2]*Value     // of the addresses of IPv4 and IPv6, nil before the first rule
	hits    int           // the highest hit count that a rule asks for
	stamps  int           // how many times an entry stores
	longest time.Duration // that a rule looks back; zero is without end
	endless bool
}

// masked returns the address by which the list knows another.
func (i *recentInfo) masked(a Value, v6 bool) Value {
	if mask := i.masks[index(v6)]; mask != nil {
		return a.And(*mask)
	}
	return a
}

// linker is a part that refers to something by its name.
type linker interface {
	link(p *program, t *Table)
}

// program links the rules on first use.
func (r *Ruleset) program() *program {
	if r.prog != nil {
		return r.prog
	}
	p := &program{listID: map[string]int{}, hashID: map[string]int{}}
	r.prog = p
	for _, t := range r.Tables {
		p.table(t)
	}
	nft := slices.ContainsFunc(r.Tables, (*Table).Native)
	for family := range p.bases {
		sees := func(t *Table) bool { return t.sees()[family] }
		partly := func(t *Table) bool { return sees(t) && !t.Whole }
		p.complete[family] = (nft || slices.ContainsFunc(r.Tables, sees)) && !slices.ContainsFunc(r.Tables, partly)
		for _, chains := range p.bases[family] {
			// Of equal priority the chain that was registered last comes first.
			slices.Reverse(chains)
			slices.SortStableFunc(chains, func(a, b *Chain) int {
				return cmp.Or(cmp.Compare(a.place(), b.place()), cmp.Compare(a.Priority, b.Priority), cmp.Compare(b.table.Rank, a.table.Rank))
			})
		}
	}
	for _, l := range p.lists {
		if l.endless {
			l.longest = 0
		}
	}
	return p
}

// table links the rules of a table.
func (p *program) table(t *Table) {
	for _, s := range t.Sets {
		s.id = len(p.sets)
		p.sets = append(p.sets, s)
		s.link(t)
	}
	for _, c := range t.Chains {
		for family, sees := range t.sees() {
			if sees && c.Hook != NoHook {
				p.bases[family][c.Hook] = append(p.bases[family][c.Hook], c)
			}
		}
		for _, rule := range c.Rules {
			rule.chain, rule.to, rule.id = c, t.chainOf[rule.Target], p.rules
			p.rules++
			if rule.reads = slices.IndexFunc(rule.Parts, changes); rule.reads < 0 {
				rule.reads = len(rule.Parts)
			}
			for _, part := range rule.Parts {
				if l, ok := part.(linker); ok {
					l.link(p, t)
				}
			}
		}
	}
}

// list returns the number of a list of the recent match, and creates it.
func (p *program) list(name string) int {
	id, ok := p.listID[name]
	if !ok {
		id = len(p.lists)
		p.listID[name] = id
		p.lists = append(p.lists, &recentInfo{name: name, stamps: 1})
	}
	return id
}

// hash returns the number of the table that a rule of the hashlimit match uses. The
// first rule makes the table, one for each family.
func (p *program) hash(h *HashLimit, t *Table) int {
	name := h.Table
	if t.V6 {
		name += " of IPv6"
	}
	id, ok := p.hashID[name]
	if !ok {
		id = len(p.hashes)
		p.hashID[name] = id
		p.hashes = append(p.hashes, h)
	}
	return id
}
