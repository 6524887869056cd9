// Package refresh makes the rules of one hour out of those of another.
package refresh

import (
	"reflect"
	"slices"

	"rapport/knock/gate/memory"
	"rapport/knock/netfilter/machine"
)

// Rules returns a copy of the rules that shares nothing with them, with other ports: in
// the rules that remember sources or lead to such, and in sets of ports. With keep their
// own ports stay beside the others.
func Rules(rules *machine.Ruleset, others map[uint64]uint64, keep bool) *machine.Ruleset {
	r := refresher{others, keep}
	next := &machine.Ruleset{}
	remembers := memory.Chains(rules)
	for _, t := range rules.Tables {
		n := machine.NewTable(t.Name)
		n.V4, n.V6, n.Whole, n.Legacy, n.Rank = t.V4, t.V6, t.Whole, t.Legacy, t.Rank
		for name, s := range t.Sets {
			n.Sets[name] = &machine.Set{Name: s.Name, Timeout: s.Timeout, Size: s.Size, Elements: s.Elements, Items: r.items(s.Items), Rate: s.Rate, Count: s.Count}
		}
		for _, c := range t.Chains {
			chain := n.Chain(c.Name)
			chain.Hook, chain.NAT, chain.Priority, chain.Policy = c.Hook, c.NAT, c.Priority, c.Policy
			for _, rule := range c.Rules {
				o := copyOf(rule, nil)
				if memory.Leads(rule, remembers) && r.named(rule) {
					if chain.Rules = append(chain.Rules, copyOf(rule, r.part)); !keep {
						continue
					}
				}
				chain.Rules = append(chain.Rules, o)
			}
		}
		next.Tables = append(next.Tables, n)
	}
	next.Link()
	return next
}

type refresher struct {
	others map[uint64]uint64
	keep   bool // in sets
}

// named reports whether a rule names one of the ports.
func (r refresher) named(rule *machine.Rule) bool {
	return slices.ContainsFunc(rule.Ports(), func(p int) bool { return p > 0 && r.others[uint64(p)] != 0 })
}

// copyOf returns a copy of a rule that is not linked, its parts changed.
func copyOf(rule *machine.Rule, change func(machine.Part)) *machine.Rule {
	o := &machine.Rule{Line: rule.Line, Text: rule.Text, Count: rule.Count, Verdict: rule.Verdict, Target: rule.Target, Redirect: rule.Redirect}
	for _, p := range rule.Parts {
		if v := reflect.ValueOf(p); v.Kind() == reflect.Pointer {
			n := reflect.New(v.Type().Elem())
			n.Elem().Set(v.Elem())
			p, _ = n.Interface().(machine.Part)
		}
		if l, ok := p.(*machine.Lookup); ok {
			l.Items = slices.Clone(l.Items) // linking writes into them
		}
		if change != nil {
			change(p)
		}
		o.Parts = append(o.Parts, p)
	}
	return o
}

// part gives a part of a rule the other ports.
func (r refresher) part(p machine.Part) {
	switch p := p.(type) {
	case *machine.Compare:
		if p.Subject == machine.Port {
			p.In = r.ranges(p.In)
		}
	case *machine.Lookup:
		p.Items = refresher{r.others, false}.items(p.Items)
	}
}

// ranges exchanges the ports among ranges of a single value.
func (r refresher) ranges(in []machine.Range) (all []machine.Range) {
	for _, one := range in {
		if other, ok := r.others[one.From.Lo]; ok && one.From == one.To && one.From.Hi == 0 {
			one = machine.One(machine.Number(other))
		}
		all = append(all, one)
	}
	return all
}

// items exchanges the ports in what a set lists.
func (r refresher) items(items []machine.Item) (all []machine.Item) {
	for _, i := range items {
		n := i
		n.In = r.ranges(i.In)
		if all = append(all, n); r.keep && !slices.Equal(n.In, i.In) {
			all = append(all, i)
		}
	}
	return all
}
