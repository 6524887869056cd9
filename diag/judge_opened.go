package diag

import (
	"fmt"
	"time"

	"rapport/diag/clock"
	"rapport/diag/scan"
	"rapport/knock"
	"rapport/knock/gate"
	"rapport/knock/gate/script"
	"rapport/knock/hosts"
	"rapport/knock/solve"
)

// differs says what the server has that this client has not, since o opens it.
// Several things may differ: then the first is the verdict, and its fix is for
// all.
func (e evidence) differs(o opening) []explanation {
	var found []explanation
	if o.Offset != 0 {
		found = append(found, e.otherHour(o)...)
	}
	if o.Range != e.target.Range {
		found = append(found, explanation{
			Cause:   Cause{RangeMismatch, 0.95, nil},
			summary: fmt.Sprintf("the server's range is %v, here it is %v", o.Range, e.target.Range),
			fix:     fmt.Sprintf("take range %v over", o.Range),
			detail:  Detail{ServerRange: o.Range},
			change:  hosts.Change{Range: o.Range},
		})
	}
	if o.Variant != solve.AsGiven {
		found = append(found, explanation{
			Cause:   Cause{SecretVariant, 0.95, nil},
			summary: fmt.Sprintf("the server has the secret %s", o.Variant.Words()),
			fix:     "on the server: write the secret again, in one line as it is kept here",
			detail:  Detail{Variant: o.Variant},
		})
	}
	if o.family != e.family() {
		found = append(found, explanation{
			Cause:   Cause{FamilyMismatch, 0.95, nil},
			summary: fmt.Sprintf("it opens over IPv%s, and not over IPv%s", o.family, e.family()),
			fix:     fmt.Sprintf("take IPv%s over; or give IPv%s the gate too: rapport rules HOST writes both", o.family, e.family()),
			detail:  Detail{Works: o.family},
			change:  hosts.Change{Family: o.family},
		})
	}
	if len(found) == 0 { // the very handshake that failed
		return e.lossy(len(e.handshake.Attempts) + 1)
	}
	first := &found[0]
	main := 0
	for i := 1; i < len(found); i++ {
		if found[i].Likelihood < 0.5 {
			continue // an alternative, not one more
		}
		f := found[i]
		first.summary += "; and " + f.summary
		first.fix += "; " + f.fix
		main = i
		if f.change.Range.IsValid() {
			first.change.Range, first.detail.ServerRange = f.change.Range, f.detail.ServerRange
		}
		if f.change.Family != "" {
			first.change.Family, first.detail.Works = f.change.Family, f.detail.Works
		}
		if f.detail.Variant != "" {
			first.detail.Variant = f.detail.Variant
		}
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

// otherHour tells whose fault it is that another hour opens the gate: the first
// finding is it, the others are what else it may be.
func (e evidence) otherHour(o opening) []explanation {
	hours := o.Hour.Sub(knock.HourOf(e.now)) // whatever skew is known already
	skew := time.Duration(hours) * time.Hour
	expects := fmt.Sprintf("it expects the sequence of %sh", o.Hour.String()[11:])
	offset := o.Offset
	hour := func(code Code, likelihood float64, summary, fix string, evidence ...string) explanation {
		s := skew
		over := "until then take skew " + hosts.FormatDuration(s) + " over"
		switch {
		case code == RulesStale:
			over = fmt.Sprintf("until the hour turns, and no longer, skew %s opens it", hosts.FormatDuration(s))
		case code == HourAhead || code == HourBehind:
			over += ", which is known to the hour only: a zone with half hours needs another"
		}
		return explanation{Cause{code, likelihood, evidence}, summary, fix + over, Detail{HourOffset: &offset, Skew: &s}, hosts.Change{Skew: &s}}
	}
	known := e.clock != nil && e.clock.Known
	if known {
		if s, ok := e.clock.RoundSkew(); ok && knock.HourOf(e.now.Add(s)) == o.Hour {
			skew = s
		}
	}
	local := e.clock != nil && e.clock.Local.Known
	if local {
		l := e.clock.Local
		off := clock.Interval{Low: l.Offset - l.Uncertainty, High: l.Offset + l.Uncertainty}
		if e.allows(off, o.Hour) && knock.HourOf(e.now.Add(l.Offset)) != knock.HourOf(e.now.Add(e.target.Skew)) {
			code := ClientBehind
			if l.Offset < 0 {
				code = ClientAhead
			}
			if !known && knock.HourOf(e.now.Add(l.Offset.Round(time.Second))) == o.Hour {
				skew = l.Offset.Round(time.Second)
			}
			return []explanation{hour(code, 0.95, fmt.Sprintf("this machine's clock is %s: the server's hour is %sh", clock.Ahead(-l.Offset.Round(time.Second)), o.Hour.String()[11:]),
				"set this machine's clock: timedatectl set-ntp true; ", "by NTP it is off by "+clock.FormatOffset(-l.Offset))}
		}
	}
	later := offset > 0
	if k := e.target.Skew; k != 0 && hours == 0 {
		code := HourBehind
		if later {
			code = HourAhead
		}
		f := hour(code, 0.95, fmt.Sprintf("the skew kept here, %s, does not fit: the server is in this machine's own hour", hosts.FormatDuration(k)), "", "without that skew the handshake opens")
		f.fix = fmt.Sprintf("take skew %s over", hosts.FormatDuration(skew))
		return []explanation{f}
	}
	if !known {
		code, what := HourBehind, "an earlier"
		if later {
			code, what = HourAhead, "a later"
		}
		return []explanation{hour(code, 0.95, fmt.Sprintf("the server is at %s hour, %+d h: %s", what, offset, expects),
			"on the server: see whether its clock is right (date -u), and whether the rules are refreshed each hour; ", "no source tells the server's clock")}
	}
	i := e.clock.Interval()
	told := fmt.Sprintf("the server's clock is off by %s, as %s", clock.FormatOffset(e.clock.Skew), sources(e.clock))
	switch {
	case e.allows(i, o.Hour):
		code := ServerBehind
		if later {
			code = ServerAhead
		}
		main := hour(code, 0.95, fmt.Sprintf("the server's clock is %s: %s", clock.Ahead(e.clock.Skew.Round(time.Second)), expects),
			"on the server: timedatectl set-ntp true; ", told)
		out := []explanation{main}
		if !local {
			code := ClientAhead
			if later {
				code = ClientBehind
			}
			main.Likelihood, out[0].Likelihood = 0.8, 0.8
			out = append(out, hour(code, 0.15, "this machine's clock is the wrong one", "set this machine's clock; ", "it was not compared with anything: no NTP server is configured or was asked"))
		} else {
			out[0].Evidence = append(out[0].Evidence, "this machine's clock is right, as NTP says")
		}
		return out
	case o.Hour.Sub(knock.HourOf(e.now.Add(i.Low))) < 0:
		return []explanation{
			hour(RulesStale, 0.9, fmt.Sprintf("the server's rules are stale: %s, though its clock is right", expects),
				"on the server: run the gate's refresh, and see why its timer or cron job did not; ", told, "the rules are of an hour that is over by that clock"),
			hour(HourBehind, 0.1, "the server's rules are of an earlier hour", "on the server: see that the rules are made with the UTC hour (date -u); ", "rules made in a time zone to the west look the same"),
		}
	}
	return []explanation{hour(HourAhead, 0.9, fmt.Sprintf("the server's rules are of a later hour: %s, though its clock is right", expects),
		"on the server: see that the rules are made with the UTC hour (date -u); ", told, "rules made in a time zone to the east look like this")}
}

// allows reports whether a server whose clock is off by as much as i is in the
// hour.
func (e evidence) allows(i clock.Interval, h knock.Hour) bool {
	return knock.HourOf(e.now.Add(i.Low)).Sub(h) <= 0 && knock.HourOf(e.now.Add(i.High)).Sub(h) >= 0
}

// sources names the sources that tell the server's clock.
func sources(c *clock.Report) string {
	s, n := "", 0
	for _, r := range c.Sources {
		if r.Of == clock.Server && r.Err == nil && !r.Outvoted {
			if n > 0 {
				s += ", "
			}
			s += r.Name
			n++
		}
	}
	if n == 1 {
		return s + " says"
	}
	return s + " say"
}

// unexplained is what is left: it says what speaks for what, and which evidence
// is missing.
func (e evidence) unexplained() []explanation {
	h := e.handshake
	f := explanation{Cause: Cause{Unexplained, 0.6, nil}}
	f.summary = "none of the hours, ranges and forms of the secret that were tried opens it: another secret, or the knocks do not arrive"
	f.fix = fmt.Sprintf("compare the secret and the SSH port (%d here) on both sides, and whether the server bans this address; there rapport watch, or tcpdump, shows whether the knocks arrive, and rapport inspect what the rules expect; its rules can be given here: --rules FILE", e.target.Addr.Port())
	if e.scan == nil && (e.rules == nil || !e.rules.OtherSecret()) {
		f.summary = "this hour's handshake does not open it, and other hours, ranges and forms of the secret were not tried"
	}
	say := func(format string, args ...any) { f.Evidence = append(f.Evidence, fmt.Sprintf(format, args...)) }
	if ports, others := answered(h, knock.Silent); len(ports) > 0 && others == 0 {
		say("all knocks stay silent, as at a gate, and SSH is %s", stateText(h.SSH.State))
	} else {
		say("SSH is %s before and after the handshake", stateText(h.SSH.State))
	}
	if others := answersBut(h, h.SSH.State); e.shutState() == knock.SSHUnreachable || e.shutState() == knock.SSHRefused && others {
		say("SSH's port is rejected without a knock: a ban of this address, or a rule for it, does that too")
	}
	if e.scan != nil && e.scan.Opened == nil {
		if e.scan.Stopped != "" {
			say("the scan ended early: %s", e.scan.Stopped)
		} else {
			say("%d hypotheses did not open it, %d hours back and %d ahead", e.scan.Candidates-e.scan.Untried, e.past, e.future)
		}
	}
	if s := e.scan; s != nil && s.BeyondGuard+s.Untried > 0 {
		f.summary += fmt.Sprintf("; of %s a sweep guard leaves that open", knock.Plural(s.BeyondGuard+s.Untried, "candidate"))
	}
	if s := e.scan; s != nil && s.BeyondGuard > 0 {
		say("missing: a gate with a sweep guard forgives %d wrong ports a minute by default, and would have ignored %s of these, unless range and secret are right; sweep_guard in the hosts file or --rules FILE says what it forgives", script.DefaultSweepGuard, knock.Plural(s.BeyondGuard, "hypothesis"))
	}
	if s := e.scan; s != nil && s.Untried > 0 {
		say("missing: %s that there was no time for, since the gate's sweep guard forgives %d wrong ports a minute", knock.Plural(s.Untried, "hypothesis"), e.target.SweepGuard)
	}
	var lossy *explanation
	for _, r := range []*scan.Report{e.scan, e.otherScan} {
		if r != nil && r.Opened != nil {
			say("hour %v, range %v seemed to open it once, and a handshake of its own did not", r.Opened.Hour, r.Opened.Range)
			lossy = &explanation{Cause: Cause{LossyPath, 0.25, []string{"something opened the gate once and not again: packets get lost, or someone else knocked"}}}
		}
	}
	if e.future == 0 {
		say("missing: hours to come were not tried, since an onlooker could use them; --future 26 does")
	}
	if e.clock == nil || !e.clock.Known {
		say("missing: no source tells the server's clock")
	}
	if e.rules == nil {
		say("missing: the server's rules; --rules FILE reads them")
	}
	f.Evidence = append(f.Evidence, e.otherAddresses()...)
	found := []explanation{f}
	if lossy != nil {
		found = append(found, *lossy)
	}
	if e.egress == nil {
		found = append(found, explanation{Cause: Cause{KnocksBlocked, 0.2, []string{"knocks that are dropped on the way look the same as a gate that stays shut"}}})
	}
	if e.future == 0 && (e.rules == nil || e.rules.Candidate() == nil) {
		found = append(found, explanation{Cause: Cause{HourAhead, 0.1, []string{"hours to come were not tried"}}})
	}
	if r := e.rules; r != nil {
		found = e.unexplainedByRules(found, r)
	}
	if g := e.egress; g != nil && !e.blocked() {
		found = append(found, explanation{Cause: Cause{KnocksBlocked, 0.2, []string{
			fmt.Sprintf("%s %s, but so are ports outside the range: this looks like the server's own way", knock.Plural(len(g.ports), "knock"), g.answer)}}})
	}
	return found
}

// answersBut reports whether the knocks were answered in another way than SSH.
func answersBut(h *knock.Report, s knock.SSHState) bool {
	rejected, _ := answered(h, knock.Refused)
	return s == knock.SSHRefused && len(rejected) == 0
}

// unexplainedByRules adds what the server's rules say about a gate that stays
// shut.
func (e evidence) unexplainedByRules(found []explanation, r *gate.Inspection) []explanation {
	f := &found[0]
	switch {
	case r.OtherSecret():
		f.Evidence = append(f.Evidence, "the server's rules are not made with this secret, whatever the hour and range")
		f.Likelihood = 0.95
		f.summary = "the server's rules are made with another secret"
		f.fix = "keep the same secret on both sides"
		return found[:1]
	case r.Candidate() == nil:
		return found
	}
	f.Evidence = append(f.Evidence, "the server's rules expect the very sequence that was sent")
	f.summary = "the server's rules expect what was sent, so the knocks do not arrive, or not from this address"
	f.fix = "on the server rapport watch, or tcpdump, shows whether the knocks arrive, and from which address"
	for _, p := range r.Problems {
		if p.Severity == gate.SeverityError {
			f.Likelihood = 0.9
			f.summary, f.fix = p.Summary, p.Fix
			f.Evidence = append(f.Evidence, p.Summary)
			return found
		}
	}
	if r.Gate.Guarded {
		f.Likelihood = 0.25
		found = append(found, explanation{
			Cause:   Cause{SequenceUsed, 0.7, []string{"the rules have a replay guard, and expect the very sequence that was sent"}},
			summary: "this hour's handshake was used up: the replay guard lets in only addresses that made it already",
			fix:     "wait for the next hour; or raise the guard on the server: rapport rules HOST --replay-guard=N",
		})
	}
	return found
}
