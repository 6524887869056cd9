package knocking

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/x/ansi"

	"rapport/knock"
	"rapport/tui/session"
	"rapport/tui/ui"
)

// handshakeColumns are the widths of a handshake line's parts in cells; rest is
// the width of everything but the time line.
type handshakeColumns struct{ name, port, state, time, answer, rest int }

// handshakePane shows the newest attempt on a time line: one line for each knock
// and one for SSH.
func (s *Screen) handshakePane(w int) ui.Pane {
	p := ui.Pane{Title: "handshake", Note: s.Theme.Dim.Render("not sent yet")}
	c := handshakeColumns{5, 8, 14, 11, 22, 62}
	if w < 78 {
		c = handshakeColumns{4, 6, 13, 10, 12, 48}
	}
	line := ui.Timeline{Theme: s.Theme, Width: w - c.rest}
	var knocks []knock.SentKnock
	var started knock.Millis
	sequence := s.Sequence(s.Hour())
	if s.Report != nil {
		sequence = s.Sequence(s.Report.Hour)
	}
	if s.Report != nil && len(s.Report.Attempts) > 0 {
		var hour *knock.Hour
		knocks, started, hour, p.Note = s.attempt()
		if hour != nil {
			sequence = s.Sequence(*hour)
		}
		line.Scale(s.lasted(knocks, started))
		p.Foot = s.Theme.Dim.Render("time line of " + ui.Duration(line.Total))
	}
	for i, port := range sequence.Ports() {
		r := handshakeRow{name: session.Ordinals()[i], port: s.Port(port), mark: s.Theme.Wait}
		if i < len(knocks) {
			k := knocks[i]
			sent := time.Duration(k.Sent - started)
			r.mark, r.state, r.time = s.Theme.Yes, "sent", ms(sent)
			r.answer, r.tone = s.answer(k)
			r.span = line.Span(sent, time.Duration(k.RTT))
		} else if s.knocking() {
			r.state = "waiting"
		}
		p.Add(r.draw(c))
	}
	p.Add(s.sshRow(line, started).draw(c))
	return p
}

// knocking reports whether a handshake is under way.
func (s *Screen) knocking() bool { return s.Stage == Knocking || s.Stage == AwaitingSSH }

// attempt returns the newest attempt's knocks, when the first of them was sent, and
// a note that says which attempt it is. Near the hour change an attempt covers two
// hours. A strict gate gets one hour's knocks at a time: hour is the second hour
// while its knocks are sent, nil otherwise.
func (s *Screen) attempt() (knocks []knock.SentKnock, started knock.Millis, hour *knock.Hour, note string) {
	n := len(s.Report.Attempts)
	attempt := s.Report.Attempts[n-1]
	note = fmt.Sprintf("attempt %d of %d, gap %s", n, max(n, s.planned), ui.Duration(time.Duration(attempt.Gap)))
	usual := slices.ContainsFunc(attempt.Knocks, func(k knock.SentKnock) bool { return k.Hour == nil })
	for _, k := range attempt.Knocks {
		if len(knocks) == 0 {
			started = k.Sent
		}
		if k.Hour != nil {
			hour = k.Hour
		}
		if (k.Hour == nil || !usual) && !k.Copy {
			knocks = append(knocks, k)
		}
	}
	switch {
	case hour == nil:
		return knocks, started, nil, note
	case usual:
		return knocks, started, nil, "both hours, " + note
	}
	return knocks, started, hour, "of " + session.ClockHour(*hour) + ", " + note
}

// lasted returns how long the newest attempt has lasted so far.
func (s *Screen) lasted(knocks []knock.SentKnock, started knock.Millis) (last time.Duration) {
	for _, k := range knocks {
		last = max(last, time.Duration(k.Sent-started)+time.Duration(k.RTT))
	}
	last = max(last, time.Duration(max(s.Report.SSH.Connect, s.Report.SSH.Read))-time.Duration(started))
	if s.Stage == AwaitingSSH {
		last = max(last, s.elapsed()-time.Duration(started))
	}
	return last
}

// handshakeRow is one line of the handshake, in the order of its columns.
type handshakeRow struct {
	name, port, mark, state, time, answer, span string
	tone                                        lipgloss.Style
}

func (r handshakeRow) draw(c handshakeColumns) string {
	if ansi.StringWidth(r.answer) > c.answer {
		r.answer, _, _ = strings.Cut(r.answer, " ")
	}
	return " " + ui.Fit(r.name, c.name) + ui.Fit(r.port, c.port) + ui.Fit(r.mark+" "+r.state, c.state) +
		ui.Fit(fmt.Sprintf("%9s", r.time), c.time) + r.tone.Render(ui.Fit(r.answer, c.answer)) + r.span
}

// answer says what a port answered, and after how long.
func (s *Screen) answer(k knock.SentKnock) (string, lipgloss.Style) {
	switch k.Answer {
	case knock.Pending:
		return "silent so far", s.Theme.Dim
	case knock.Silent:
		return "silent", s.Theme.Dim
	}
	text := string(k.Answer)
	if k.RTT > 0 {
		text += " " + ms(max(time.Duration(k.RTT), time.Millisecond/10))
	}
	return text, s.Theme.Warn
}

// sshRow is the line of the probe of SSH after the knocks.
func (s *Screen) sshRow(line ui.Timeline, started knock.Millis) handshakeRow {
	row := handshakeRow{name: "ssh", port: fmt.Sprint(s.Target.Addr.Port()), mark: s.Theme.Wait}
	if s.Report == nil {
		return row
	}
	ssh := s.Report.SSH
	switch {
	case s.Stage == Knocking && ssh.State == knock.SSHUnknown:
		row.state = "waiting"
		return row
	case ssh.State == knock.SSHUnknown && ssh.Connect > 0:
		row.state, row.answer = "accepted", "awaiting banner"
	case ssh.State == knock.SSHUnknown && s.Stage == Idle:
		row.mark, row.state, row.tone = s.Theme.No, "not probed", s.Theme.Warn
	case ssh.State == knock.SSHUnknown:
		row.state = "probing"
	case ssh.State == knock.SSHOpen:
		row.mark, row.state, row.answer, row.tone = s.Theme.Yes, "open", "banner", s.Theme.Good
	default:
		row.mark, row.state, row.tone = s.Theme.No, string(ssh.State), s.Theme.Warn
		if ssh.RTT > 0 && ssh.Connect == 0 {
			row.answer = "after " + ms(max(time.Duration(ssh.RTT), time.Millisecond/10))
		}
	}
	if ssh.Connect > 0 {
		end := time.Duration(max(ssh.Connect, ssh.Read)) - time.Duration(started)
		row.time = ms(end)
		begin := time.Duration(ssh.Connect) - time.Duration(ssh.RTT) - time.Duration(started)
		row.span = line.Span(begin, end-begin)
	}
	return row
}
