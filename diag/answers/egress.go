package answers

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"rapport/knock"
	"rapport/knock/phrase"
)

// Egress compares the answers of knock ports with those of other ports.
type Egress struct {
	Ports    []uint16 // knocks that were rejected
	Answer   knock.Answer
	Whole    bool // all knocks were, not a part
	From     netip.Addr
	FromHere bool           // From is an address of this machine
	Control  []knock.Answer // of ports outside the range
	// The round trips of a rejected knock and to the host; zero if not known.
	Rejected, Host time.Duration
}

// FromOther reports whether another machine than the host sent the rejection.
func (g *Egress) FromOther(host netip.Addr) bool {
	return g.From.IsValid() && g.From != host.WithZone("")
}

// TooSoon reports whether the knocks are rejected sooner than the host could.
func (g *Egress) TooSoon() bool {
	const measurable = 4 * time.Millisecond
	return g.Rejected > 0 && g.Host > measurable && g.Rejected < g.Host/4
}

// Soonest returns the knocks that were refused sooner than the host could.
func (g *Egress) Soonest(h *knock.Report) (ports []uint16) {
	for _, k := range Knocks(h) {
		x := Egress{Rejected: time.Duration(k.RTT), Host: g.Host}
		if k.Answer == knock.Refused && x.TooSoon() && !slices.Contains(ports, k.Port) {
			ports = append(ports, k.Port)
		}
	}
	return ports
}

// Some reports whether no more than a part is rejected: not all knocks of h, nor most ports outside
// the range. shut is how the gate answers: where it does alike, they do not tell.
func (g *Egress) Some(h *knock.Report, shut knock.Answer) bool {
	if shut == g.Answer && shut == knock.Unreachable {
		return true // nor do the knocks
	}
	like := 0
	for _, a := range g.Control {
		if a == g.Answer {
			like++
		}
	}
	return len(g.Ports) < len(Ports(h)) && (shut == g.Answer || 2*like <= len(g.Control))
}

// Names are the rejected knocks by their ports, or where those are secret by their number.
func (g *Egress) Names(secret bool) string {
	if secret {
		return phrase.Plural(len(g.Ports), "knock")
	}
	return "port " + strings.Trim(strings.ReplaceAll(fmt.Sprint(g.Ports), " ", ", "), "[]")
}

// RangeOnly reports whether ports outside the range are answered differently.
// Hosts limit the ICMP errors that they send, so silence next to ICMP errors
// proves nothing.
func (g *Egress) RangeOnly() bool {
	return g.Whole && len(g.Control) > 0 && !slices.ContainsFunc(g.Control, func(a knock.Answer) bool {
		return a == g.Answer || a == knock.Silent && g.Answer == knock.Unreachable
	})
}
