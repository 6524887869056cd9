package diag

import (
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
		return e.lossy(len(e.handshake.Attempts) + 1)
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
		first.summary += "; and then " + f[0].summary
		found = append(found, f...)
	}
	return found
}

// otherSettings explains what differs besides the hour.
func (e evidence) otherSettings(o opening) (found []explanation) {
	if o.Range != e.target.Range {
		found = append(found, explanation{
			Cause:   Cause{RangeMismatch, 0.95, nil},
			summary: fmt.Sprintf("the server's range is %v, here it is %v", o.Range, e.target.Range),
			fix:     fmt.Sprintf("apply range %v here", o.Range),
			detail:  Detail{ServerRange: o.Range},
			change:  hosts.Change{Range: o.Range},
		})
	}
	if o.Variant != solve.AsGiven {
		found = append(found, explanation{
			Cause:   Cause{SecretVariant, 0.95, nil},
			summary: fmt.Sprintf("the server has the secret %s", o.Variant.Words()),
			fix:     "on the server: write the secret again, in one line, exactly as it is here",
			detail:  Detail{Variant: o.Variant},
		})
	}
	if o.family != e.family() {
		found = append(found, explanation{
			Cause:   Cause{FamilyMismatch, 0.95, nil},
			summary: fmt.Sprintf("it opens over IPv%s, and not over IPv%s", o.family, e.family()),
			fix:     fmt.Sprintf("apply IPv%s here; or give IPv%s the gate too: rapport rules HOST writes both", o.family, e.family()),
			detail:  Detail{Works: o.family},
			change:  hosts.Change{Family: o.family},
		})
	}
	return found
}

// merge adds another thing that differs to the verdict's texts and change.
func (x *explanation) merge(f explanation) {
	x.summary += "; and " + f.summary
	x.fix += "; " + f.fix
	if f.change.Range.IsValid() {
		x.change.Range, x.detail.ServerRange = f.change.Range, f.detail.ServerRange
	}
	if f.change.Family != "" {
		x.change.Family, x.detail.Works = f.change.Family, f.detail.Works
	}
	if f.detail.Variant != "" {
		x.detail.Variant = f.detail.Variant
	}
}
