package audit

import (
	"net/netip"
	"slices"
	"strings"

	"rapport/knock"
	"rapport/knock/gate"
	"rapport/knock/netfilter/machine"
)

// maxStrangers bounds the sources, and the interfaces, that are tried.
const maxStrangers = 24

// stranger is somebody who connects to SSH without a knock.
type stranger struct {
	Family    knock.Family
	Source    netip.Addr // the zero Addr is any that the rules do not name
	Interface string     // empty is the one to the Internet
	Opened    machine.Truth
	Line      int // of the rule that lets in; 0 is none
}

// strangers connects to a port from an address that the rules do not name, from those
// that they name, and by each interface that they name but loopback. shown is false
// for a family of which the text shows no rules.
func strangers(f gate.Findings, family knock.Family, port int) (all []stranger, shown bool) {
	v6 := family == knock.Family6
	rules, local := f.Rules()
	switch {
	case rules == nil, !rules.Shown(v6) && !local:
		return nil, false
	case !rules.Shown(v6): // this machine has no rules for it, so that all are let in
		return []stranger{{Family: family, Opened: machine.Yes}}, true
	}
	try := func(src netip.Addr, iface string) {
		open, line := f.Connect(family, src, iface, port)
		all = append(all, stranger{family, src, iface, open, line})
	}
	try(netip.Addr{}, "")
	sources, ifaces := named(rules, v6)
	for _, a := range sources {
		try(a, "")
	}
	for _, name := range ifaces {
		try(netip.Addr{}, name)
	}
	return all, true
}

// named returns the sources of a family and the interfaces that rules name.
func named(rules *machine.Ruleset, v6 bool) (sources []netip.Addr, ifaces []string) {
	for r := range rules.Rules {
		for _, a := range slices.Concat(r.Sources(false), r.Sources(true)) {
			if a.Is6() == v6 && !a.IsUnspecified() && !a.IsLoopback() && len(sources) < maxStrangers && !slices.Contains(sources, a) {
				sources = append(sources, a)
			}
		}
		for _, name := range slices.Concat(r.Interfaces(false), r.Interfaces(true)) {
			name = strings.TrimRight(name, "+*")
			if name != "" && name != "lo" && len(ifaces) < maxStrangers && !slices.Contains(ifaces, name) {
				ifaces = append(ifaces, name)
			}
		}
	}
	return sources, ifaces
}
