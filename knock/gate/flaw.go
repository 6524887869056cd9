package gate

import (
	"fmt"
	"slices"

	"rapport/knock/netfilter"
	"rapport/knock/netfilter/machine"
)

// checkText judges the text itself: where it does not say what its rules are.
func (f Findings) checkText() (all []Problem) {
	for _, p := range []struct {
		kind     netfilter.FlawKind
		code     string
		severity Severity
		fix      string
	}{
		{netfilter.CutOff, "cut-off", SeverityError, "give the whole output: what is missing may decide"},
		{netfilter.Impossible, "impossible-value", SeverityError, "correct it: iptables and nft refuse this line"},
		{netfilter.NotFollowed, "script-not-followed", SeverityInfo, "run the script, and give what iptables-save prints then"},
	} {
		of := func(flaw netfilter.Flaw) bool { return flaw.Kind == p.kind }
		i := slices.IndexFunc(f.flaws, of)
		if i < 0 {
			continue
		}
		summary := fmt.Sprintf("line %d: %s", f.flaws[i].Line, f.flaws[i].Text)
		if more := len(slices.DeleteFunc(slices.Clone(f.flaws), func(flaw netfilter.Flaw) bool { return !of(flaw) })) - 1; more > 0 {
			summary += fmt.Sprintf("; and %d more such lines", more)
		}
		all = append(all, Problem{p.code, p.severity, summary, p.fix})
	}
	return all
}

// lost is the problem of a knock that does not come to the gate.
func lost(r machine.Result, k knockAt) Problem {
	for _, h := range r.Trace {
		if h.Rule == nil || h.Outcome != machine.Yes {
			continue
		}
		if h.Rule.Redirect != nil {
			return Problem{"knocks-redirected", SeverityError, fmt.Sprintf("knocks to port %d are redirected in line %d before they come to the gate", k.port, h.Rule.Line), "leave the ports of the knocks out of that rule"}
		}
		if slices.ContainsFunc(h.Rule.Parts, func(p machine.Part) bool { _, is := p.(machine.Notrack); return is }) {
			return Problem{"knocks-untracked", SeverityError, fmt.Sprintf("knocks to port %d are not tracked, by the rule in line %d, and the gate asks for new connections", k.port, h.Rule.Line),
				"leave the ports of the knocks out of that rule, or let the gate ask for SYNs in place of the state NEW"}
		}
	}
	what, code := "dropped", "gate-after-drop"
	if r.Verdict == machine.Accept {
		what, code = "accepted", "gate-after-accept"
	}
	return Problem{code, SeverityError, fmt.Sprintf("knocks to port %d are %s before they come to the gate", k.port, what), "move the jump to the gate to the front, behind the rule that accepts established connections"}
}
