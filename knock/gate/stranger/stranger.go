// Package stranger finds out from rules who may get in without a knock: for each rule
// that lets packets through or leads them on, the connection that it asks for.
package stranger

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"rapport/knock/netfilter/machine"
)

// Stranger is somebody who connects without a knock. Zero fields are those of anybody.
type Stranger struct {
	Source     netip.Addr
	SourcePort int
	Dest       netip.Addr // an address of the machine
	Port       int
	Interface  string
}

// Limited reports whether the rules choose who it is: not anybody can be it.
func (s Stranger) Limited() bool { return s.Source.IsValid() || s.Interface != "" }

// String says how it connects, empty for anybody.
func (s Stranger) String() string {
	var words []string
	add := func(is bool, text string) {
		if is {
			words = append(words, text)
		}
	}
	add(s.Source.IsValid(), "from "+s.Source.String())
	add(s.SourcePort != 0, fmt.Sprintf("from source port %d", s.SourcePort))
	add(s.Dest.IsValid(), "to "+s.Dest.String())
	add(s.Port != 0, fmt.Sprintf("at port %d, which is redirected", s.Port))
	add(s.Interface != "", "by "+s.Interface)
	return strings.Join(words, " ")
}

// maxStrangers bounds those that are tried, and maxItems what a rule lists.
const maxStrangers, maxItems = 64, 16

// All returns those that rules name, anybody first. Those with a Port connect to one
// that a rule redirects.
func All(rules *machine.Ruleset, v6 bool) (all []Stranger) {
	rules.Link()
	all = append(all, Stranger{})
	for r := range rules.Rules {
		for _, s := range named(rules, r, v6) {
			if len(all) < maxStrangers && !slices.Contains(all, s) {
				all = append(all, s)
			}
		}
	}
	return all
}

// named returns those that a rule asks for, or, if it drops, those that it spares.
func named(rules *machine.Ruleset, r *machine.Rule, v6 bool) []Stranger {
	drops := r.Verdict == machine.Drop || r.Verdict == machine.Reject
	all := []Stranger{{}}
	each := func(n int, change func(s *Stranger, i int)) {
		var next []Stranger
		for _, s := range all {
			for i := range min(n, maxItems) {
				o := s
				change(&o, i)
				next = append(next, o)
			}
		}
		if len(next) > 0 {
			all = next[:min(len(next), maxStrangers)]
		}
	}
	for _, p := range r.Parts {
		switch p := p.(type) {
		case *machine.Compare:
			if p.Negate == drops && !p.Bits {
				each(len(p.In), func(s *Stranger, i int) { s.set(p.Subject, p.In[i], v6, r.Redirect != nil) })
			}
		case *machine.Lookup:
			items := p.Items
			if set := rules.Set(p.Name); set != nil {
				items = set.Items
			}
			if p.Negate == drops {
				each(len(items), func(s *Stranger, i int) {
					for f := range min(len(p.Fields), len(items[i].In)) {
						s.set(p.Fields[f].Subject, items[i].In[f], v6, r.Redirect != nil)
					}
				})
			}
		case *machine.EitherPort:
			if p.Negate == drops {
				each(len(p.In), func(s *Stranger, i int) { s.set(machine.SourcePort, p.In[i], v6, false) })
			}
		case *machine.IfaceMatch:
			if p.Negate == drops && !p.Out {
				each(len(p.Names), func(s *Stranger, i int) {
					if name := strings.TrimRight(p.Names[i], "+*"); name != "lo" {
						s.Interface = name
					}
				})
			}
		}
	}
	return all
}

// set gives the stranger the first value of a range.
func (s *Stranger) set(subject machine.Subject, in machine.Range, v6, redirects bool) {
	a := in.From.Addr()
	isAddr := a.Is6() == v6 && !a.IsUnspecified() && !a.IsLoopback()
	switch {
	case subject == machine.SourceAddr && isAddr:
		s.Source = a
	case subject == machine.DestAddr && isAddr && !a.IsMulticast() && !(a.Is4() && a.As4()[3] == 255):
		s.Dest = a
	case subject == machine.SourcePort:
		s.SourcePort = cmp.Or(int(in.From.Lo), 1)
	case subject == machine.Port && redirects:
		s.Port = cmp.Or(int(in.From.Lo), 1)
	}
}

// Ping is a packet that puts its source on a list, but is no SYN.
type Ping struct {
	Proto machine.Proto
	Port  int // of UDP
	Line  int // of the rule
}

// Pings returns the packets of ICMP, and of UDP with any content, by which rules put a
// source on a list.
func Pings(rules *machine.Ruleset, v6 bool) (all []Ping) {
	icmp := machine.ICMP
	if v6 {
		icmp = machine.ICMPv6
	}
	for r := range rules.Rules {
		adds := func(u machine.Update) bool { return !u.Remove && !u.ByDest }
		unknown := r.Unmodelled()
		isICMP := func(text string) bool { return strings.Contains(strings.ToLower(text), "icmp") }
		switch {
		case len(all) == maxStrangers || !slices.ContainsFunc(r.Updates(), adds):
		case slices.ContainsFunc(unknown, isICMP):
			all = append(all, Ping{icmp, 0, r.Line})
		case r.UDP() && len(unknown) == 0:
			for _, port := range append(r.Ports(), 1)[:1] {
				all = append(all, Ping{machine.UDP, port, r.Line})
			}
		}
	}
	return all
}
