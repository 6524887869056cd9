package diag

import (
	"fmt"

	"rapport/knock/phrase"
)

// blocked reports whether something rejects the knocks and nothing else.
func (e evidence) blocked() bool {
	g := e.egress
	return g != nil && (g.mixed || g.rangeOnly() || g.tooSoon() || g.fromOther(e.target.Addr.Addr()))
}

func (e evidence) blockedSummary() string {
	if e.egress.fromHere {
		return fmt.Sprintf("this machine itself rejects the knocks, as %s: a firewall here", e.egress.from)
	}
	if e.egress.fromOther(e.target.Addr.Addr()) {
		return fmt.Sprintf("the knocks are rejected before they reach the server: %s answers them", e.egress.from)
	}
	if e.egress.tooSoon() {
		return "the knocks are rejected before they reach the server: something nearer answers in its name"
	}
	if e.egress.mixed {
		return "some of the knocks are rejected, and others are not: a rule on the way or on the server rejects their ports"
	}
	return "the knocks are rejected, and other ports are not: a rule on the way or on the server rejects their ports"
}

func (e evidence) blockedEvidence() (all []string) {
	g := e.egress
	all = append(all, fmt.Sprintf("%s %s", phrase.Plural(len(g.ports), "knock"), g.answer))
	if g.mixed {
		all = append(all, "others of the same handshake were not")
	}
	if g.from.IsValid() {
		all = append(all, fmt.Sprintf("%s says so", g.from))
	}
	if g.tooSoon() {
		all = append(all, fmt.Sprintf("rejected after %.1f ms by a host that is %.1f ms away", g.rejected.Seconds()*1000, g.host.Seconds()*1000))
	}
	if len(g.control) > 0 {
		all = append(all, fmt.Sprintf("ports outside the range: %s", answerList(g.control)))
	}
	return all
}
