package knocking

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/x/ansi"

	"rapport/knock"
	"rapport/knock/phrase"
	"rapport/tui/session"
	"rapport/tui/ui"
)

// View implements [session.Screen].
func (s *Screen) View() (lines []string) {
	inner, room := s.Size.Width, s.Size.Height-2
	if s.Size.Framed() {
		inner -= 2
		room-- // an empty line above the keys
	}
	for _, p := range []ui.Pane{s.sequencePane(inner), s.handshakePane(inner), s.sshPane(inner)} {
		lines = append(lines, s.Frame(p)...)
	}
	return append(lines, s.logLines(room-len(lines))...)
}

// sequencePane shows the sequences around this hour, and how much of it is left.
func (s *Screen) sequencePane(w int) ui.Pane {
	server := s.Now.Add(s.Target.Skew)
	covered := knock.HoursAt(server)
	p := ui.Pane{Title: "sequence", Note: "range " + s.Target.Range.String()}
	if s.Target.Range.IsNarrow() {
		p.Note += fmt.Sprintf(", narrow: %d ports", s.Target.Range.Size())
	}
	if s.Target.Skew != 0 {
		p.Note += ", server's clock " + ui.Signed(s.Target.Skew)
	}
	for offset, label := range []string{"previous", "now", "next"} {
		h := s.Hour().Add(offset - 1)
		isCovered := slices.Contains(covered, h)
		line := s.sequenceLine(h, isCovered) + "  " + ui.Fit(label, 10)
		switch {
		case offset == 1:
			left := h.End().Sub(server)
			bar := "" // where there is room for one
			if room := min(w-ansi.StringWidth(line)-7, 24); room >= 3 {
				bar = s.Theme.Accent.Render(s.Theme.Bar(float64(left)/float64(time.Hour), room)) + " "
			}
			line = s.Theme.Strong.Render(line) + bar + minutes(left)
		case isCovered:
			line += "is knocked too"
		case offset == 0:
			line = s.Theme.Dim.Render(line)
		}
		p.Add(line)
	}
	return p
}

// sequenceLine is an hour and its ports; isCovered says that a handshake now knocks them.
func (s *Screen) sequenceLine(h knock.Hour, isCovered bool) string {
	mark, column, indent := "  ", 6, " "
	if isCovered {
		mark = "> "
	}
	if s.Size.Framed() {
		column, indent = 8, "  "
	}
	line := ui.Fit(indent+mark+session.ClockHour(h), column+1)
	seq := s.Sequence(h)
	for k, port := range seq.Ports() {
		repeat := " "
		if seq.RepeatsAt(k) {
			repeat = "="
		}
		line += ui.Fit(fmt.Sprintf("%*s%s", column-1, s.Port(port), repeat), column)
	}
	return line
}

// logLines are the last n lines of the log, oldest first, with long entries wrapped.
func (s *Screen) logLines(n int) (out []string) {
	const indent = 11
	for i := len(s.Log) - 1; i >= 0 && len(out) < n; i-- {
		e := s.Log[i]
		lines := ui.Cut(ui.Wrap(e.Text, s.Size.Width-indent-1), n-len(out)) // an entry without room for all of it keeps its beginning
		for j := len(lines) - 1; j >= 0; j-- {
			at := ""
			if j == 0 {
				at = e.At.UTC().Format("15:04:05")
			}
			out = append(out, " "+s.Theme.Dim.Render(ui.Fit(at, indent-3))+"  "+lines[j])
		}
	}
	slices.Reverse(out)
	return out
}

// ms writes a span of a handshake: tenths of a millisecond below ten seconds.
func ms(d time.Duration) string {
	if d < 10*time.Second {
		return phrase.Millis(d)
	}
	return phrase.Seconds(d)
}

func minutes(d time.Duration) string {
	return fmt.Sprintf("%02d:%02d", int(d.Minutes()), int(d.Seconds())%60)
}

// handshakeColumns are widths in cells; rest is that of all but the time line.
type handshakeColumns struct{ name, port, state, time, answer, rest int }

// handshakePane shows the newest attempt: a line for each knock, and one for SSH.
func (s *Screen) handshakePane(w int) ui.Pane {
	p := ui.Pane{Title: "handshake", Note: s.Theme.Dim.Render("not sent yet")}
	c := handshakeColumns{5, 8, 14, 11, 22, 62}
	if w < 78 {
		c = handshakeColumns{4, 6, 13, 10, 12, 48}
	}
	line := ui.Timeline{Theme: s.Theme, Width: w - c.rest}
	var knocks []knock.SentKnock
	var started knock.Millis
	hour := s.Hour()
	if s.Report != nil {
		hour = s.Report.Hour
	}
	if s.Report != nil && len(s.Report.Attempts) > 0 {
		knocks, started, hour, p.Note = s.attempt()
		line.Scale(s.lasted(knocks, started))
		p.Foot = s.Theme.Dim.Render("time line of " + ui.Duration(line.Total))
	}
	for i, port := range s.Sequence(hour).Ports() {
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

func (s *Screen) knocking() bool { return s.Stage == Knocking || s.Stage == AwaitingSSH }

// attempt returns the newest attempt's knocks, when the first of them was sent, and
// a note that says which attempt it is. Near the hour change an attempt covers two
// hours; a strict gate gets one hour's knocks at a time, and hour is that hour.
func (s *Screen) attempt() (knocks []knock.SentKnock, started knock.Millis, hour knock.Hour, note string) {
	n := len(s.Report.Attempts)
	attempt := s.Report.Attempts[n-1]
	gaps := s.Config.Options.Gaps
	if gaps == nil {
		gaps = knock.DefaultGaps()
	}
	note = fmt.Sprintf("attempt %d of %d, gap %s", n, max(n, len(gaps)), ui.Duration(time.Duration(attempt.Gap)))
	usual := slices.ContainsFunc(attempt.Knocks, func(k knock.SentKnock) bool { return k.Hour == nil })
	var second *knock.Hour
	for _, k := range attempt.Knocks {
		if len(knocks) == 0 {
			started = k.Sent
		}
		if k.Hour != nil {
			second = k.Hour
		}
		if (k.Hour == nil || !usual) && !k.Copy {
			knocks = append(knocks, k)
		}
	}
	switch {
	case second == nil:
		return knocks, started, s.Report.Hour, note
	case usual:
		return knocks, started, s.Report.Hour, "both hours, " + note
	}
	return knocks, started, *second, "of " + session.ClockHour(*second) + ", " + note
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
