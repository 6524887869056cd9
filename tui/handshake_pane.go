package tui

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/x/ansi"

	"rapport/knock"
)

// The columns of a handshake line before the time line.
const (
	handshakeColumns = 5 + 8 + 14 + 11 + 22
	narrowColumns    = 5 + 6 + 13 + 10 + 12
)

// handshakePane shows the newest attempt, a line for each knock and one for
// SSH, on a common time line.
func (a app) handshakePane(w int) pane {
	s := &a.screen
	p := pane{title: "handshake", note: a.theme.dim.Render("not sent yet")}
	columns := handshakeColumns
	if w < 78 {
		columns = narrowColumns
	}
	line := timeline{theme: a.theme, width: w - columns - 2}

	var knocks []knock.KnockReport
	var started knock.Millis
	sequence := s.current(a.now)
	if s.report != nil {
		sequence = s.sequence(s.report.Hour)
	}
	if s.report != nil && len(s.report.Attempts) > 0 {
		n := len(s.report.Attempts)
		attempt := s.report.Attempts[n-1]
		p.note = fmt.Sprintf("attempt %d of %d, gap %s", n, max(n, s.planned), whole(time.Duration(attempt.Gap)))
		// A strict gate is sent one hour's knocks at a time, which may be the other's.
		usual := slices.ContainsFunc(attempt.Knocks, func(k knock.KnockReport) bool { return k.Hour == nil })
		for _, k := range attempt.Knocks {
			if len(knocks) == 0 {
				started = k.Sent
			}
			if (k.Hour == nil || !usual) && !k.Copy {
				knocks = append(knocks, k)
			}
		}
		if i := slices.IndexFunc(attempt.Knocks, func(k knock.KnockReport) bool { return k.Hour != nil }); i >= 0 && usual {
			p.note = "both hours, " + p.note
		} else if i >= 0 {
			sequence = s.sequence(*attempt.Knocks[i].Hour)
			p.note = "of " + sequence.Hour().String()[11:] + "h, " + p.note
		}
		line.scale(s, knocks, started, a.now)
		p.foot = a.theme.dim.Render("time line of " + whole(line.total))
	}
	for i, port := range sequence.Ports() {
		r := handshakeRow{name: ordinals()[i], port: s.port(port), mark: a.theme.wait, state: "waiting"}
		if i < len(knocks) {
			k := knocks[i]
			sent := time.Duration(k.Sent - started)
			r.mark, r.state, r.time = a.theme.yes, "sent", ms(sent)
			r.answer, r.tone = a.answer(k)
			r.span = line.span(sent, time.Duration(k.RTT))
		} else if s.stage != knocking {
			r.state = ""
		}
		p.lines = append(p.lines, r.draw(columns))
	}
	p.lines = append(p.lines, a.sshRow(line, started).draw(columns))
	return p
}

// handshakeRow is one line of the handshake.
type handshakeRow struct {
	name, port, mark, state, time, answer, span string
	tone                                        lipgloss.Style
}

func (r handshakeRow) draw(columns int) string {
	if columns == narrowColumns {
		return " " + fit(r.name, 4) + fit(r.port, 6) + fit(r.mark+" "+r.state, 13) +
			fit(fmt.Sprintf("%9s", r.time), 10) + r.tone.Render(fit(short(r.answer, 12), 12)) + r.span
	}
	return " " + fit(r.name, 5) + fit(r.port, 8) + fit(r.mark+" "+r.state, 14) +
		fit(fmt.Sprintf("%9s", r.time), 11) + r.tone.Render(fit(r.answer, 22)) + r.span
}

// short cuts s to its first word where it has more than w cells.
func short(s string, w int) string {
	if ansi.StringWidth(s) > w {
		s, _, _ = strings.Cut(s, " ")
	}
	return s
}

// answer says what a port did with a knock, and after what time.
func (a app) answer(k knock.KnockReport) (string, lipgloss.Style) {
	switch k.Answer {
	case knock.Pending:
		return "silent so far", a.theme.dim
	case knock.Silent:
		return "silent", a.theme.dim
	}
	text := string(k.Answer)
	if k.RTT > 0 {
		text += " " + ms(max(time.Duration(k.RTT), time.Millisecond/10))
	}
	return text, a.theme.warn
}

// sshRow is the line of the look at SSH after the knocks.
func (a app) sshRow(line timeline, started knock.Millis) handshakeRow {
	s := &a.screen
	row := handshakeRow{name: "ssh", port: fmt.Sprint(s.target.Addr.Port()), mark: a.theme.wait}
	if s.report == nil {
		return row
	}
	ssh := s.report.SSH
	if !s.looking && s.stage == knocking && ssh.State == knock.SSHUnknown {
		row.state = "waiting"
		return row
	}
	switch {
	case ssh.State == knock.SSHUnknown && ssh.Connect > 0:
		row.state, row.answer = "accepted", "banner awaited"
	case ssh.State == knock.SSHUnknown:
		row.state = "looking"
	case ssh.State == knock.SSHOpen:
		row.mark, row.state, row.answer, row.tone = a.theme.yes, "open", "banner", a.theme.good
	default:
		row.mark, row.state, row.tone = a.theme.no, string(ssh.State), a.theme.warn
		if ssh.RTT > 0 && ssh.Connect == 0 {
			row.answer = "after " + ms(max(time.Duration(ssh.RTT), time.Millisecond/10))
		}
	}
	if ssh.Connect > 0 {
		end := time.Duration(max(ssh.Connect, ssh.Read)) - time.Duration(started)
		row.time = ms(end)
		begin := time.Duration(ssh.Connect) - time.Duration(ssh.RTT) - time.Duration(started)
		row.span = line.span(begin, end-begin)
	}
	return row
}

// timeline draws spans of time in width cells that stand for total.
type timeline struct {
	theme theme
	width int
	total time.Duration
}

// scale chooses what the line's width stands for: the next of 10, 20, 50 ms and
// so on, so that a line never shrinks a little with every event.
func (l *timeline) scale(s *knockScreen, knocks []knock.KnockReport, started knock.Millis, now time.Time) {
	last := time.Duration(0)
	for _, k := range knocks {
		last = max(last, time.Duration(k.Sent-started)+time.Duration(k.RTT))
	}
	last = max(last, time.Duration(max(s.report.SSH.Connect, s.report.SSH.Read))-time.Duration(started))
	if s.stage == knocking && s.looking {
		last = max(last, s.elapsed(now)-time.Duration(started))
	}
	for step := 10 * time.Millisecond; ; step *= 10 {
		for _, n := range []time.Duration{1, 2, 5} {
			if l.total = n * step; l.total >= last {
				return
			}
		}
	}
}

// span draws what began at begin and took length; with a length of zero, its
// beginning alone.
func (l timeline) span(begin, length time.Duration) string {
	if l.width < 4 || l.total == 0 {
		return ""
	}
	cell := func(d time.Duration) int { return int(d * time.Duration(l.width-1) / l.total) }
	from := min(max(cell(begin), 0), l.width-2)
	out := strings.Repeat(" ", from) + l.theme.from
	if length == 0 {
		return out + l.theme.open
	}
	to := min(max(cell(begin+length), from+1), l.width-1)
	return out + strings.Repeat(l.theme.across, to-from-1) + l.theme.to
}
