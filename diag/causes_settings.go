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
	if o.tried == 0 && e.OtherPort() != 0 { // else it opened this client's own port
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
	c := hosts.Change{Range: d.ServerRange, Family: d.Works}
	if o, _ := e.opened(); o.tried == 0 {
		c.SSHPort = e.OtherPort()
	}
	switch s := e.Scan; { // without that nothing opened
	case s == nil || s.Opened == nil:
	case s.Gap > e.Target.Gap:
		c.Gap = s.Gap
	case s.Strict:
		c.Strict = !e.Target.Strict
	}
	return c
}
