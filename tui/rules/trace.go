package rules

import (
	"fmt"
	"strconv"
	"strings"

	"rapport/knock"
	"rapport/knock/netfilter/machine"
	"rapport/tui/session"
	"rapport/tui/ui"
)

const (
	lineColumn = 7   // the width of the cursor and the line number
	widestRule = 115 // the most cells that a rule gets in a row
)

// traceLines draws the trace.
func (s *Screen) traceLines() (lines []string, most int) {
	if why := s.untraced(); why != "" {
		return s.Frame(ui.Pane{Title: "trace", Lines: s.paragraph(s.Theme.Ink, why)}), 0
	}
	w, framed := s.Size.Width, s.Size.Framed()
	if framed {
		w -= 2
	}
	l := listing{list: ui.Pane{Title: "trace", Note: s.traceNote(), Lines: s.traceHeads(w)}, rows: s.traceRows(w)}
	r := s.trace.rows[s.at(len(l.rows))]
	l.chosen = ui.Pane{Title: s.ruleTitle(r), Lines: append(s.part(4, s.ruleText(r, r.Text)), s.reasons(r)...)}
	return s.listLines(l)
}

// untraced says why there is no trace; empty: there is one.
func (s *Screen) untraced() string {
	switch {
	case len(s.trace.rows) > 0:
		return ""
	case s.seen.untraced != nil:
		if s.Masked {
			return "the rules could not be played; why is not shown while ports are masked"
		}
		return knock.Clean(s.seen.untraced.Error(), 4000)
	}
	return "the handshake meets no rule"
}

func (s *Screen) traceNote() string {
	return fmt.Sprintf("knocks of hour %s: %s", s.Result.Query.Hour, s.trace.conclusion())
}

// ruleTitle says where a rule stands.
func (s *Screen) ruleTitle(r *ruleRow) string {
	title := "chain " + r.Chain + ", table " + r.Table
	if r.Line > 0 {
		title = fmt.Sprintf("line %d, %s", r.Line, title)
	}
	return knock.Clean(title, 400)
}

// ruleText is a rule as a screen may show it. While ports are masked it is where the rule
// stands: which numbers of its text are ports, only its author knows.
func (s *Screen) ruleText(r *ruleRow, text string) string {
	if s.Masked && r.Rule > 0 {
		return fmt.Sprintf("rule %d of %s", r.Rule, knock.Clean(r.Chain, 100))
	}
	return knock.Clean(text, 4000)
}

// traceRows draw the rules in w cells, with what each did to each packet. The cell of the
// rule that decided is set off.
func (s *Screen) traceRows(w int) (rows []string) {
	text, cell := s.traceColumns(w)
	for _, r := range s.trace.rows {
		number := ""
		if r.Line > 0 {
			number = strconv.Itoa(r.Line)
		}
		line := fmt.Sprintf(" %5s ", number) + s.cut(s.ruleText(r, r.short()), text-1) + " "
		for k := range r.hits {
			sign, style, _ := s.judge(r, k)
			if hit := r.hits[k]; hit != nil && hit == s.trace.Packets[k].Decided {
				sign = " " + sign + " "
				line += ui.Fit(style.Bold(true).Reverse(true).Render(sign), cell)
				continue
			}
			line += style.Render(ui.Fit(" "+sign, cell))
		}
		rows = append(rows, line)
	}
	return rows
}

// traceColumns are the widths of a rule and of a packet's cell.
func (s *Screen) traceColumns(w int) (text, cell int) {
	switch {
	case w < ui.FramedWidth-2:
		cell = 5
	case w < 100:
		cell = 7
	default:
		cell = 8
	}
	return min(widestRule, w-lineColumn-cell*len(s.trace.Packets)), cell
}

// traceHeads are the lines above the rules.
func (s *Screen) traceHeads(w int) (lines []string) {
	text, cell := s.traceColumns(w)
	head := func(label string, of func(packet int) string) {
		line := ui.Fit("", lineColumn) + ui.Fit(label, text)
		for k := range s.trace.Packets {
			line += ui.Fit(" "+of(k), cell)
		}
		lines = append(lines, s.Theme.Quiet.Render(line))
	}
	if !s.Size.Framed() {
		head(s.trace.conclusion(), packetName)
		if s.trace.unsure() {
			head("phase", s.phases)
		}
		return lines
	}
	head("", packetName)
	head("port", func(k int) string {
		switch p := s.trace.Packets[k].Port; {
		case p <= 0:
			return "?" // a script computes it
		case k == len(s.trace.Packets)-1:
			return strconv.Itoa(p) // SSH's
		default:
			return s.Port(uint16(p))
		}
	})
	if s.Size.Wide() || s.trace.unsure() {
		head(s.cut("phase before and after", text-1), s.phases)
	}
	if s.Size.Wide() {
		head("verdict", func(k int) string { return string(s.trace.Packets[k].Verdict) })
	}
	return lines
}

// phases are those that a packet moved its source between, with a ? where the rules leave
// them open.
func (s *Screen) phases(k int) string {
	p := s.trace.Packets[k]
	text := fmt.Sprintf("%d-%d", p.PhaseBefore, p.PhaseAfter)
	if p.PhaseUnsure {
		text += "?"
	}
	return text
}

// packetName names a packet of the handshake.
func packetName(packet int) string {
	names := session.Ordinals()
	return append(names[:], "ssh")[packet]
}

// judge says by a sign and in words what a rule did to a packet. A * marks the rule that
// decided.
func (s *Screen) judge(r *ruleRow, packet int) (sign string, style ui.Style, why string) {
	th, p := s.Theme, s.trace.Packets[packet]
	switch hit := r.hits[packet]; {
	case hit == nil:
		return "", th.Ink, "not met"
	case hit == p.Decided:
		switch {
		case packet < len(s.trace.Packets)-1: // what becomes of a knock does not matter
			style = th.Accent
		case p.Verdict == machine.Accept:
			style = th.Open
		default:
			style = th.Bad
		}
		return th.Yes + "*", style, fmt.Sprintf("decides: %s", p.Verdict)
	case hit.Outcome == machine.Yes.String():
		return th.Yes, th.Ink, "matches"
	case r.unsure && s.Masked:
		return "?", th.Warn, "may match"
	case r.unsure:
		return "?", th.Warn, "may match: " + hit.Reason
	case s.Masked: // the reason names ports
		return "-", th.Faint, "does not match"
	default:
		return "-", th.Faint, hit.Reason
	}
}

// reasons say why a rule matched each packet or did not: a line for those that share a
// reason, or else two columns.
func (s *Screen) reasons(r *ruleRow) []string {
	most := (len(r.hits) + 1) / 2
	var order []string
	packets := map[string]string{}
	named := 0
	for k := range r.hits {
		sign, style, why := s.judge(r, k)
		why = style.Render(ui.Fit(sign, 3)) + knock.Clean(why, 4000)
		if packets[why] == "" {
			order = append(order, why)
		}
		packets[why] = strings.TrimSpace(packets[why] + " " + packetName(k))
		named = max(named, len(packets[why]))
	}
	rows, w := len(order), s.width()-3
	if rows > most {
		rows, w = most, w/2
	}
	p := ui.Pane{}
	for i := range rows {
		line := " "
		for k := i; k < len(order); k += rows {
			line += s.cut(ui.Fit(packets[order[k]], named)+" "+order[k], w-1) + " "
		}
		p.Add(line)
	}
	p.Fill(most)
	return p.Lines
}

// traceLegend explains the signs of the trace.
func (s *Screen) traceLegend() [][2]string {
	return [][2]string{
		{s.Theme.Yes + "   -", "the rule matches the packet; does not"},
		{"?", "it may, or the phase may be another: not modelled, or not given"},
		{"", "blank: the packet did not meet it"},
		{s.Theme.Yes + "*", "it decided what became of the packet"},
	}
}
