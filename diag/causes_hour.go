package diag

import (
	"slices"
	"time"

	"rapport/diag/clock"
	"rapport/knock"
	"rapport/knock/hosts"
)

// hourSight is what the clocks say about a gate that another hour opens.
type hourSight int

const (
	ownHour        hourSight = iota // no other hour opens it
	clientProven                    // by NTP this machine's clock is off, and the right time is in the server's hour
	clientAlso                      // by NTP it is off, and the right time is in neither hour
	skewWrong                       // without the skew set here the hours are the same
	clockUnknown                    // no source tells the server's clock
	clocksDisagree                  // its sources contradict each other
	clockAgrees                     // the server's clock is in the hour that opens it
	clockElsewhere                  // the clock that was read fits neither that hour nor this machine's
	hourPassed                      // by the server's clock that hour is over
	hourToCome                      // by the server's clock that hour has not begun
)

// hourSight compares the hour that opened the gate with the clocks.
func (e *Evidence) hourSight() hourSight {
	o, ok := e.opened()
	if !ok || o.Offset == 0 || e.Outcome() != CandidateOpens {
		return ownHour
	}
	c := e.Clocks()
	now := e.Now
	if c.Local.Known {
		now = now.Add(c.Local.Offset)
	}
	i := c.Interval()
	switch {
	case e.clientOff(c.Local, o.Hour):
		return clientProven
	case c.Local.Known && knock.HourOf(now) != knock.HourOf(e.Now.Add(e.Target.Skew)) && e.Target.Skew == 0:
		return clientAlso
	case e.Target.Skew != 0 && o.Hour == knock.HourOf(e.Now):
		return skewWrong
	case e.OwnAddr && o.Offset < 0: // its clock is the one that is used here
		return hourPassed
	case e.OwnAddr:
		return hourToCome
	case !c.Known && len(c.Tellers()) > 1, e.outvotedAgrees(o.Hour):
		return clocksDisagree
	case !c.Known:
		return clockUnknown
	case e.allows(i, o.Hour):
		return clockAgrees
	case e.Now.Add(c.Skew).Sub(now).Abs() > farOff+c.Uncertainty:
		return clockElsewhere
	case o.Hour.Sub(knock.HourOf(e.Now.Add(i.Low))) < 0:
		return hourPassed
	}
	return hourToCome
}

// outvotedAgrees reports whether a source of the server's clock shows that hour, and most others
// another: a router may answer some of them in the server's place.
func (e *Evidence) outvotedAgrees(h knock.Hour) bool {
	return slices.ContainsFunc(e.Clocks().Sources, func(r clock.Reading) bool {
		return r.Of == clock.Server && r.Err == nil && r.Outvoted && r.Name != clock.SourceICMP && e.allows(r.Interval(), h)
	})
}

// clocksAgree reports whether a clock shows the hour that opened the gate: then it was hardly
// somebody else who opened it.
func (e *Evidence) clocksAgree() bool {
	s := e.hourSight()
	return s == clientProven || s == clockAgrees
}

// farOff is how far a server's clock may be off for it to count as right.
const farOff = 30 * time.Minute

// restOfHours names what remains where this machine's clock explains a part of the
// hours alone.
func (e *Evidence) restOfHours() ID {
	if c := e.Clocks(); c.Known && (c.Skew-c.Local.Offset).Abs() < farOff {
		return "rules-stale"
	}
	return "hour-unknown"
}

// clientCode is the code for this machine's clock by what NTP says of it.
func clientCode(e *Evidence) Code {
	if e.Clocks().Local.Offset > 0 {
		return ClientBehind
	}
	return ClientAhead
}

// clientOff reports whether NTP shows that this machine's clock is wrong, and that
// the right time is in the hour h.
func (e *Evidence) clientOff(l clock.LocalClock, h knock.Hour) bool {
	off := clock.Interval{Low: l.Offset - l.Uncertainty, High: l.Offset + l.Uncertainty}
	right := knock.HourOf(e.Now.Add(l.Offset))
	return l.Known && e.allows(off, h) && right != knock.HourOf(e.Now) && right != knock.HourOf(e.Now.Add(e.Target.Skew))
}

// hourSkew is the best known value for the entry's skew, where another hour opens
// the gate.
func (e *Evidence) hourSkew() time.Duration {
	o, _ := e.opened()
	c := e.Clocks()
	if s, ok := c.RoundSkew(); ok && knock.HourOf(e.Now.Add(s)) == o.Hour {
		return s
	}
	if off := c.Local.Offset.Round(time.Second); c.Local.Known && !c.Known && e.clientOff(c.Local, o.Hour) && knock.HourOf(e.Now.Add(off)) == o.Hour {
		return off
	}
	return time.Duration(o.Hour.Sub(knock.HourOf(e.Now))) * time.Hour
}

// hourCauses are why a server expects the sequence of another hour.
func hourCauses() []cause {
	row := func(id ID, earlier, later Code, s hourSight, likelihood func(*Evidence) float64) cause {
		return cause{ID: id, Code: earlier, Later: later, When: func(e *Evidence) bool { return e.hourSight() == s }, Likelihood: func(e *Evidence) float64 {
			return likelihood(e) * e.trust()
		}, Detail: hourDetail, Change: hourChange}
	}
	also := row("client-clock-also", "", "", clientAlso, surely)
	also.CodeOf = clientCode
	byClock := func(earlier, later Code) func(*Evidence) Code { // not by the hour: a skew may be set here
		return func(e *Evidence) Code {
			if e.Clocks().Skew > 0 {
				return later
			}
			return earlier
		}
	}
	server, client := row("server-clock", "", "", clockAgrees, surely), row("client-clock", "", "", clockAgrees, func(e *Evidence) float64 {
		if e.Clocks().Local.Known {
			return unseen // NTP says that it is right
		}
		return always
	})
	server.CodeOf, client.CodeOf = byClock(ServerBehind, ServerAhead), byClock(ClientAhead, ClientBehind)
	another := row("clock-another", ServerBehind, ServerAhead, hourPassed, surely)
	another.When = func(e *Evidence) bool {
		s := e.hourSight()
		return (s == hourPassed || s == hourToCome) && e.webAlone()
	}
	return []cause{
		also,
		row("client-clock-proven", ClientAhead, ClientBehind, clientProven, surely),
		row("hour-elsewhere", HourBehind, HourAhead, clockElsewhere, surely),
		row("clock-doubtful", ServerBehind, ServerAhead, clocksDisagree, surely),
		row("stale-doubtful", RulesStale, HourAhead, clocksDisagree, surely),
		row("skew-here", HourBehind, HourAhead, skewWrong, surely),
		{ID: "hour-unknown", Code: HourBehind, Later: HourAhead, When: func(e *Evidence) bool {
			return e.hourSight() == clockUnknown || e.hourSight() == clocksDisagree
		}, Likelihood: (*Evidence).trust, Detail: hourDetail, Change: hourChange},
		server,
		client,
		row("rules-stale", RulesStale, "", hourPassed, surely),
		another,
		row("rules-zone", HourBehind, "", hourPassed, zoneLikelihood),
		row("rules-zone-east", HourBehind, HourAhead, hourToCome, surely),
		{ID: "hours-ahead", Code: HourAhead, When: func(e *Evidence) bool {
			return e.Outcome() == StaysShut && e.Future == 0 && (e.Rules == nil || e.Rules.Candidate() == nil && !e.rulesProve())
		}, Likelihood: func(e *Evidence) float64 { // rules may be made in another time zone
			return e.neverOpened() * unless(func(e *Evidence) bool { return e.Clocks().Known }, possible)(e)
		}},
	}
}

// webAlone reports whether nothing but a web server tells the server's clock, which may be that
// of another machine.
func (e *Evidence) webAlone() bool {
	return !e.OwnAddr && !slices.ContainsFunc(e.Clocks().Sources, func(r clock.Reading) bool {
		return r.Of == clock.Server && r.Err == nil && r.Name != clock.SourceHTTP && r.Name != clock.SourceHTTPS
	})
}

// zoneLikelihood: no zone is further west of UTC than twelve hours.
func zoneLikelihood(e *Evidence) float64 {
	if o, _ := e.opened(); o.Offset < -12 {
		return unseen
	}
	return always
}

// trust is how probable what was seen of the gate is under a cause that it shows:
// a candidate that opened it again on its own leaves no doubt. Rules say less than
// a gate that opens, and a hit without a confirmation may be somebody else's handshake.
func (e *Evidence) trust() float64 {
	switch o, _ := e.opened(); {
	case o.confirmed:
		return 1
	case o.tried == 0 && (!e.rulesFailed() || e.Shut.Names() != "" || e.Shut.Most):
		return usual
	}
	return possible
}

func hourDetail(e *Evidence) Detail {
	d := settingDetail(e)
	o, _ := e.opened()
	d.HourOffset, d.Skew = &o.Offset, new(Seconds(e.hourSkew()))
	return d
}

func hourChange(e *Evidence) hosts.Change {
	c := settingChange(e)
	c.Skew = new(e.hourSkew())
	return c
}
