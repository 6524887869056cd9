package diag

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"rapport/knock"
	"rapport/knock/phrase"
)

// egress compares the answers of knock ports with those of other ports.
type egress struct {
	ports    []uint16 // knocks that were rejected
	answer   knock.Answer
	mixed    bool // other ports of the handshake were rejected in no attempt
	from     netip.Addr
	fromHere bool           // from is an address of this machine
	control  []knock.Answer // of ports outside the range
	// The round trips of a rejected knock and to the host; zero if not known.
	rejected, host time.Duration
}

// fromOther reports whether another machine than the host sent the rejection.
func (g egress) fromOther(host netip.Addr) bool {
	return g.from.IsValid() && g.from != host.WithZone("")
}

// tooSoon reports whether the knocks are rejected sooner than the host could.
func (g egress) tooSoon() bool {
	const measurable = 4 * time.Millisecond
	return g.rejected > 0 && g.host > measurable && g.rejected < g.host/4
}

// rangeOnly reports whether ports outside the range are answered differently.
// Hosts limit the ICMP errors that they send, so silence next to ICMP errors
// proves nothing.
func (g egress) rangeOnly() bool {
	return len(g.control) > 0 && !slices.ContainsFunc(g.control, func(a knock.Answer) bool {
		return a == g.answer || a == knock.Silent && g.answer == knock.Unreachable
	})
}

// blocked reports whether something rejects the knocks and nothing else.
func (e evidence) blocked() bool {
	g := e.egress
	return g != nil && (g.mixed || g.rangeOnly() || g.tooSoon() || g.fromOther(e.target.Addr.Addr()))
}

func (e evidence) blockedSummary() string {
	switch g := e.egress; {
	case g.fromHere:
		return fmt.Sprintf("this machine itself rejects the knocks, as %s: a firewall here", g.from)
	case g.fromOther(e.target.Addr.Addr()):
		return fmt.Sprintf("the knocks are rejected before they reach the server: %s answers them", g.from)
	case g.tooSoon():
		return "the knocks are rejected before they reach the server: something nearer answers in its name"
	case g.mixed:
		return "some of the knocks are rejected, and others are not: a rule on the way or on the server rejects their ports"
	}
	return "the knocks are rejected, and other ports are not: a rule on the way or on the server rejects their ports"
}

func (g egress) evidence() []string {
	all := []string{fmt.Sprintf("%s %s", phrase.Plural(len(g.ports), "knock"), g.answer)}
	if g.mixed {
		all = append(all, "others of the same handshake were not")
	}
	if g.from.IsValid() {
		all = append(all, g.from.String()+" says so")
	}
	if g.tooSoon() {
		all = append(all, fmt.Sprintf("rejected after %s by a host that is %s away", phrase.Millis(g.rejected), phrase.Millis(g.host)))
	}
	if len(g.control) > 0 {
		all = append(all, "ports outside the range: "+answerList(g.control))
	}
	return all
}
