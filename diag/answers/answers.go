// Package answers holds what the ports of a handshake answered, and those that it is
// compared with.
package answers

import (
	"net/netip"
	"slices"
	"strings"

	"rapport/knock"
)

// Hours returns the hours whose sequences a handshake sent: two near the hour
// change, of which either may have opened the gate.
func Hours(h *knock.Report) []knock.Hour {
	all := []knock.Hour{h.Hour}
	for _, k := range Knocks(h) {
		if k.Hour != nil && !slices.Contains(all, *k.Hour) {
			all = append(all, *k.Hour)
		}
	}
	return all
}

// Knocks returns the knocks of all attempts of a handshake, none for nil.
func Knocks(h *knock.Report) (all []knock.SentKnock) {
	if h != nil {
		for _, a := range h.Attempts {
			all = append(all, a.Knocks...)
		}
	}
	return all
}

// Ports returns the ports of a handshake, each once.
func Ports(h *knock.Report) (ports []uint16) {
	for _, k := range Knocks(h) {
		if !slices.Contains(ports, k.Port) {
			ports = append(ports, k.Port)
		}
	}
	return ports
}

// With returns the ports of a handshake that answered a, each once, and how
// many knocks got another answer.
func With(h *knock.Report, a knock.Answer) (ports []uint16, others int) {
	for _, k := range Knocks(h) {
		switch {
		case k.Answer != a:
			others++
		case !slices.Contains(ports, k.Port):
			ports = append(ports, k.Port)
		}
	}
	return ports, others
}

// All returns the answers to the knocks of a handshake.
func All(h *knock.Report) (all []knock.Answer) {
	for _, k := range Knocks(h) {
		all = append(all, k.Answer)
	}
	return all
}

// Sources are those of [knock.Report.Sources], none for no handshake.
func Sources(h *knock.Report) []netip.Addr {
	if h == nil {
		return nil
	}
	return h.Sources()
}

// List names the answers, each once.
func List(all []knock.Answer) string {
	var names []string
	for _, a := range all {
		if !slices.Contains(names, string(a)) {
			names = append(names, string(a))
		}
	}
	return strings.Join(names, ", ")
}

// State is what SSH answered, in words.
func State(s knock.SSHState) string {
	if s == knock.SSHUnknown {
		return "not probed"
	}
	return string(s)
}

// Write writes a line for each knock of a handshake, and what SSH said; nothing for nil.
func Write(line func(format string, args ...any), h *knock.Report) {
	if h == nil {
		return
	}
	for i, a := range h.Attempts {
		if i > 0 && a.Silent() {
			line("  %s attempt %d: %d knocks, all silent", h.Address, i+1, len(a.Knocks))
			continue
		}
		line("  %s attempt %d", h.Address, i+1)
		for _, k := range a.Knocks {
			line("    %5d %s", k.Port, k.Answer)
		}
	}
	if h.SSH.Banner != "" {
		line("    ssh: %s", h.SSH.Banner)
	}
}
