package gate

import (
	"fmt"
	"slices"
	"strconv"

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
		all = append(all, newProblem(p.code, p.severity, summary, p.fix))
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
			return newProblem("knocks-redirected", SeverityError, "", "leave the ports of the knocks out of that rule").
				naming("knocks to port %s are redirected in line "+strconv.Itoa(h.Rule.Line)+" before they come to the gate", k.port)
		}
		if slices.ContainsFunc(h.Rule.Parts, func(p machine.Part) bool { _, is := p.(machine.Notrack); return is }) {
			return newProblem("knocks-untracked", SeverityError, "", "leave the ports of the knocks out of that rule, or let the gate ask for SYNs in place of the state NEW").
				naming("knocks to port %s are not tracked, by the rule in line "+strconv.Itoa(h.Rule.Line)+", and the gate asks for new connections", k.port)
		}
	}
	what, code := "dropped", "gate-after-drop"
	if r.Verdict == machine.Accept {
		what, code = "accepted", "gate-after-accept"
	}
	return newProblem(code, SeverityError, "", "move the jump to the gate to the front, behind the rule that accepts established connections").
		naming("knocks to port %s are "+what+" before they come to the gate", k.port)
}
