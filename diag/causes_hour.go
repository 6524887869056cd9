package diag

import (
	"time"

	"rapport/diag/clock"
	"rapport/knock"
	"rapport/knock/hosts"
)

// sight is what the clocks say of the hour that opened the gate.
func (e *Evidence) sight() clock.Sight {
	o, ok := e.opened()
	if !ok || o.Offset == 0 || e.Outcome() != CandidateOpens {
		return clock.OwnHour
	}
	return e.Clocks().Sight(e.client(), o.Hour)
}

// client is what a sight depends on besides the server.
func (e *Evidence) client() clock.Client {
	return clock.Client{Now: e.Now, Skew: e.Target.Skew, IsServer: e.OwnAddr}
}

// clocksAgree reports whether a clock shows the hour that opened the gate: then it was hardly
// somebody else who opened it.
func (e *Evidence) clocksAgree() bool {
	s := e.sight()
	return s == clock.ClientProven || s == clock.Agrees
}

// restOfHours names what remains where this machine's clock explains a part of the
// hours alone.
func (e *Evidence) restOfHours() ID {
	switch c := e.Clocks(); {
	case c.Known && (c.Skew-c.Local.Offset).Abs() < clock.FarOff:
		return "rules-stale"
	case c.Known:
		return "server-clock-also"
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

// hourSkew is the best known value for the entry's skew, where another hour opens
// the gate.
func (e *Evidence) hourSkew() time.Duration {
	o, _ := e.opened()
	c := e.Clocks()
	if s, ok := c.RoundSkew(); ok && knock.HourOf(e.Now.Add(s)) == o.Hour {
		return s
	}
	if off := c.Local.Offset.Round(time.Second); c.Local.Known && !c.Known && c.Local.Off(e.client(), o.Hour) && knock.HourOf(e.Now.Add(off)) == o.Hour {
		return off
	}
	return time.Duration(o.Hour.Sub(knock.HourOf(e.Now))) * time.Hour
}

// hourCauses are why a server expects the sequence of another hour.
func hourCauses() []cause {
	row := func(id ID, earlier, later Code, s clock.Sight, likelihood func(*Evidence) float64) cause {
		return cause{ID: id, Code: earlier, Later: later, When: func(e *Evidence) bool { return e.sight() == s }, Likelihood: func(e *Evidence) float64 {
			return likelihood(e) * e.trust()
		}, Detail: hourDetail, Change: hourChange}
	}
	also := row("client-clock-also", "", "", clock.ClientAlso, surely)
	also.CodeOf = clientCode
	byClock := func(earlier, later Code) func(*Evidence) Code { // not by the hour: a skew may be set here
		return func(e *Evidence) Code {
			if e.Clocks().Skew > 0 {
				return later
			}
			return earlier
		}
	}
	told := func(e *Evidence) bool { return e.Clocks().Local.Known } // by NTP, that this machine's clock is right
	server, client := row("server-clock", "", "", clock.Agrees, surely), row("client-clock", "", "", clock.Agrees, unless(told, unseen))
	server.CodeOf, client.CodeOf = byClock(ServerBehind, ServerAhead), byClock(ClientAhead, ClientBehind)
	another := row("clock-another", ServerBehind, ServerAhead, clock.HourPassed, surely)
	another.When = func(e *Evidence) bool {
		s := e.sight()
		return (s == clock.HourPassed || s == clock.HourToCome) && !e.OwnAddr && e.Clocks().WebAlone()
	}
	return []cause{
		also,
		row("client-clock-proven", ClientAhead, ClientBehind, clock.ClientProven, surely),
		row("hour-elsewhere", HourBehind, HourAhead, clock.Elsewhere, surely),
		row("clock-doubtful", ServerBehind, ServerAhead, clock.Disagree, surely),
		row("stale-doubtful", RulesStale, HourAhead, clock.Disagree, surely),
		row("skew-here", HourBehind, HourAhead, clock.SkewWrong, surely),
		{ID: "hour-unknown", Code: HourBehind, Later: HourAhead, When: func(e *Evidence) bool {
			return e.sight() == clock.Unknown || e.sight() == clock.Disagree
		}, Likelihood: (*Evidence).trust, Detail: hourDetail, Change: hourChange},
		server,
		{ID: "server-clock-also", When: func(*Evidence) bool { return false }, CodeOf: func(e *Evidence) Code { // a part of another verdict
			if c := e.Clocks(); c.Skew > c.Local.Offset {
				return ServerAhead
			}
			return ServerBehind
		}},
		client,
		row("rules-stale", RulesStale, "", clock.HourPassed, surely),
		another,
		row("rules-zone", HourBehind, "", clock.HourPassed, zoneLikelihood),
		row("rules-zone-east", HourBehind, HourAhead, clock.HourToCome, surely),
		{ID: "hours-ahead", Code: HourAhead, When: func(e *Evidence) bool {
			return e.Outcome() == StaysShut && e.Future == 0 && (e.Rules == nil || e.Rules.Candidate() == nil && !e.rulesProve())
		}, Likelihood: func(e *Evidence) float64 {
			likelihood := e.neverOpened()
			switch known := e.Clocks().Known; {
			case known && e.clockAhead(): // its hour was tried
				likelihood *= possible
			case known: // then rules were made in another time zone
				likelihood *= usual
			}
			return likelihood
		}},
	}
}

// clockAhead reports whether the server's clock is in a later hour than this client's: that was tried.
func (e *Evidence) clockAhead() bool { return e.Clocks().Ahead(e.client()) }

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
	case o.tried > 0 && e.Scan != nil && e.Scan.Endless: // nor did it shut again: others may hold it open
		if o.Offset != 0 && len(differences(e, o)) > 0 {
			return rare
		}
		return possible * usual
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
