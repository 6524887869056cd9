package knocking

import (
	"fmt"
	"time"

	"rapport/knock"
	"rapport/tui/session"
	"rapport/tui/ui"
)

// timelineBox shows when the packets of the newest attempt left, and when answers came.
func (s *Screen) timelineBox(w, h int) []string {
	const name, answer = 14, 14
	th := s.Theme
	p := ui.Pane{Title: "time line", Note: "each row one packet, until its answer"}
	line := ui.Timeline{Theme: th, Width: w - 2 - name - answer}
	var knocks []knock.SentKnock
	var started knock.Millis
	if s.Report != nil && len(s.Report.Attempts) > 0 {
		knocks, started, _, _ = s.attempt()
		line.Scale(s.lasted(knocks, started))
		p.Add(ui.Fit("", name) + th.Faint.Render(line.Ruler()))
		p.Foot = "0 to " + ui.Duration(line.Total)
	} else {
		p.Add("")
	}
	for i, t := range s.tiles() {
		row := " " + th.Quiet.Render(ui.Fit(session.Ordinals()[i], 5)) + ui.Fit(t.port, name-6)
		if i < len(knocks) && t.sent {
			k := knocks[i]
			span := line.Span(time.Duration(k.Sent-started), time.Duration(k.RTT))
			row += t.tone.Render(span) + line.Silence(span) + "  " + t.word.Render(t.answer)
		}
		p.Add(row)
	}
	p.Add(s.sshLine(line, started, name))
	p.Add(" " + th.Quiet.Render(ui.Fit("before", name-1)+s.beforeWords()))
	return th.Box(w, h, p)
}

func (s *Screen) beforeWords() string {
	if s.Report == nil || s.Report.Before.State == knock.SSHUnknown {
		return ""
	}
	switch {
	case s.stillOpen():
		return s.since() + ": it needed no knock"
	case s.Report.Before.State == knock.SSHOpen:
		return "open: it was reached without a knock"
	}
	return string(s.Report.Before.State) + ": the gate was shut"
}

// sshLine is the probe of SSH on the time line.
func (s *Screen) sshLine(line ui.Timeline, started knock.Millis, name int) string {
	th := s.Theme
	row := " " + th.Quiet.Render(ui.Fit("ssh", 5)) + ui.Fit(fmt.Sprint(s.Target.Addr.Port()), name-6)
	if s.Report == nil {
		return row
	}
	ssh := s.Report.SSH
	word, tone := string(ssh.State), th.Bad
	switch {
	case ssh.State == knock.SSHOpen:
		word, tone = "banner", th.Open
	case ssh.State == knock.SSHUnknown && ssh.Connect > 0:
		word, tone = "accepted", th.Accent
	case ssh.State == knock.SSHUnknown && s.Stage == Idle:
		word, tone = "not probed", th.Warn
	case ssh.State == knock.SSHUnknown:
		word, tone = "probing", th.Accent
	}
	span := ""
	if ssh.Connect > 0 {
		end := time.Duration(max(ssh.Connect, ssh.Read)) - time.Duration(started)
		begin := time.Duration(ssh.Connect) - time.Duration(ssh.RTT) - time.Duration(started)
		span = line.Span(begin, end-begin)
	}
	return row + tone.Render(ui.Fit(span, line.Width)) + "  " + tone.Render(word)
}
