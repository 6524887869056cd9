package diag

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"rapport/knock"
	"rapport/knock/phrase"
)

// explanation is a cause, and the verdict that it is if it is the likeliest one.
type explanation struct {
	Verdict
	Likelihood float64
	Evidence   []string
}

// judge ranks the causes that the evidence allows. The first one is the
// verdict, and there is always one.
func (e evidence) judge() (Verdict, []Cause) {
	found := e.explanations()
	slices.SortStableFunc(found, func(a, b explanation) int { return cmp.Compare(b.Likelihood, a.Likelihood) })
	causes := []Cause{}
	for _, f := range found {
		causes = append(causes, Cause{f.Code, f.Likelihood, append([]string{}, f.Evidence...)})
	}
	return found[0].Verdict, causes
}

// explanations returns the causes that the evidence allows. A cause that keeps
// later steps from happening is checked first.
func (e evidence) explanations() []explanation {
	switch {
	case e.nameErr != nil:
		return certain(DNSFailure, e.nameErr.Error(), "correct the name, or the family asked for; see that this machine's name servers answer", Detail{}, "nothing was sent to the host")
	case e.noRouteErr != nil:
		return e.unreachable(e.noRouteErr.Error())
	case e.beforeAgain.State == knock.SSHOpen:
		return certain(AlreadyOpen, "SSH answers with no knock: nothing guards it",
			"set the gate up on the server: rapport rules HOST prints a script", Detail{},
			"it answered twice, with more than a window between; only another login from this address meanwhile could look the same")
	case e.handshake != nil:
		return e.afterHandshake()
	}
	for _, s := range []knock.SSH{e.beforeAgain, e.before} {
		if s.State == knock.SSHRefusing {
			return refusing(s, "it did so with no knock: nothing guards SSH")
		}
	}
	return certain(Unexplained, "the diagnosis ended before anything was tried", "give it more time", Detail{}, "no handshake was made")
}

// afterHandshake returns the causes that a handshake and the checks after it allow.
func (e evidence) afterHandshake() []explanation {
	h := e.handshake
	switch {
	case h.Opened && h.OpenedBy > 0:
		return lossy(h.OpenedBy + 1)
	case h.Opened:
		return e.opens()
	}
	if ports, _ := answered(h, knock.Open); len(ports) > 0 && !e.target.Addr.Addr().IsLoopback() {
		return certain(KnocksIntercepted, "knock ports accept connections: a proxy or a tarpit answers in the server's place",
			"knock from another network, or ask this one's administrator to leave the range alone", Detail{Ports: ports},
			phrase.Plural(len(ports), "port")+" accepted: a gate stays silent")
	}
	if f := e.behindTheGate(h); f != nil {
		return f
	}
	if e.blocked() {
		fix := "knock from another network, or have the range let through"
		if e.egress.fromHere {
			fix = "let the range out here: see iptables -S OUTPUT, or nft list ruleset"
		}
		return certain(KnocksBlocked, e.blockedSummary(), fix, Detail{Ports: e.egress.ports, Answer: e.egress.answer}, e.egress.evidence()...)
	}
	if o, ok := e.opened(); ok {
		return e.differs(o)
	}
	if e.scan != nil && e.scan.NoRoute && !e.answeredAtAll() {
		return e.unreachable("host unreachable: " + e.scan.Stopped)
	}
	return e.unexplained()
}

// certain returns a single cause, beyond doubt.
func certain(code Code, summary, fix string, d Detail, evidence ...string) []explanation {
	return []explanation{{Verdict{Code: code, Summary: summary, Fix: fix, Detail: d}, 0.98, evidence}}
}

// answered returns the ports of a handshake that answered a, each once, and how
// many knocks got another answer.
func answered(h *knock.Report, a knock.Answer) (ports []uint16, others int) {
	for _, k := range knocksOf(h) {
		switch {
		case k.Answer != a:
			others++
		case !slices.Contains(ports, k.Port):
			ports = append(ports, k.Port)
		}
	}
	return ports, others
}

// unreachable is a host to which there is no route.
func (e evidence) unreachable(summary string) []explanation {
	all := []string{"this machine, or a router on the way, says that there is no route to the host"}
	return certain(HostUnreachable, summary, "check the address, and this machine's network", Detail{}, append(all, e.otherAddresses()...)...)
}

// otherAddresses says which addresses of the name were not tried.
func (e evidence) otherAddresses() []string {
	if len(e.others) == 0 {
		return nil
	}
	return []string{"missing: the name has other addresses, which were not tried: " + strings.Trim(fmt.Sprint(e.others), "[]")}
}

// answeredAtAll reports whether the host ever answered anything.
func (e evidence) answeredAtAll() bool {
	ports, others := answered(e.handshake, knock.Silent)
	return others > 0 || len(ports) == 0 || e.before.RTT > 0 || e.clock.Known
}

// answerList names the answers, each once.
func answerList(answers []knock.Answer) string {
	var all []string
	for _, a := range answers {
		if !slices.Contains(all, string(a)) {
			all = append(all, string(a))
		}
	}
	return strings.Join(all, ", ")
}

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
