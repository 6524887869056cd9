package trace

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"rapport/knock"
	"rapport/knock/gate"
	"rapport/knock/gate/stranger"
	"rapport/knock/netfilter/machine"
)

const (
	// maxShut bounds the addresses and networks that are tried, maxNamed those that are
	// looked at, and maxMet the rules that they meet in all: some firewalls ban thousands.
	maxShut, maxNamed, maxMet = 64, 4096, 200_000
	// widest4 and widest6 are the widest networks that are taken for some clients' alone.
	widest4, widest6 = 8, 16
)

// Anyone is [Run] for a client that the gate opens to, if there is one: from an address that
// the rules do not name, or else from one that they do.
func Anyone(f gate.Findings, r Request) (Trace, error) {
	r.From = netip.Addr{}
	t, err := Run(f, r)
	if err != nil || t.Opens() != machine.No {
		return t, err
	}
	rules, _ := f.Rules()
	for _, s := range stranger.All(rules, r.family(f) == knock.Family6) {
		if s.Interface != "" || s.Port != 0 || !s.Source.IsValid() || knock.FamilyOf(s.Source) != r.family(f) {
			continue
		}
		r.From = s.Source
		if o, err := Run(f, r); err == nil && o.Opened && len(o.Unmodelled) == 0 && !unknocked(f, r) {
			return o, nil
		}
	}
	return t, nil
}

// unknocked reports whether SSH opens to a client that does not knock.
func unknocked(f gate.Findings, r Request) bool {
	g, _ := f.Gate()
	r.Packets = []Packet{{Proto: machine.TCP, Port: g.SSHPort}}
	t, err := Run(f, r)
	return err != nil || t.Opens() != machine.No
}

// Parts finds the first packet that fares otherwise than the same packet of another source,
// and the rule that makes the difference: the one that decided, if it asks for the source, or
// else the first that matched for one of both alone. i is -1 where nothing differs.
func (t Trace) Parts(other Trace) (i int, rule *Hit) {
	for i := range min(len(t.Packets), len(other.Packets)) {
		p, o := &t.Packets[i], &other.Packets[i]
		if p.Verdict == o.Verdict && p.PhaseAfter == o.PhaseAfter && p.Answer == o.Answer {
			continue
		}
		if rule = p.Decided; rule == nil || !rule.Source || p.Verdict == machine.Accept {
			if n := p.parts(o); n >= 0 {
				rule = &p.Hits[n]
			}
		}
		return i, rule
	}
	return -1, nil
}

// parts returns the place of the first hit that is not as that of another packet, -1 where
// none is.
func (p *Played) parts(other *Played) int {
	for n, h := range p.Hits {
		if n >= len(other.Hits) || other.Hits[n].Line != h.Line || other.Hits[n].Outcome != h.Outcome {
			return n
		}
	}
	return -1
}

// Shut are the clients that rules shut out although the gate opens to others.
type Shut struct {
	Named []netip.Prefix // that the rules name, single addresses first; some, where they name many
	More  bool           // they name more than were tried
	Most  bool           // all but those that the rules name
}

// Names names those that the rules name, some where they are many, and is empty for nobody.
func (s Shut) Names() string {
	const shown = 4
	var all []string
	for _, p := range s.Named {
		name := p.String()
		if p.IsSingleIP() {
			name = p.Addr().String()
		}
		all = append(all, name)
	}
	more := len(all) - shown
	switch {
	case s.More && len(all) > 0:
		all = append(all[:min(len(all), shown)], "others")
	case more > 0:
		all = append(all[:shown], fmt.Sprintf("%d more", more))
	}
	return strings.Join(all, ", ")
}

// ShutOut finds out whom the rules shut out, by playing the handshake of the gate from the
// addresses and networks that they name.
func ShutOut(f gate.Findings, r Request) (s Shut) {
	rules, _ := f.Rules()
	if rules == nil {
		return s
	}
	opens := func(a netip.Addr) bool {
		r.From = a
		t, err := Run(f, r)
		return err != nil || t.Opens() != machine.No
	}
	all := sources(rules, r.family(f))
	few := min(len(all), maxShut, 1+maxMet/max(rules.Size(), 1))
	for _, p := range all[:few] {
		if !opens(p.Addr()) {
			s.Named = append(s.Named, p)
		}
	}
	s.More = len(all) > few
	others := unnamed(rules, r.family(f))
	s.Most = len(others) > 0 && !slices.ContainsFunc(others, opens)
	return s
}

// unnamed returns addresses far from each other that no rule names.
func unnamed(rules *machine.Ruleset, family knock.Family) (all []netip.Addr) {
	hosts := []string{"84.23.151.77", "151.101.65.140", "45.142.120.9", "190.211.254.18"}
	if family == knock.Family6 {
		hosts = []string{"2a01:4f8:c17:b8f::77", "2600:1f18:4a3:6900::9", "2804:14c:65d6::18"}
	}
	for _, h := range hosts {
		if a := netip.MustParseAddr(h); !rules.Names(a) {
			all = append(all, a)
		}
	}
	return all
}

// sources returns the networks and addresses that conditions of rules name, the smallest
// first.
func sources(rules *machine.Ruleset, family knock.Family) (all []netip.Prefix) {
	add := func(in machine.Range) {
		p, ok := prefix(in)
		widest := widest4
		if family == knock.Family6 {
			widest = widest6
		}
		a := p.Addr()
		remote := a.IsValid() && !a.IsLoopback() && !a.IsMulticast() && !a.IsLinkLocalUnicast() && !a.IsUnspecified()
		if ok && remote && knock.FamilyOf(a) == family && p.Bits() >= widest && len(all) < maxNamed && !slices.Contains(all, p) {
			all = append(all, p)
		}
	}
	for r := range rules.Rules {
		for _, part := range r.Parts {
			switch c := part.(type) {
			case *machine.Compare:
				if c.Subject == machine.SourceAddr && !c.Bits {
					for _, in := range c.In {
						add(in)
					}
				}
			case *machine.Lookup:
				n := slices.IndexFunc(c.Fields, func(f machine.Field) bool { return f.Subject == machine.SourceAddr })
				items := c.Items
				if set := rules.Set(c.Name); set != nil {
					items = set.Items
				}
				for _, one := range items {
					if n >= 0 && n < len(one.In) {
						add(one.In[n])
					}
				}
			}
		}
	}
	slices.SortStableFunc(all, func(a, b netip.Prefix) int { return b.Bits() - a.Bits() })
	return all
}

// prefix returns the smallest prefix that holds a range; it reports false where that holds
// more than the range.
func prefix(in machine.Range) (netip.Prefix, bool) {
	from, to := in.From.Addr(), in.To.Addr()
	if from.BitLen() != to.BitLen() {
		return netip.Prefix{}, false
	}
	for bits := from.BitLen(); bits >= 0; bits-- {
		p, err := from.Prefix(bits)
		if err != nil || p.Addr() != from {
			return netip.Prefix{}, false
		}
		if p.Contains(to) {
			return p, last(p) == to
		}
	}
	return netip.Prefix{}, false
}

// last returns the last address of a prefix.
func last(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < 8*len(b); i++ {
		b[i/8] |= 1 << (7 - i%8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// Neighbours returns addresses next to another. One that rules alone name has neighbours that
// they do not; a network is shared with them. A client of IPv6 has a network of its own, of
// 64 bits.
func Neighbours(a netip.Addr) (all []netip.Addr) {
	for _, bit := range []byte{1, 2, 4} {
		b := a.AsSlice()
		if a.Is4() {
			b[3] ^= bit
		} else {
			b[7] ^= bit
		}
		n, _ := netip.AddrFromSlice(b)
		all = append(all, n)
	}
	return all
}
