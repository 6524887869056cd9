package diag

import (
	"fmt"
	"slices"
	"strings"

	"rapport/knock"
	"rapport/knock/gate/trace"
	"rapport/knock/netfilter/machine"
)

// decided names the last packet that rules did not let through, and the rule.
func (e *Evidence) decided(t *trace.Trace) string {
	for i, p := range slices.Backward(t.Packets) {
		if p.Decided != nil {
			return e.ruleText(t, i, p.Decided)
		}
	}
	return "no rule lets the packets through"
}

// ruleText says what a rule does with a packet of a trace.
func (e *Evidence) ruleText(t *trace.Trace, i int, h *trace.Hit) string {
	p := t.Packets[i]
	packet, rule := fmt.Sprintf("%s/%d", p.Proto, p.Port), h.Text
	if e.hidden {
		packet, rule = "SSH", fmt.Sprintf("the rule in chain %s, line %d", h.Chain, h.Line)
		if i < len(t.Packets)-1 {
			packet = fmt.Sprintf("knock %d", i+1)
		}
	}
	if h.Outcome == machine.No.String() {
		return fmt.Sprintf("%s lets %s of others through, and does not match here: %s", rule, packet, h.Reason)
	}
	return fmt.Sprintf("%s %s by %s", p.Verdict, packet, rule)
}

// shutOutText is for rules that open the gate to others, and not to this address.
func (e *Evidence) shutOutText(summary, fix string) Text {
	t := Text{Summary: summary, Fix: fix}
	if i, h := e.PlayedHere.Parts(*e.Played); h != nil {
		t.Why = append(t.Why, "the rules decide: "+e.ruleText(e.PlayedHere, i, h))
	}
	if c := e.Rules.Candidate(); c != nil && !c.IsClients(e.Target.Range) {
		t.Why = append(t.Why, "besides, the rules were made with "+c.Made())
	}
	if from := e.PlayedHere.Packets[0].From; from.IsPrivate() {
		t.Why = append(t.Why, fmt.Sprintf("played from %s; behind a NAT the server sees another address", from))
	}
	return t
}

func notAdmittedText(e *Evidence) Text {
	return e.shutOutText("the server's rules open the gate to other networks, and not to this client's",
		"on the server: let this client's network in, by the rule that decides; or knock from a network that it lets in")
}

// bansText says whom the rules shut out.
func (e *Evidence) bansText() (all []string) {
	if bans := e.Shut.Names(); bans != "" {
		all = append(all, "the rules shut out "+bans+": a NAT may give this client one of these addresses")
	}
	if e.Shut.Most {
		all = append(all, "the rules open the gate only from some networks: a NAT may take this client out of them")
	}
	return all
}

// listsText says which lists the rules ask for and do not show, and how to see them.
func (e *Evidence) listsText() (all []string) {
	const shown = 2
	for _, l := range e.Lists {
		if l.Shown || len(all) == shown {
			continue
		}
		all = append(all, fmt.Sprintf("missing: line %d of the rules shuts out whom the list %s holds, and they do not show it; on the server: %s", l.Line, l.Name, l.Show()))
	}
	return all
}

// liftBan says what to do where the rules may shut out the address that the server sees.
func (e *Evidence) liftBan() string {
	if e.Shut.Names() == "" && !e.Shut.Most {
		return ""
	}
	return "; rapport trace --from ADDRESS says whether the rules let that address in"
}

func notArrivingText(e *Evidence) Text {
	t := Text{Summary: "the server's rules expect what was sent: ", Fix: fmt.Sprintf("on the server rapport watch, or tcpdump, shows whether the knocks arrive, and from which address; a router in front of it has to forward %v, not SSH alone%s", e.Target.Range, e.liftBan())}
	if e.rulesFailed() {
		t.Summary = "the handshake that the server's rules expect does not open it: "
	}
	switch {
	case e.ShutOut():
		t.Summary += "the knocks do not arrive"
		t.Why = append(t.Why, "behind a NAT the server sees another address, which its rules may let in")
	case e.Shut.Names() != "" || e.Shut.Most:
		t.Summary += "the knocks do not arrive, or they arrive from an address that the rules shut out"
		t.Why = e.bansText()
	default:
		t.Summary += "the knocks do not arrive, or not from this address"
	}
	if e.ShutState() == knock.SSHRefused {
		t.Summary += ", or sshd does not listen"
	}
	if p := e.Played; p != nil && p.In() != "" {
		t.Summary += fmt.Sprintf("; the rules lead to the gate what comes in on %s", p.In())
		t.Fix = fmt.Sprintf("on the server: see that the packets come in there, and on no other interface (ip -br address); %s", t.Fix)
	}
	if c := e.Rules.Candidate(); c != nil && c.IsClients(e.Target.Range) {
		t.Why = append(t.Why, "the server's rules expect the very sequence that was sent")
	}
	if len(e.Unmodelled) > 0 && len(e.Lists) == 0 {
		u := e.Unmodelled[0]
		t.Why = append(t.Why, fmt.Sprintf("missing: line %d of the rules may shut this client out: %s", u.Line, u.Why))
	}
	t.Why = append(t.Why, e.missingEvidence()...)
	return t
}

func rulesProblemText(e *Evidence) Text {
	t := Text{Why: append(e.missingEvidence(), "the server's rules show it")}
	if e.Played != nil && !e.Played.Opened {
		t.Summary, t.Fix = "by the server's rules the handshake opens nothing: "+e.decided(e.Played), "on the server: move the gate's rules before that one; rapport trace plays it"
	}
	t = e.orderText(t)
	for i, p := range e.rulesProblems() {
		summary := p.Summary
		if e.hidden {
			summary = p.WithoutPorts()
		}
		if i == 0 {
			t.Summary, t.Fix = summary, p.Fix
		}
		t.Why = append(t.Why, summary)
	}
	return t
}

// noGateText is for rules that hold no gate, or one of another kind.
func noGateText(e *Evidence) Text {
	t := Text{Summary: fmt.Sprintf("the rules that were given hold no gate for IPv%s", e.Family()),
		Fix: "on the server: see that the gate is loaded and refreshed (rapport-gate status), rapport help server tells each step; or " + givePresent}
	for _, p := range e.Rules.Problems {
		t.Why = append(t.Why, p.Summary)
	}
	return Text{t.Summary, t.Fix, append(t.Why, e.missingEvidence()...)}
}

// orderText is t, but for rules that have this client's ports in another order.
func (e *Evidence) orderText(t Text) Text {
	if order := e.gateOrder(); order != nil {
		t.Summary = fmt.Sprintf("the server's rules have this client's ports in another order: their phases take its knocks %s", strings.Trim(fmt.Sprint(order), "[]"))
		t.Fix = "on the server: put the phases in the order in which the ports are computed"
	}
	return t
}
