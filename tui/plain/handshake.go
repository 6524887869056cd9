package plain

import (
	"fmt"
	"time"

	"rapport/knock"
	"rapport/knock/phrase"
	"rapport/tui/session"
	"rapport/tui/ui"
)

// step says one step of a handshake. The first attempt is told port by port; later
// ones send the same ports again.
func (r *reader) step(e knock.Event) {
	a := knock.Attempt{}
	if e.Attempt < len(e.Report.Attempts) {
		a = e.Report.Attempts[e.Attempt]
	}
	first := e.Attempt == 0
	switch e.Kind {
	case knock.AttemptStarted:
		r.say("attempt %d, gap %s", e.Attempt+1, ui.Duration(time.Duration(a.Gap)))
	case knock.KnockSent:
		if first {
			k := a.Knocks[e.Knock]
			r.say("knock %d: port %d%s, sent after %s", e.Knock+1, k.Port, r.ofHour(k), phrase.Millis(time.Duration(k.Sent)))
		}
	case knock.KnockAnswered:
		if k := a.Knocks[e.Knock]; first && k.Answer != knock.Silent {
			r.say("port %d: %s", k.Port, r.answer(k.Answer))
		}
	case knock.BeforeSeen:
		r.say("SSH before the handshake: %s", e.Report.Before.State)
	case knock.ProbeStarted:
		if first {
			r.say("probing SSH")
		}
	case knock.Connected:
		r.say("SSH accepts the connection")
	}
}

// ofHour names the hour of a knock that is not this hour's.
func (r *reader) ofHour(k knock.SentKnock) string {
	if k.Hour == nil {
		return ""
	}
	return " of " + session.ClockHour(*k.Hour)
}

// answer names an answer; the demo accepts knocks to see them.
func (r *reader) answer(a knock.Answer) string {
	if r.Config.Demo && a == knock.Open {
		return "received"
	}
	return string(a)
}

// knocked says how a handshake ended, and what to do then.
func (r *reader) knocked(report knock.Report) {
	r.store(report)
	line := r.Outcome(report)
	if !report.Opened {
		r.say("%s", line)
		r.say("d finds out why")
		return
	}
	line += fmt.Sprintf(", after %s: %s", phrase.Millis(time.Duration(report.SSH.Read)), report.SSH.Banner)
	r.say("%s", line)
	if report.Before.State != knock.SSHOpen {
		r.shuts = report.At.Add(r.Window())
		r.say("it stays open for %s; s logs in", phrase.Span(r.Window()))
	}
}
