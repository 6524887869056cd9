package diag

import (
	"slices"

	"rapport/knock/hosts"
	"rapport/knock/solve"
)

// differences are the settings in which an opening differs from this client,
// besides the hour.
func differences(e *Evidence, o opening) (all []ID) {
	if o.Range != e.Target.Range {
		all = append(all, "range")
	}
	if o.Variant != solve.AsGiven {
		all = append(all, "variant")
	}
	if o.family != e.Family() {
		all = append(all, "family")
	}
	if e.otherPort() != 0 {
		all = append(all, "other-ssh-port")
	}
	return all
}

// settingCauses are settings that differ, where the hour does not. Of several the
// first is the verdict, which changes all.
func settingCauses() []cause {
	row := func(id ID, code Code) cause {
		return cause{ID: id, Code: code, When: func(e *Evidence) bool {
			o, ok := e.opened()
			return ok && e.Outcome() == CandidateOpens && o.Offset == 0 && slices.Index(differences(e, o), id) == 0
		}, Likelihood: (*Evidence).trust, Detail: settingDetail, Change: settingChange}
	}
	return []cause{row("range", RangeMismatch), row("variant", SecretVariant), row("family", FamilyMismatch)}
}

func settingDetail(e *Evidence) (d Detail) {
	o, _ := e.opened()
	for _, id := range differences(e, o) {
		switch id {
		case "range":
			d.ServerRange = o.Range
		case "variant":
			d.Variant = o.Variant
		case "family":
			d.Works = o.family
		}
	}
	return d
}

func settingChange(e *Evidence) hosts.Change {
	d := settingDetail(e)
	c := hosts.Change{Range: d.ServerRange, Family: d.Works, SSHPort: e.otherPort()}
	if s := e.Scan; s != nil && s.Gap > e.Target.Gap { // without it nothing opened
		c.Gap = s.Gap
	}
	return c
}
