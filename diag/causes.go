package diag

import (
	"cmp"
	"math"
	"slices"
	"time"

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

// prior is how common a cause is among servers that are diagnosed, before anything
// was seen. Only the ratio of causes that look alike matters.
var prior = map[ID]float64{
	"open":         0.30,  // many only want to be sure
	"already-open": 0.03,  // gates get lost in reloads
	"window-left":  0.006, // somebody has just knocked, and the window is longer than known
	"window-long":  0.01,  // windows are chosen once
	"lossy-path":   0.05,  // mobile networks and Wi-Fi

	"dns-failure": 0.05, // a name mistyped, or a resolver that is away
	"no-route":    0.06, // an address mistyped, or a network that is away

	"server-clock":        0.05,  // virtual machines that slept, and boards without a battery
	"client-clock":        0.015, // a desktop's clock shows, and breaks the web besides
	"client-clock-proven": 0.015, // the same
	"client-clock-also":   0.015, // the same
	"rules-stale":         0.08,  // a cron job that failed: nothing else shows it
	"rules-zone":          0.02,  // local time in place of UTC: never worked
	"rules-zone-east":     0.02,  // the same
	"hour-unknown":        0.13,  // server-clock and rules-stale together
	"hour-elsewhere":      0.13,  // the same: the clock that was read is another machine's
	"clock-another":       0.01,  // server-clock, where every fifth web server is not that machine's own
	"clock-doubtful":      0.05,  // server-clock, where its sources contradict each other
	"stale-doubtful":      0.08,  // rules-stale, where they do
	"skew-here":           0.05,  // a skew that outlived its reason
	"hours-ahead":         0.03,  // clocks lag more often than they lead

	"range":          0.06, // two files to keep alike
	"variant":        0.05, // echo without -n, editors, phones
	"family":         0.04, // ip6tables forgotten
	"other-ssh-port": 0.50, // the text of the rules shows it
	"sequence-used":  0.40, // where the rules have the guard, it is the first suspect
	"other-secret":   0.40, // as rules-problem
	"other-rules":    0.12, // a copy of another server, or an old one
	"rules-problem":  0.50, // the text of the rules shows it
	"not-arriving":   0.15, // rules that fit leave the path, or another rule
	"gate-unseen":    0.05, // gates are written by hand
	"strict-unseen":  0.02, // few gates are strict, and another fault has to come besides
	"not-admitted":   0.30, // the text of the rules shows it
	"banned-there":   0.30, // the same
	"order-slips":    0.03, // the same, where the order alone differs

	"ssh-down":          0.05, // or on another port
	"ssh-down-unseen":   0.05, // the same, and the gate rejects as a host without sshd does
	"ssh-refusing":      0.03, // penalties of sshd 9.8
	"refusing-before":   0.03, // the same
	"ssh-limits":        0.03, // MaxStartups, connections that others left
	"ssh-silent":        0.02, // a resolver that sshd waits for, a missing ESTABLISHED rule
	"not-ssh":           0.02, // a web server on the port, a wrong port
	"silent-unknocked":  0.02, // as ssh-silent
	"tarpit":            0.02, // a trap for scanners, or a proxy
	"not-ssh-unknocked": 0.02, // as not-ssh

	"blocked":          0.06, // company networks, hotels
	"intercepted":      0.02, // transparent proxies, tarpits
	"proxied":          0.02, // hosters that fight floods, with another fault besides
	"dropped":          0.05, // as blocked, without an answer
	"ssh-rejected":     0.03, // as blocked, and gates in routers
	"alike":            0.05, // as blocked, and other ports answer like that too
	"some-accept":      0.05, // as intercepted, or a service in front of the gate
	"rate-limited":     0.03, // hosters that fight scans
	"limit-unseen":     0.01, // the same, with another fault besides
	"ssh-limited":      0.03, // ufw limit and its like
	"banned":           0.03, // fail2ban and its like
	"path-gone":        0.02, // mobile networks and Wi-Fi, but rarely just then
	"addresses":        0.03, // VPNs with exceptions, two uplinks
	"addresses-unseen": 0.05, // carriers' NAT
	"pool-luck":        0.05, // the same

	"seemed":        0.08, // a hit that did not repeat is mostly loss where packets get lost
	"lost-twice":    0.03, // a hit that did not repeat: somebody else's knocks, or loss
	"repeated":      0.05, // as lossy-path
	"accepted-once": 0.05, // the same

	"banner-late": 0.30, // as open

	"nothing-tried": 1,    // no other row is possible
	"unexplained":   0.15, // anything else
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
			w := weighed{c, prior[c.ID] * c.Likelihood(e)}
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
