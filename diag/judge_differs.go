package diag

import (
	"cmp"
	"fmt"

	"rapport/knock"
	"rapport/knock/hosts"
	"rapport/knock/solve"
)

// differs explains what o has that this client has not, since o opens the gate.
// Where several things differ, the first is the verdict, and its fix covers all.
func (e evidence) differs(o opening) []explanation {
	var found []explanation
	if o.Offset != 0 {
		found = append(found, e.otherHour(o)...)
	}
	found = append(found, e.otherSettings(o)...)
	if len(found) == 0 { // the very handshake that failed
		return lossy(len(e.handshake.Attempts) + 1)
	}
	first := &found[0]
	main := 0
	for i := 1; i < len(found); i++ {
		if found[i].Likelihood < 0.5 {
			continue // an alternative, not one more
		}
		main = i
		first.merge(found[i])
		found[i].Likelihood = first.Likelihood - 0.01*float64(i) // the first stays first
	}
	for i := range found[:main+1] {
		found[i].Evidence = append(found[i].Evidence, o.how)
		if !o.confirmed {
			found[i].Likelihood -= 0.2
		}
	}
	if f := e.behindTheGate(&knock.Report{SSH: o.ssh, Before: knock.Before{State: e.handshake.Before.State}}); f != nil {
		f[0].Likelihood = 0.5 // it comes next
		first.Summary += "; and then " + f[0].Summary
		found = append(found, f...)
	}
	return found
}

// otherSettings explains what differs besides the hour.
func (e evidence) otherSettings(o opening) (found []explanation) {
	add := func(v Verdict) { found = append(found, explanation{Verdict: v, Likelihood: 0.95}) }
	if o.Range != e.target.Range {
		add(Verdict{RangeMismatch, fmt.Sprintf("the server's range is %v, here it is %v", o.Range, e.target.Range),
			fmt.Sprintf("apply range %v here", o.Range), Detail{ServerRange: o.Range}, hosts.Change{Range: o.Range}})
	}
	if o.Variant != solve.AsGiven {
		add(Verdict{SecretVariant, "the server has the secret " + o.Variant.Words(),
			"on the server: write the secret again, in one line, exactly as it is here", Detail{Variant: o.Variant}, hosts.Change{}})
	}
	if o.family != e.family() {
		add(Verdict{FamilyMismatch, fmt.Sprintf("it opens over IPv%s, and not over IPv%s", o.family, e.family()),
			fmt.Sprintf("apply IPv%s here; or give IPv%s the gate too: rapport rules HOST writes both", o.family, e.family()), Detail{Works: o.family}, hosts.Change{Family: o.family}})
	}
	return found
}

// merge adds another thing that differs to the verdict's texts and change.
func (x *explanation) merge(f explanation) {
	x.Summary += "; and " + f.Summary
	x.Fix += "; " + f.Fix
	x.Change.Range = cmp.Or(f.Change.Range, x.Change.Range)
	x.Change.Family = cmp.Or(f.Change.Family, x.Change.Family)
	x.Detail.ServerRange = cmp.Or(f.Detail.ServerRange, x.Detail.ServerRange)
	x.Detail.Works = cmp.Or(f.Detail.Works, x.Detail.Works)
	x.Detail.Variant = cmp.Or(f.Detail.Variant, x.Detail.Variant)
}
