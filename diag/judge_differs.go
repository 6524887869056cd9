package diag

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"rapport/diag/clock"
	"rapport/knock"
	"rapport/knock/hosts"
	"rapport/knock/phrase"
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

// hourJudge explains why the server expects the sequence of another hour.
type hourJudge struct {
	evidence
	opening
	skew time.Duration // the best known value for the entry's skew
}

// otherHour says which clock, or which rules, make another hour open the gate.
// The first explanation is the likeliest.
func (e evidence) otherHour(o opening) []explanation {
	hours := o.Hour.Sub(knock.HourOf(e.now)) // the server's minus this machine's own
	j := hourJudge{evidence: e, opening: o, skew: time.Duration(hours) * time.Hour}
	if s, ok := e.clock.RoundSkew(); ok && knock.HourOf(e.now.Add(s)) == o.Hour {
		j.skew = s
	}
	if f := j.clientClock(); f != nil {
		return f
	}
	if k := e.target.Skew; k != 0 && hours == 0 {
		f := j.explain(pick(j, HourBehind, HourAhead), 0.95, "the skew set here, "+phrase.Duration(k)+", is wrong: the server is in this machine's own hour", "", "without that skew the handshake opens")
		f.Fix = "set the skew here to " + phrase.Duration(j.skew)
		return []explanation{f}
	}
	if !j.clock.Known {
		what := pick(j, "an earlier", "a later")
		return []explanation{j.explain(pick(j, HourBehind, HourAhead), 0.95, fmt.Sprintf("the server is at %s hour, %+d h: %s", what, o.Offset, j.expects()),
			"on the server: see whether its clock is right (date -u), and whether the rules are refreshed each hour; ", "no source tells the server's clock")}
	}
	i := e.clock.Interval()
	switch {
	case e.allows(i, o.Hour):
		return j.serverClock()
	case o.Hour.Sub(knock.HourOf(e.now.Add(i.Low))) < 0:
		return []explanation{
			j.explain(RulesStale, 0.9, fmt.Sprintf("the server's rules are stale: %s, though its clock is right", j.expects()),
				"on the server: run the gate's refresh, and see why its timer or cron job did not; ", j.clockEvidence(), "by that clock, the hour of the rules is over"),
			j.explain(HourBehind, 0.1, "the server's rules are of an earlier hour", "on the server: see that the rules are made with the UTC hour (date -u); ", "rules made in a time zone to the west look the same"),
		}
	}
	return []explanation{j.explain(HourAhead, 0.9, fmt.Sprintf("the server's rules are of a later hour: %s, though its clock is right", j.expects()),
		"on the server: see that the rules are made with the UTC hour (date -u); ", j.clockEvidence(), "rules made in a time zone to the east look the same")}
}

// clientClock blames this machine's clock where NTP shows that it is wrong and
// that the right time is in the server's hour.
func (j hourJudge) clientClock() []explanation {
	l := j.clock.Local
	off := clock.Interval{Low: l.Offset - l.Uncertainty, High: l.Offset + l.Uncertainty}
	if !l.Known || !j.allows(off, j.Hour) || knock.HourOf(j.now.Add(l.Offset)) == knock.HourOf(j.now.Add(j.target.Skew)) {
		return nil
	}
	code := ClientBehind
	if l.Offset < 0 {
		code = ClientAhead
	}
	if !j.clock.Known && knock.HourOf(j.now.Add(l.Offset.Round(time.Second))) == j.Hour {
		j.skew = l.Offset.Round(time.Second)
	}
	return []explanation{j.explain(code, 0.95, fmt.Sprintf("this machine's clock is %s: the server's hour is %s", phrase.Ahead(-l.Offset.Round(time.Second)), clock.ShortHour(j.Hour)),
		"set this machine's clock: timedatectl set-ntp true; ", "by NTP it is off by "+phrase.Offset(-l.Offset))}
}

// serverClock blames the server's clock, and this machine's as well where no NTP
// server vouches for it.
func (j hourJudge) serverClock() []explanation {
	main := j.explain(pick(j, ServerBehind, ServerAhead), 0.95, fmt.Sprintf("the server's clock is %s: %s", phrase.Ahead(j.clock.Skew.Round(time.Second)), j.expects()),
		"on the server: timedatectl set-ntp true; ", j.clockEvidence())
	if j.clock.Local.Known {
		main.Evidence = append(main.Evidence, "this machine's clock is right, as NTP says")
		return []explanation{main}
	}
	main.Likelihood = 0.8
	return []explanation{main, j.explain(pick(j, ClientAhead, ClientBehind), 0.15, "this machine's clock is the wrong one", "set this machine's clock; ", "it was not compared with anything: no NTP server is configured or was asked")}
}

// pick returns what fits a server whose hour is earlier than the client's, or later.
func pick[T any](j hourJudge, earlier, later T) T {
	if j.Offset > 0 {
		return later
	}
	return earlier
}

// explain returns an explanation with the skew that opens the gate. fix ends
// with "; " or is empty.
func (j hourJudge) explain(code Code, likelihood float64, summary, fix string, evidence ...string) explanation {
	until := "until then apply skew " + phrase.Duration(j.skew) + " here"
	switch code {
	case RulesStale:
		until = fmt.Sprintf("until the hour changes, and no longer, skew %s opens it", phrase.Duration(j.skew))
	case HourAhead, HourBehind:
		until += ", which is known to the hour only: a zone with half hours needs another"
	}
	return explanation{Verdict{code, summary, fix + until, Detail{HourOffset: &j.Offset, Skew: new(Seconds(j.skew))}, hosts.Change{Skew: &j.skew}}, likelihood, evidence}
}

func (j hourJudge) expects() string {
	return "it expects the sequence of " + clock.ShortHour(j.Hour)
}

// clockEvidence says how far the server's clock is off, and which sources say so.
func (j hourJudge) clockEvidence() string {
	var names []string
	for _, r := range j.clock.Sources {
		if r.Of == clock.Server && r.Err == nil && !r.Outvoted {
			names = append(names, r.Name)
		}
	}
	say := "say"
	if len(names) == 1 {
		say = "says"
	}
	return fmt.Sprintf("the server's clock is off by %s, as %s %s", phrase.Offset(j.clock.Skew), strings.Join(names, ", "), say)
}

// allows reports whether a clock that is off by some offset of i may be in the
// hour.
func (e evidence) allows(i clock.Interval, h knock.Hour) bool {
	return knock.HourOf(e.now.Add(i.Low)).Sub(h) <= 0 && knock.HourOf(e.now.Add(i.High)).Sub(h) >= 0
}
