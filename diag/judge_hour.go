package diag

import (
	"fmt"
	"strings"
	"time"

	"rapport/diag/clock"
	"rapport/knock"
	"rapport/knock/hosts"
	"rapport/knock/phrase"
)

// hourJudge explains why the server expects the sequence of another hour.
type hourJudge struct {
	evidence
	opening
	hours int           // the server's hour minus this machine's own
	skew  time.Duration // the best known value for the entry's skew
	later bool          // the server's hour is later than the client's
	known bool          // a source tells the server's clock
	local bool          // NTP tells how far this machine's clock is off
}

// otherHour says which clock, or which rules, make another hour open the gate.
// The first explanation is the likeliest.
func (e evidence) otherHour(o opening) []explanation {
	j := hourJudge{evidence: e, opening: o, hours: o.Hour.Sub(knock.HourOf(e.now)), later: o.Offset > 0}
	j.skew = time.Duration(j.hours) * time.Hour
	j.known = e.clock != nil && e.clock.Known
	j.local = e.clock != nil && e.clock.Local.Known
	if j.known {
		if s, ok := e.clock.RoundSkew(); ok && knock.HourOf(e.now.Add(s)) == o.Hour {
			j.skew = s
		}
	}
	if f, ok := j.clientClock(); ok {
		return []explanation{f}
	}
	if k := e.target.Skew; k != 0 && j.hours == 0 {
		f := j.explain(j.pick(HourBehind, HourAhead), 0.95, fmt.Sprintf("the skew set here, %s, is wrong: the server is in this machine's own hour", phrase.Duration(k)), "", "without that skew the handshake opens")
		f.Fix = "set the skew here to " + phrase.Duration(j.skew)
		return []explanation{f}
	}
	if !j.known {
		what := "an earlier"
		if j.later {
			what = "a later"
		}
		return []explanation{j.explain(j.pick(HourBehind, HourAhead), 0.95, fmt.Sprintf("the server is at %s hour, %+d h: %s", what, o.Offset, j.expects()),
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
func (j hourJudge) clientClock() (explanation, bool) {
	if !j.local {
		return explanation{}, false
	}
	l := j.clock.Local
	off := clock.Interval{Low: l.Offset - l.Uncertainty, High: l.Offset + l.Uncertainty}
	if !j.allows(off, j.Hour) || knock.HourOf(j.now.Add(l.Offset)) == knock.HourOf(j.now.Add(j.target.Skew)) {
		return explanation{}, false
	}
	code := ClientBehind
	if l.Offset < 0 {
		code = ClientAhead
	}
	if !j.known && knock.HourOf(j.now.Add(l.Offset.Round(time.Second))) == j.Hour {
		j.skew = l.Offset.Round(time.Second)
	}
	return j.explain(code, 0.95, fmt.Sprintf("this machine's clock is %s: the server's hour is %s", phrase.Ahead(-l.Offset.Round(time.Second)), clock.ShortHour(j.Hour)),
		"set this machine's clock: timedatectl set-ntp true; ", "by NTP it is off by "+phrase.Offset(-l.Offset)), true
}

// serverClock blames the server's clock, and this machine's as well where no NTP
// server vouches for it.
func (j hourJudge) serverClock() []explanation {
	main := j.explain(j.pick(ServerBehind, ServerAhead), 0.95, fmt.Sprintf("the server's clock is %s: %s", phrase.Ahead(j.clock.Skew.Round(time.Second)), j.expects()),
		"on the server: timedatectl set-ntp true; ", j.clockEvidence())
	if j.local {
		main.Evidence = append(main.Evidence, "this machine's clock is right, as NTP says")
		return []explanation{main}
	}
	main.Likelihood = 0.8
	return []explanation{main, j.explain(j.pick(ClientAhead, ClientBehind), 0.15, "this machine's clock is the wrong one", "set this machine's clock; ", "it was not compared with anything: no NTP server is configured or was asked")}
}

// pick returns the code for a server whose hour is earlier or later.
func (j hourJudge) pick(earlier, later Code) Code {
	if j.later {
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
	say := " say"
	if len(names) == 1 {
		say = " says"
	}
	return fmt.Sprintf("the server's clock is off by %s, as %s", phrase.Offset(j.clock.Skew), strings.Join(names, ", ")+say)
}

// allows reports whether a clock that is off by some offset of i may be in the
// hour.
func (e evidence) allows(i clock.Interval, h knock.Hour) bool {
	return knock.HourOf(e.now.Add(i.Low)).Sub(h) <= 0 && knock.HourOf(e.now.Add(i.High)).Sub(h) >= 0
}
