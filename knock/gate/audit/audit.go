// Package audit plays attacks and accidents against the gate in a server's rules, and
// says what each would cost. No packet leaves the machine: all of it happens on a
// [machine.Machine], in virtual time.
//
// [Run] returns a [Report], which is its own JSON and prints itself as text. [Names]
// are the checks.
package audit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"rapport/knock"
	"rapport/knock/gate"
	"rapport/knock/gate/report"
	"rapport/knock/gate/stranger"
	"rapport/knock/gate/trace"
	"rapport/knock/netfilter/machine"
)

// Status is the result of a check.
type Status string

// The results, the best first.
const (
	OK      Status = "ok"
	Unknown Status = "unknown" // the rules alone do not tell
	Warn    Status = "warn"    // it works, but not always, or at a price
	Fail    Status = "fail"    // the gate opens to others, or not to its owner
)

// rank orders results, the best first.
var rank = []Status{OK, Unknown, Warn, Fail}

// Cost is what an attack takes, or what an accident costs. Zero is nothing.
type Cost struct {
	Packets int     `json:"packets"`
	Seconds float64 `json:"seconds"`
	Chance  float64 `json:"chance"` // that it succeeds
}

// Check is the result of one check.
type Check struct {
	ID      string       `json:"id"`
	Status  Status       `json:"status"`
	Summary string       `json:"summary"`
	Fix     string       `json:"fix"` // empty where nothing is wrong
	Cost    Cost         `json:"cost"`
	Trace   *trace.Trace `json:"trace,omitempty"` // of a handshake that does not open
}

// Report is what an audit found. Its names are a contract: others read them.
type Report struct {
	Schema  int                  `json:"schema"` // 1
	Gate    *report.ReportedGate `json:"gate"`   // nil where there is none
	Checks  []Check              `json:"checks"`
	Elapsed knock.Millis         `json:"elapsed_ms"` // left to the caller
}

// Failed returns the names of the checks that failed.
func (r Report) Failed() (ids []string) {
	for _, c := range r.Checks {
		if c.Status == Fail {
			ids = append(ids, c.ID)
		}
	}
	return ids
}

// Unknown returns the reason and what to do, if no check of a gate came to a result.
func (r Report) Unknown() string {
	why := ""
	for _, c := range r.Checks {
		i := slices.IndexFunc(checks, func(o check) bool { return o.id == c.ID })
		switch {
		case checks[i].run == nil:
		case c.Status != Unknown:
			return ""
		case why == "":
			why = c.Summary + ": " + c.Fix
		}
	}
	return why
}

// Request says what to audit. Fields that are zero are not known.
type Request struct {
	Findings   gate.Findings
	Inspection gate.Inspection // of them
	Range      knock.Range     // that the server's ports are drawn from
	Secret     knock.Secret
	Hour       knock.Hour // of now, with Secret
	SSHPort    int
	ListTotal  int // the machine's ip_list_tot
	Rate       int // packets a second, in place of the usual ones
	Names      []string
}

// check is an entry of the table of checks.
type check struct {
	id    string
	about string               // in a few words, after the name
	run   func(*stage) Check   // at the gate of each family
	whole func(*Request) Check // at all rules, in place of run
}

// checks is the table, in the order in which results are printed.
var checks = []check{
	{"no-knock", "SSH without a knock", nil, noKnock},
	{"handshake", "the handshake, at once", handshake, nil},
	{"spread", "with the longest pauses", spread, nil},
	{"doubled", "each knock twice", doubled, nil},
	{"reordered", "two knocks exchanged", reordered, nil},
	{"hour-change", "across the hour change", hourChange, nil},
	{"partial", "a knock left out", partial, nil},
	{"wrong", "sequences by chance", wrongSequences, nil},
	{"replay", "from another address", replay, nil},
	{"sweep", "of all ports", sweep, nil},
	{"flood", "first knocks of others", flood, nil},
	{"spoofed", "wrong SYNs in the owner's name", spoofed, nil},
	{"session", "longer than the window", session, nil},
	{"earlier-session", "from before the rules", earlierSession, nil},
	{"refresh-missed", "for three hours", refreshMissed, nil},
	{"reboot", "before setup has run", nil, reboot},
}

// Names returns the names of all checks.
func Names() (all []string) {
	for _, c := range checks {
		all = append(all, c.id)
	}
	return all
}

// About says in a few words what a check plays, to stand after its name.
func About(name string) string {
	i := slices.IndexFunc(checks, func(c check) bool { return c.id == name })
	if i < 0 {
		return ""
	}
	return checks[i].about
}

// ErrName is wrapped by the error of Run for a check that does not exist.
var ErrName = errors.New("no such check")

// Run runs the checks that the request names, or all. It fails when ctx ends, and for
// unknown names.
func Run(ctx context.Context, r Request) (Report, error) {
	said := Report{Schema: 1, Gate: report.Of(r.Inspection).Gate, Checks: []Check{}}
	for _, name := range r.Names {
		if !slices.Contains(Names(), name) {
			return said, fmt.Errorf("%w as %q: give one of %s", ErrName, knock.Clean(name, 40), strings.Join(Names(), ", "))
		}
	}
	if made := r.Inspection.Range(); made.IsValid() {
		r.Range = made // what the rules were made with, whatever the client has
	}
	var stages []*stage
	for i := range r.Findings.Gates {
		stages = append(stages, newStage(ctx, &r, &r.Findings.Gates[i]))
	}
	for _, c := range checks {
		if len(r.Names) > 0 && !slices.Contains(r.Names, c.id) {
			continue
		}
		o := r.one(c, stages)
		if ctx.Err() != nil { // what it says is of packets that were not played
			return said, context.Cause(ctx)
		}
		said.Checks = append(said.Checks, o)
	}
	return said, nil
}

// one runs a check at the gates of all families.
func (r *Request) one(c check, stages []*stage) Check {
	var o Check
	switch {
	case c.whole != nil:
		o = c.whole(r)
	case len(stages) == 0:
		o = unknown("these rules hold no gate", "rapport inspect says what they hold")
		if i := slices.IndexFunc(r.Inspection.Problems, func(p gate.Problem) bool { return p.Code == "no-gate" }); i >= 0 {
			o = unknown(r.Inspection.Problems[i].Summary, r.Inspection.Problems[i].Fix)
		}
	default:
		all := make([]Check, len(stages))
		var both sync.WaitGroup
		for i, s := range stages {
			both.Go(func() { all[i] = s.judge(c) })
		}
		both.Wait()
		o = merge(stages, all)
	}
	o.ID = c.id
	return o
}

// judge runs a check where it has a meaning.
func (s *stage) judge(c check) Check {
	switch {
	case !s.gate.Played():
		return unknown(fmt.Sprintf("this script of rapport rules was changed at line %d, or another version printed it: its rules are there only when its setup has run", s.Findings.Printed.Changed),
			"print it anew, or run setup on a test machine, and audit what "+s.Findings.Printed.Dump()+" there")
	case c.id == "handshake":
	case s.free == machine.Yes:
		return unknown("SSH is open without a knock", "see no-knock")
	case s.opens != machine.Yes:
		return unknown("the handshake does not open SSH in these rules", "see handshake")
	}
	work, bounded := 2*checkWork, *s
	bounded.work = &work
	if o := c.run(&bounded); work > 0 {
		return o
	}
	return unknown("given up: packets meet too many of these rules", "audit the gate's own chains and those that lead to them")
}

// merge returns the worst of the results of the families, with its family where the
// results differ.
func merge(stages []*stage, all []Check) Check {
	worst := 0
	differ := false
	for i, c := range all {
		differ = differ || c.Status != all[0].Status
		if slices.Index(rank, c.Status) > slices.Index(rank, all[worst].Status) {
			worst = i
		}
	}
	o := all[worst]
	if differ {
		o.Summary = fmt.Sprintf("IPv%s: %s", stages[worst].gate.Family, o.Summary)
	}
	return o
}

func unknown(summary, fix string) Check { return Check{Status: Unknown, Summary: summary, Fix: fix} }

// noKnock connects to SSH without a knock, in both families, from sources and by
// interfaces that rules name.
func noKnock(r *Request) Check {
	port := cmp.Or(r.SSHPort, knock.DefaultSSHPort)
	if g, ok := r.Findings.Gate(); ok {
		port = cmp.Or(g.SSHPort, port)
	}
	var open, allowed, unshown []string
	tried := 0
	for _, family := range []knock.Family{knock.Family4, knock.Family6} {
		v6 := family == knock.Family6
		rules, local := r.Findings.Rules()
		if rules == nil || !rules.Shown(v6) && !local {
			unshown = append(unshown, "IPv"+string(family))
			continue
		}
		if !rules.Shown(v6) { // this machine has no rules for it, so that all are let in
			open = append(open, "IPv"+string(family))
			continue
		}
		for _, s := range stranger.All(rules, v6) {
			tried++
			opened, line := r.Findings.Connect(family, s, port)
			switch {
			case opened == machine.Unknown:
				unshown = append(unshown, who(family, s, 0))
			case opened == machine.Yes && !s.Limited():
				open = append(open, who(family, s, line))
			case opened == machine.Yes:
				allowed = append(allowed, who(family, s, line))
			}
		}
	}
	for _, g := range r.Findings.Gates {
		if how := g.WithoutGate(); how != "" && len(open) == 0 {
			open = append(open, fmt.Sprintf("IPv%s %s", g.Family, how))
		}
	}
	switch {
	case len(open) > 0:
		return Check{Status: Fail, Summary: fmt.Sprintf("SSH at port %d opens without a knock: %s", port, strings.Join(open, "; ")),
			Fix: fmt.Sprintf("drop new connections to port %d behind the accept rule, in both families", port), Cost: Cost{1, 0, 1}}
	case len(allowed) > 0:
		return Check{Status: Warn, Summary: fmt.Sprintf("SSH at port %d needs no knock for some: %s", port, strings.Join(allowed, "; ")), Fix: "if that is not meant, remove the rules that accept them", Cost: Cost{1, 0, 1}}
	case len(unshown) > 0:
		return unknown("whether SSH needs a knock is not shown for "+strings.Join(slices.Compact(unshown), ", "), "give the whole output of iptables-save and of ip6tables-save, one behind the other")
	}
	return Check{Status: OK, Summary: fmt.Sprintf("SSH at port %d is closed without a knock, in %d ways to connect", port, tried)}
}

// who describes a stranger who got in.
func who(family knock.Family, s stranger.Stranger, line int) string {
	text := strings.TrimSpace("IPv" + string(family) + " " + s.String())
	if line > 0 {
		text += fmt.Sprintf(" (line %d)", line)
	}
	return text
}

// reboot says what is there before setup has run.
func reboot(r *Request) Check {
	const fix = "run setup at boot, before sshd: rapport rules HOST --systemd or --cron"
	if r.Findings.Kind == gate.FromScript {
		return Check{Status: Warn, Summary: "after a reboot SSH is open to all until this script has run, unless another firewall is loaded by then", Fix: fix}
	}
	return unknown("what a reboot leaves until setup has run does not show in rules", fix)
}
