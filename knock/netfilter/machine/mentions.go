package machine

import (
	"net/netip"
	"slices"
	"time"
)

// What rules mention: whoever asks a machine has to know what to ask.

const (
	// maxFewPorts bounds the range whose ports are listed one by one.
	maxFewPorts = 64
	// maxAllPorts bounds the ports that a rule lists.
	maxAllPorts = maxFewPorts * maxFewPorts
)

// Ports returns the destination ports that the rule names, in ranges of up to 64.
func (r *Rule) Ports() (all []int) {
	for _, p := range r.Parts {
		switch p := p.(type) {
		case *Compare:
			if p.Subject == Port && !p.Negate {
				all = append(all, few(p.In)...)
			}
		case *Lookup:
			for i := range p.Fields {
				if p.Fields[i].Subject != Port || p.set == nil || p.Negate {
					continue
				}
				for _, one := range p.set.Items {
					if i < len(one.In) {
						all = append(all, few(one.In[i:i+1])...)
					}
				}
			}
		}
	}
	return all
}

func few(in []Range) (all []int) {
	for _, r := range in {
		n := r.To.Lo - r.From.Lo
		if n > maxFewPorts || r.To.Hi != 0 || len(all) > maxAllPorts {
			continue
		}
		for i := range n + 1 {
			all = append(all, int(r.From.Lo+i))
		}
	}
	return all
}

// Reads reports whether the rule has a condition on the subject.
func (r *Rule) Reads(s Subject) bool {
	is := func(f Field) bool { return f.Subject == s }
	return slices.ContainsFunc(r.Parts, func(p Part) bool {
		switch p := p.(type) {
		case *Compare:
			return is(p.Field)
		case *Lookup:
			return slices.ContainsFunc(p.Fields, is)
		}
		return false
	})
}

// Check is a condition of a rule on a list or a set.
type Check struct {
	List    string
	Negated bool
	ByDest  bool // on the destination
	Mode    Mode // ModeCheck for a set of nft
	Within  time.Duration
	Hits    int
}

// Checks returns the conditions on lists and on sets that rules change.
func (r *Rule) Checks() (all []Check) {
	for _, p := range r.Parts {
		switch p := p.(type) {
		case *Recent:
			if p.Mode != ModeSet {
				all = append(all, Check{p.List, p.Negate, p.ByDest, p.Mode, p.Within, p.Hits})
			}
		case *Lookup:
			if p.dynamic() {
				all = append(all, Check{p.Name, p.Negate, p.Fields[0].Subject == DestAddr, ModeCheck, p.set.Timeout, 0})
			}
		case *MemberMatch:
			all = append(all, Check{List: memberList(p.Set), Negated: p.Negate, Mode: ModeCheck})
		}
	}
	return all
}

// Update is what a rule adds to a list or set, or removes from it.
type Update struct {
	List    string
	ByDest  bool
	Remove  bool
	Timeout time.Duration // zero stays until something removes it
	Over    *Rate         // adds only above this rate
}

// Updates returns what the rule changes in lists and sets.
func (r *Rule) Updates() (all []Update) {
	var over *Rate
	for _, p := range r.Parts {
		switch p := p.(type) {
		case *Limit:
			over = p.Rate.ifOver(over)
		case *HashLimit:
			over = p.Rate.ifOver(over)
		case *Recent:
			if p.Mode != ModeCheck {
				all = append(all, Update{List: p.List, ByDest: p.ByDest, Remove: p.Mode == ModeRemove, Over: over})
			}
		case *SetUpdate:
			over = p.Rate.ifOver(over)
			all = append(all, Update{List: p.Name, ByDest: p.Fields[0].Subject == DestAddr, Remove: p.Verb == "delete", Timeout: p.stay(), Over: over})
		case *MemberUpdate:
			all = append(all, Update{List: memberList(p.Set), Remove: p.Remove})
		}
	}
	return all
}

// ifOver returns the rate if rules match above it, and else the other one.
func (r *Rate) ifOver(other *Rate) *Rate {
	if r != nil && r.Over {
		return r
	}
	return other
}

// Remembers reports whether the rule reads or changes what the firewall remembers of
// a source, or reads or sets marks.
func (r *Rule) Remembers() bool {
	return slices.ContainsFunc(r.Parts, func(p Part) bool {
		switch p := p.(type) {
		case *Recent, *SetUpdate, *MemberUpdate, *SetMark:
			return true
		case *Compare:
			return p.Subject == Mark || p.Subject == ConnMark
		case *Lookup:
			return p.dynamic()
		}
		return false
	})
}

// sources returns the ranges that a part compares the source with.
func sources(p Part) (in []Range, negated bool) {
	if c, ok := p.(*Compare); ok && c.Subject == SourceAddr {
		return c.In, c.Negate
	}
	return nil, false
}

// Sources returns the first address of each prefix that the source must be in for the
// rule to match, or, negated, must not be in.
func (r *Rule) Sources(negated bool) (all []netip.Addr) {
	for _, p := range r.Parts {
		if in, not := sources(p); not == negated {
			for _, one := range in {
				all = append(all, one.From.Addr())
			}
		}
	}
	return all
}

// Interfaces returns the incoming interfaces by which a packet must come for the rule
// to match, or, negated, must not come.
func (r *Rule) Interfaces(negated bool) (all []string) {
	for _, p := range r.Parts {
		if i, ok := p.(*IfaceMatch); ok && !i.Out && i.Negate == negated {
			all = append(all, i.Names...)
		}
	}
	return all
}

// UDP reports whether the rule names UDP.
func (r *Rule) UDP() bool {
	return slices.ContainsFunc(r.Parts, func(p Part) bool {
		c, ok := p.(*Compare)
		return ok && (c.Need == UDP || c.Subject == Protocol && len(c.In) == 1 && c.has(Number(UDP)))
	})
}

// Targets returns the chains that the rule may lead to: its own and those of its
// verdict maps.
func (r *Rule) Targets() (all []*Chain) {
	if r.to != nil {
		all = append(all, r.to)
	}
	for _, p := range r.Parts {
		if l, ok := p.(*Lookup); ok && l.VMap && l.set != nil {
			for i := range l.set.Items {
				if to := l.set.Items[i].to; to != nil && !slices.Contains(all, to) {
					all = append(all, to)
				}
			}
		}
	}
	return all
}

// Link makes the rules ready to be asked, also without a machine.
func (r *Ruleset) Link() { r.program() }

// Size returns how many rules there are.
func (r *Ruleset) Size() int { return r.program().rules }

// Rules yields all rules, in the order of the text.
func (r *Ruleset) Rules(yield func(*Rule) bool) {
	for _, t := range r.Tables {
		for _, c := range t.Chains {
			for _, rule := range c.Rules {
				if !yield(rule) {
					return
				}
			}
		}
	}
}

// Names reports whether a rule or a set names the address, or a prefix that holds it
// and is not wide.
func (r *Ruleset) Names(a netip.Addr) bool {
	v := AddrValue(a)
	narrow := func(in Range) bool {
		return in.has(v) && (in.To.Hi-in.From.Hi) < 1<<40 && !(a.Is4() && in.To.Lo-in.From.Lo >= 1<<28)
	}
	for _, t := range r.Tables {
		for _, s := range t.Sets {
			if slices.ContainsFunc(s.Items, func(i Item) bool { return narrow(i.In[0]) }) {
				return true
			}
		}
	}
	for rule := range r.Rules {
		for _, p := range rule.Parts {
			if in, _ := sources(p); slices.ContainsFunc(in, narrow) {
				return true
			}
		}
	}
	return false
}

// Shown reports whether the text shows the family's rules, even if there are none.
// What nft list ruleset does not show is not there.
func (r *Ruleset) Shown(v6 bool) bool {
	return slices.ContainsFunc(r.Tables, func(t *Table) bool { return t.Native() || t.sees()[index(v6)] })
}

// Partial reports whether the text shows chains of a family without what calls them:
// packets to this machine meet no rule, and some rules are missing.
func (r *Ruleset) Partial(v6 bool) bool {
	p := r.program()
	hooks := p.bases[index(v6)]
	met := func(c *Chain) bool { return len(c.Rules) > 0 }
	return !p.complete[index(v6)] && !slices.ContainsFunc(hooks[Prerouting], met) && !slices.ContainsFunc(hooks[Input], met)
}

// Set returns a set of nft by its name with the table's in front, nil without one.
func (r *Ruleset) Set(name string) *Set {
	for _, t := range r.Tables {
		if s := t.Sets[name]; s != nil {
			return s
		}
	}
	return nil
}

// Unmodelled returns the conditions of the rule that depend on more than the machine
// knows of a packet.
func (r *Rule) Unmodelled() (all []string) {
	for _, p := range r.Parts {
		switch p := p.(type) {
		case Unmodelled:
			all = append(all, p.Text)
		case *Compare:
			if p.Subject == ICMPType || p.Subject == Protocol && !p.Negate && (p.has(Number(ICMP)) || p.has(Number(ICMPv6))) {
				all = append(all, "an ICMP type")
			}
		}
	}
	return all
}
