package diag

import (
	"fmt"
	"strings"
	"time"

	"rapport/diag/clock"
	"rapport/knock/phrase"
	"rapport/knock/solve"
)

// untilSet is the skew that opens the gate until a clock is set.
func (e *Evidence) untilSet() string {
	if o, _ := e.opened(); o.Variant != solve.AsGiven {
		return "no skew here opens it before the secret is right"
	}
	return "until then apply skew " + phrase.Duration(e.hourSkew()) + " here"
}

// untilKnown is the same where only the hour is known.
func (e *Evidence) untilKnown() string {
	if o, _ := e.opened(); o.Variant != solve.AsGiven {
		return e.untilSet()
	}
	return e.untilSet() + ", in whole hours: its minutes are not known"
}

func (e *Evidence) expects() string {
	o, _ := e.opened()
	return "it expects the sequence of " + clock.ShortHour(o.Hour)
}

// clockEvidence says how far the server's clock is off, and which sources say so.
func (e *Evidence) clockEvidence() string {
	if e.OwnAddr {
		return "the server is this machine, and has its clock"
	}
	var names []string
	for _, r := range e.Clocks().Sources {
		if r.Of == clock.Server && r.Err == nil && !r.Outvoted {
			names = append(names, r.Name)
		}
	}
	say := "say"
	if len(names) == 1 {
		say = "says"
	}
	return fmt.Sprintf("the server's clock is off by %s, as %s %s", phrase.Offset(e.Clocks().Skew), strings.Join(names, ", "), say)
}

// direction is a word for a server at an earlier hour than this client, or a later.
func (e *Evidence) direction(earlier, later string) string {
	if o, _ := e.opened(); o.Offset > 0 {
		return later
	}
	return earlier
}

func clientProvenText(e *Evidence) Text {
	o, _ := e.opened()
	off := -e.Clocks().Local.Offset
	return Text{fmt.Sprintf("this machine's clock is %s: the server's hour is %s", phrase.Ahead(off.Round(time.Second)), clock.ShortHour(o.Hour)),
		"set this machine's clock: timedatectl set-ntp true; " + e.untilSet(), []string{"by NTP it is off by " + phrase.Offset(off), e.howOpened()}}
}

func clientClockText(e *Evidence) Text {
	return Text{"this machine's clock is the wrong one", "set this machine's clock; " + e.untilSet(),
		[]string{"it was not compared with anything: no NTP server is configured or was asked", e.howOpened()}}
}

func skewHereText(e *Evidence) Text {
	return Text{"the skew set here, " + phrase.Duration(e.Target.Skew) + ", is wrong: the server is in this machine's own hour",
		"set the skew here to " + phrase.Duration(e.hourSkew()), []string{"without that skew the handshake opens", e.howOpened()}}
}

func hourUnknownText(e *Evidence) Text {
	o, _ := e.opened()
	return Text{fmt.Sprintf("the server is at %s hour, %+d h: %s", e.direction("an earlier", "a later"), o.Offset, e.expects()),
		"on the server: see whether its clock is right (date -u), and whether the rules are refreshed each hour; " + e.untilKnown(),
		append([]string{e.untoldText(), e.howOpened()}, e.countedWith()...)}
}

// countedWith says from where hours count, where a skew is set here.
func (e *Evidence) countedWith() []string {
	if e.Target.Skew == 0 {
		return nil
	}
	return []string{fmt.Sprintf("hours count from this machine's clock with the skew that is set here, %s", phrase.Duration(e.Target.Skew))}
}

// untoldText says why the server's clock is not known.
func (e *Evidence) untoldText() string {
	names := e.Clocks().Tellers()
	switch {
	case e.OwnAddr:
		return "the server is this machine, and has its clock"
	case len(names) > 1:
		return "the sources of the server's clock disagree: " + strings.Join(names, ", ")
	}
	return "no source tells the server's clock"
}

func serverClockText(e *Evidence) Text {
	c := e.Clocks()
	t := Text{fmt.Sprintf("the server's clock is %s: %s", phrase.Ahead(c.Skew.Round(time.Second)), e.expects()),
		"on the server: timedatectl set-ntp true; " + e.untilSet(), []string{e.clockEvidence()}}
	if c.Local.Known {
		t.Why = append(t.Why, "this machine's clock is right, as NTP says")
	}
	t.Why = append(t.Why, e.howOpened())
	return t
}

// serverClockAlsoText is that of a server's clock that is wrong, as this machine's is.
func serverClockAlsoText(e *Evidence) Text {
	c := e.Clocks()
	return Text{fmt.Sprintf("the server's clock is %s too", phrase.Ahead((c.Skew - c.Local.Offset).Round(time.Second))), "on the server: timedatectl set-ntp true", []string{e.clockEvidence() + ", from this machine's"}}
}

// clockBesides says how right the server's clock is, where its rules are not of its hour, and what
// else there is to do then.
func (e *Evidence) clockBesides() (state, also string) {
	c := e.Clocks()
	if off := c.Skew - c.Local.Offset; off.Abs() > time.Minute+c.Uncertainty {
		return ", and its clock is " + phrase.Ahead(off.Round(time.Second)), "set its clock first: timedatectl set-ntp true; then "
	}
	return ", though its clock is right", ""
}

func rulesStaleText(e *Evidence) Text {
	state, also := e.clockBesides()
	return Text{fmt.Sprintf("the server's rules are stale: %s%s", e.expects(), state),
		"on the server: " + also + "run the gate's refresh, and see why its timer or cron job did not; " +
			fmt.Sprintf("until the hour changes, and no longer, skew %s opens it", phrase.Duration(e.hourSkew())),
		[]string{e.clockEvidence(), "by that clock, the hour of the rules is over", e.howOpened()}}
}

func clockAnotherText(e *Evidence) Text {
	o, _ := e.opened()
	own := fmt.Sprintf("the server's own clock is some %d h %s", max(o.Offset, -o.Offset), e.direction("behind", "ahead"))
	return Text{own + ", and the clock that was read is another machine's",
		"on the server: date -u shows its clock, and timedatectl set-ntp true sets it; " + e.untilSet(),
		[]string{"only a web server tells a clock, which may be another machine's, as behind a home router: then " + own, e.howOpened()}}
}

func rulesZoneText(e *Evidence) Text {
	return Text{"the server's rules are of an earlier hour", "on the server: see that the rules are made with the UTC hour (date -u); " + e.untilKnown(),
		[]string{"rules made in a time zone to the west look the same", e.howOpened()}}
}

func rulesZoneEastText(e *Evidence) Text {
	state, also := e.clockBesides()
	return Text{fmt.Sprintf("the server's rules are of a later hour: %s%s", e.expects(), state),
		"on the server: " + also + "see that the rules are made with the UTC hour (date -u); " + e.untilKnown(),
		[]string{e.clockEvidence(), "rules made in a time zone to the east look the same", e.howOpened()}}
}

func clientAlsoText(e *Evidence) Text {
	off := -e.Clocks().Local.Offset
	return Text{fmt.Sprintf("this machine's clock is %s", phrase.Ahead(off.Round(time.Second))),
		"set this machine's clock: timedatectl set-ntp true; then run it again", []string{"by NTP it is off by " + phrase.Offset(off), "the right time is not in the hour that opens the gate: more is wrong", e.howOpened()}}
}

func hourElsewhereText(e *Evidence) Text {
	o, _ := e.opened()
	return Text{fmt.Sprintf("the server is at %s hour, %+d h: %s", e.direction("an earlier", "a later"), o.Offset, e.expects()),
		"on the server: see whether its clock is right (date -u), and whether the rules are refreshed each hour; " + e.untilKnown(),
		append([]string{e.clockEvidence() + ": that is neither the gate's hour nor this machine's, and may be another machine's clock", e.howOpened()}, e.countedWith()...)}
}
