package diag

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"rapport/knock"
	"rapport/knock/hosts"
	"rapport/knock/phrase"
)

// explanation is a cause with the texts, figures and change that it has as the
// verdict.
type explanation struct {
	Cause
	summary string
	fix     string
	detail  Detail
	change  hosts.Change
}

// judge ranks the causes that the evidence allows. The first one is the
// verdict, and there is always one.
func (e evidence) judge() (Verdict, []Cause) {
	found := e.explanations()
	slices.SortStableFunc(found, func(a, b explanation) int { return cmp.Compare(b.Likelihood, a.Likelihood) })
	causes := []Cause{}
	for _, f := range found {
		f.Evidence = append([]string{}, f.Evidence...)
		causes = append(causes, f.Cause)
	}
	f := found[0]
	return Verdict{Code: f.Code, Summary: f.summary, Fix: f.fix, Detail: f.detail, Change: f.change}, causes
}

// explanations returns the causes that the evidence allows. A cause that keeps
// later steps from happening is checked first.
func (e evidence) explanations() []explanation {
	switch {
	case e.nameErr != nil:
		return certain(DNSFailure, e.nameErr.Error(), "correct the name, or the family asked for; see that this machine's name servers answer", "nothing was sent to the host")
	case e.noRouteErr != nil:
		return certain(HostUnreachable, e.noRouteErr.Error(), "check the address, and this machine's network", e.unreachableEvidence()...)
	case e.beforeAgain.State == knock.SSHOpen:
		return certain(AlreadyOpen, "SSH answers with no knock: nothing guards it",
			"set the gate up on the server: rapport rules HOST prints a script",
			"it answered twice, with more than a window between; only another login from this address meanwhile could look the same")
	case e.handshake != nil:
		return e.afterHandshake()
	case e.beforeAgain.State == knock.SSHRefusing:
		return e.refusing(e.beforeAgain, "it did so with no knock: nothing guards SSH")
	case e.before.State == knock.SSHRefusing:
		return e.refusing(e.before, "it did so with no knock: nothing guards SSH")
	}
	return certain(Unexplained, "the diagnosis ended before anything was tried", "give it more time", "no handshake was made")
}

// afterHandshake returns the causes that a handshake and the checks after it allow.
func (e evidence) afterHandshake() []explanation {
	h := e.handshake
	switch {
	case h.Opened && h.OpenedBy > 0:
		return e.lossy(h.OpenedBy + 1)
	case h.Opened:
		return e.opens()
	}
	if ports, _ := answered(h, knock.Open); len(ports) > 0 && !e.target.Addr.Addr().IsLoopback() {
		f := certain(KnocksIntercepted, "knock ports accept connections: a proxy or a tarpit answers in the server's place",
			"knock from another network, or ask this one's administrator to leave the range alone", fmt.Sprintf("%s accepted: a gate stays silent", phrase.Plural(len(ports), "port")))
		f[0].detail.Ports = ports
		return f
	}
	if f := e.behindTheGate(h); f != nil {
		return f
	}
	if e.blocked() {
		fix := "knock from another network, or have the range let through"
		if e.egress.fromHere {
			fix = "let the range out here: see iptables -S OUTPUT, or nft list ruleset"
		}
		f := certain(KnocksBlocked, e.blockedSummary(), fix, e.blockedEvidence()...)
		f[0].detail.Ports, f[0].detail.Answer = e.egress.ports, e.egress.answer
		return f
	}
	if o, ok := e.opened(); ok {
		return e.differs(o)
	}
	if e.scan != nil && e.scan.Stopped != "" && len(e.scan.Cells) > 0 && e.scan.NoRoute && !e.answeredAtAll() {
		return certain(HostUnreachable, "host unreachable: "+e.scan.Stopped, "check the address, and this machine's network", e.unreachableEvidence()...)
	}
	return e.unexplained()
}

// certain returns a single cause, beyond doubt.
func certain(code Code, summary, fix string, evidence ...string) []explanation {
	return []explanation{{Cause: Cause{code, 0.98, evidence}, summary: summary, fix: fix}}
}

// answered returns the ports of a handshake that answered a, each once, and how
// many knocks got another answer.
func answered(h *knock.Report, a knock.Answer) (ports []uint16, others int) {
	for _, attempt := range h.Attempts {
		for _, k := range attempt.Knocks {
			switch {
			case k.Answer != a:
				others++
			case !slices.Contains(ports, k.Port):
				ports = append(ports, k.Port)
			}
		}
	}
	return ports, others
}

// unreachableEvidence says how it is known that the host cannot be reached.
func (e evidence) unreachableEvidence() []string {
	all := []string{"this machine, or a router on the way, says that there is no route to the host"}
	return append(all, e.otherAddresses()...)
}

// otherAddresses says which addresses of the name were not tried.
func (e evidence) otherAddresses() []string {
	if len(e.others) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("missing: the name has other addresses, which were not tried: %s", strings.Trim(fmt.Sprint(e.others), "[]"))}
}

// answeredAtAll reports whether the host ever answered anything.
func (e evidence) answeredAtAll() bool {
	ports, others := answered(e.handshake, knock.Silent)
	return others > 0 || len(ports) == 0 || e.before.RTT > 0 || e.clock != nil && e.clock.Known
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
