package trace

import (
	"net/netip"
	"slices"
	"strings"

	"rapport/knock"
	"rapport/knock/gate"
	"rapport/knock/netfilter/machine"
)

// List is a list or set of addresses that a rule of the server drops or rejects, and that
// changes while the rules stay: it says whom they ban now.
type List struct {
	Name  string
	Kind  ListKind
	Line  int // of the rule
	Shown bool
	Holds []machine.Element // if it is shown, when the rules were printed
}

// ListKind is what holds a list.
type ListKind string

// The kinds.
const (
	RecentList ListKind = "recent" // of the recent match, in /proc/net/xt_recent
	IPSet      ListKind = "ipset"
	NFTSet     ListKind = "nft"
)

// Has returns the element of an address, nil if the list does not show it. For an IPv6 address that may
// be the first one of its /64, by which the gate's own guard counts.
func (l List) Has(a netip.Addr) *machine.Element {
	network := a
	if p, err := a.Prefix(64); err == nil && a.Is6() {
		network = p.Addr()
	}
	i := slices.IndexFunc(l.Holds, func(e machine.Element) bool {
		from, to, isRange := strings.Cut(e.Addr, "-")
		if !isRange {
			p, err := netip.ParsePrefix(e.Addr)
			return e.Addr == a.String() || e.Addr == network.String() || err == nil && p.Contains(a)
		}
		low, err := netip.ParseAddr(from)
		high, err2 := netip.ParseAddr(to)
		return err == nil && err2 == nil && low.Compare(a) <= 0 && a.Compare(high) <= 0
	})
	if i < 0 {
		return nil
	}
	return &l.Holds[i]
}

// Show is how to see whom a list holds that the rules do not show.
func (l List) Show() string {
	if l.Kind == RecentList {
		return "cat /proc/net/xt_recent/" + l.Name
	}
	return "ipset save, to be given with the rules"
}

// Lists returns the lists by which the rules drop SYNs to SSH or to the knocks, each once, but
// for those of the phases.
func Lists(f gate.Findings, family knock.Family) (all []List) {
	rules, _ := f.Rules()
	if rules == nil {
		return nil
	}
	var phases []string
	var ports []int
	for _, g := range f.Gates {
		phases = append(phases, g.Lists...)
		ports = slices.Concat(ports, g.AcceptPorts, g.Knocks())
	}
	for r := range rules.Rules {
		t := r.Chain().Table()
		other := family == knock.Family6 && !t.V6 || family == knock.Family4 && !t.V4
		if other || !shutsOut(r) {
			continue
		}
		if to := r.Ports(); len(to) > 0 && !slices.ContainsFunc(to, func(p int) bool { return slices.Contains(ports, p) }) {
			continue
		}
		for _, c := range r.Checks() {
			asks := !c.Negated && !c.ByDest && (c.Mode == machine.ModeCheck || c.Mode == machine.ModeUpdate)
			had := slices.ContainsFunc(all, func(l List) bool { return l.Name == c.List })
			if asks && !had && !slices.Contains(phases, c.List) {
				all = append(all, list(f, c.List, r.Line))
			}
		}
	}
	return all
}

// shutsOut reports whether a rule drops or rejects, also by a chain of its own.
func shutsOut(r *machine.Rule) bool {
	if r.Verdict != machine.Jump && r.Verdict != machine.Goto {
		return r.Verdict == machine.Drop || r.Verdict == machine.Reject
	}
	return slices.ContainsFunc(r.Targets(), func(c *machine.Chain) bool {
		return len(c.Rules) > 0 && !slices.ContainsFunc(c.Rules, func(r *machine.Rule) bool {
			return r.Verdict != machine.Drop && r.Verdict != machine.Reject
		})
	})
}

// list returns a list by its name in a condition.
func list(f gate.Findings, name string, line int) List {
	if s := f.Set(name); s.Name != "" {
		return List{Name: name, Kind: NFTSet, Line: line, Shown: true, Holds: s.Elements}
	}
	if set, ok := strings.CutPrefix(name, "set "); ok {
		return List{Name: set, Kind: IPSet, Line: line}
	}
	return List{Name: name, Kind: RecentList, Line: line}
}
