package diag

import (
	"cmp"
	"math"
	"slices"
	"time"

	"rapport/diag/prior"
	"rapport/knock"
	"rapport/knock/hosts"
	"rapport/knock/solve"
)

// ID names a row of the table of causes, and its text. Several may share a code.
type ID string

// cause is a row of the table of causes: a new cause is a row here, its prior and
// its text.
type cause struct {
	ID   ID
	Code Code
	// Later is the code instead where the server is at a later hour than this client.
	Later Code
	// CodeOf, if not nil, decides instead of both.
	CodeOf func(*Evidence) Code
	// When says that the evidence leaves room for the cause.
	When func(*Evidence) bool
	// Likelihood is how probable it would be under the cause to see what was seen.
	Likelihood func(*Evidence) float64
	Detail     func(*Evidence) Detail       // nil for none
	Change     func(*Evidence) hosts.Change // what this side can change; nil for nothing
}

// How probable it would be under a cause to see what was seen.
const (
	always   = 0.98  // it cannot look otherwise, but for a coincidence
	usual    = 0.6   // it mostly looks like this
	possible = 0.2   // it may look like this
	rare     = 0.03  // it hardly ever looks like this
	unseen   = 0.001 // only a coincidence would make it look like this
)

// surely is the likelihood of a cause that cannot look otherwise.
func surely(*Evidence) float64 { return always }

// causes is the table.
func causes() []cause {
	return slices.Concat(pathCauses(), sshCauses(), hourCauses(), settingCauses(), openQuestions())
}

// Judge ranks the causes that the evidence allows, the likeliest first; that is the
// verdict, and there is always one. The shares are Bayes' rule over the table: prior
// times likelihood, of the sum of all, the last row being everything that is not in
// it.
func (e *Evidence) Judge() (Verdict, []Cause) {
	type weighed struct {
		cause
		weight float64
	}
	var all []weighed
	sum := 0.0
	for _, c := range causes() {
		if c.When(e) {
			w := weighed{c, prior.Of(string(c.ID)) * c.Likelihood(e)}
			all, sum = append(all, w), sum+w.weight
		}
	}
	slices.SortStableFunc(all, func(a, b weighed) int { return cmp.Compare(b.weight, a.weight) })
	ranked := []Cause{}
	for i, w := range all {
		share := w.weight / sum
		if i > 0 && share < leastShare {
			break
		}
		ranked = append(ranked, Cause{ID: w.ID, Code: w.code(e), Likelihood: math.Floor(1000*min(share, mostShare)) / 1000, Change: e.verdict(w.cause).Change})
	}
	v := e.verdict(all[0].cause)
	for _, id := range append(slices.Clone(v.Also), v.Then) {
		for _, c := range causes() {
			if c.ID == id { // it holds with the verdict, which has its share but for this
				ranked[0].Likelihood -= partShare
				ranked = append(ranked, Cause{ID: id, Code: c.code(e), Likelihood: partShare})
			}
		}
	}
	return v, ranked
}

const (
	leastShare = 0.02 // below this a cause is not worth a line
	partShare  = 0.01 // of a cause that is a part of the verdict
	mostShare  = 0.99 // no verdict is surer than the program is right
)

// code is the cause's code for the direction of the server's hour.
func (c cause) code(e *Evidence) Code {
	if c.CodeOf != nil {
		return c.CodeOf(e)
	}
	if o, ok := e.opened(); ok && o.Offset > 0 && c.Later != "" {
		return c.Later
	}
	return c.Code
}

// verdict is a cause with all that has to change besides, and what comes next.
func (e *Evidence) verdict(c cause) Verdict {
	v := Verdict{ID: c.ID, Code: c.code(e)}
	if c.Detail != nil {
		v.Detail = c.Detail(e)
	}
	if c.Change != nil {
		v.Change = c.Change(e)
	}
	if e.Outcome() == SSHBehind && e.SlowReached() {
		v.Also, v.Change = []ID{"rate-limited"}, hosts.Change{Gap: time.Duration(e.Slow.Attempts[0].Gap)}
	}
	o, found := e.opened()
	if !found || c.Change == nil || e.Outcome() != CandidateOpens {
		return v
	}
	if o.Variant != solve.AsGiven { // nothing on this side opens it
		v.Change = hosts.Change{}
	}
	if c.ID == "client-clock-also" {
		v.Also = append(v.Also, e.restOfHours())
	}
	for _, s := range differences(e, o) {
		if s != c.ID {
			v.Also = append(v.Also, s)
		}
	}
	if e.Limited != knock.SSHUnknown {
		v.Also = append(v.Also, "ssh-limited")
	}
	if o.tried == 0 && e.rulesFailed() { // it takes more than this change
		v.Also, v.Change = append(v.Also, "not-arriving"), hosts.Change{}
	}
	if v.Then = e.behindGate(o.ssh); v.Then != "" {
		v.Detail.Text = o.ssh.Banner
	}
	return v
}
