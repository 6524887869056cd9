package trace

import (
	"fmt"
	"net/netip"
	"slices"

	"rapport/knock"
	"rapport/knock/netfilter/machine"
)

// maxDestinations bounds the addresses of a server that are tried.
const maxDestinations = 8

// destinations returns an address for each destination that rules ask for, and before them
// one that none asks for; nothing where no rule asks.
func destinations(rules *machine.Ruleset, family knock.Family) (all []netip.Addr) {
	for r := range rules.Rules {
		for _, p := range r.Parts {
			c, ok := p.(*machine.Compare)
			if !ok || c.Subject != machine.DestAddr {
				continue
			}
			for _, in := range c.In {
				a := in.From.Addr()
				remote := a.IsValid() && !a.IsLoopback() && !a.IsMulticast() && !a.IsLinkLocalUnicast() && !a.IsUnspecified()
				if remote && knock.FamilyOf(a) == family && !slices.Contains(all, a) && len(all) < maxDestinations {
					all = append(all, a)
				}
			}
		}
	}
	if len(all) == 0 {
		return nil
	}
	other := netip.MustParseAddr("84.23.151.3")
	if family == knock.Family6 {
		other = netip.MustParseAddr("2a01:4f8:c17:b8f::3")
	}
	return append([]netip.Addr{other}, all...)
}

// leaveOpen leaves open what is otherwise where the packets go to another address, and names
// the rule that makes the difference.
func (t *Trace) leaveOpen(other Trace, to netip.Addr) {
	differ := false
	for i := range t.Packets {
		p, o := &t.Packets[i], other.Packets[i]
		phases := p.PhaseBefore != o.PhaseBefore || p.PhaseAfter != o.PhaseAfter
		p.PhaseUnsure = p.PhaseUnsure || o.PhaseUnsure || phases
		differ = differ || phases || p.Verdict != o.Verdict || p.Answer != o.Answer
		if p.Answer != o.Answer {
			p.Answer = machine.Undecided
		}
		if p.Verdict != o.Verdict {
			p.Verdict = machine.Undecided
		}
	}
	t.Opened = t.Opened && other.Opened
	if h := t.parting(other); differ && h != nil {
		u := Unmodelled{h.Line, h.Text, fmt.Sprintf("it is not known whether packets go to %v: --to says where", to)}
		if !slices.ContainsFunc(t.Unmodelled, func(o Unmodelled) bool { return o.Line == u.Line && o.Text == u.Text }) {
			t.Unmodelled = append(t.Unmodelled, u)
		}
	}
}

// parting returns the first rule that matched in one of two traces alone.
func (t *Trace) parting(other Trace) *Hit {
	for i, p := range t.Packets {
		for n, h := range p.Hits {
			o := other.Packets[i].Hits
			if n >= len(o) || o[n].Line != h.Line || o[n].Outcome != h.Outcome {
				return &p.Hits[n]
			}
		}
	}
	return nil
}
