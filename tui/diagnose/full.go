package diagnose

import (
	"fmt"
	"time"

	"rapport/diag/check"
	"rapport/tui/ui"
)

// fullPage draws all that is known in words, and returns how far it can be scrolled.
func (s *Screen) fullPage() (lines []string, most int) {
	room := s.Size.Body()
	framed := s.Size.Framed()
	if framed {
		room -= 2
	} else {
		room--
	}
	p := ui.Pane{Title: "in full", Note: s.likely()}
	var where string
	p.Lines, where, most = s.scroll.Window(s.fullLines(), room)
	if where += ", up and down; tab goes back"; framed {
		p.Fill(room)
		p.Foot = where
	} else {
		p.Fill(room)
		p.Add(s.Theme.Quiet.Render(" " + where))
	}
	return s.Frame(p), most
}

// fullLines are the verdict, its fix, the causes, the checks, the scan and the clocks.
func (s *Screen) fullLines() (out []string) {
	r, th := s.report(), s.Theme
	section := func(lines []string) {
		if len(lines) > 0 && len(out) > 0 {
			out = append(out, "")
		}
		out = append(out, lines...)
	}
	if s.judged() {
		out = append(s.labelled("verdict", r.Summary(), s.tone().Bold(true)), s.labelled("fix", r.Fix(), th.Ink)...)
	}
	var causes []string
	for _, c := range r.Causes {
		if !s.judged() {
			break
		}
		causes = append(causes, s.labelled(percent(c.Likelihood), string(c.Code), th.Strong)...)
		for _, e := range r.Why(c) {
			causes = append(causes, s.labelled("", e, th.Ink)...)
		}
		if key, text := s.settles(c); key != "" {
			causes = append(causes, s.labelled("", key+"  "+text, th.Accent)...)
		}
	}
	section(causes)
	var checks []string
	for _, id := range check.IDs() {
		c, begun := r.Check(id)
		if !begun {
			continue
		}
		text := c.Summary()
		if time.Duration(c.Elapsed) >= time.Millisecond {
			text += ", " + ui.Duration(time.Duration(c.Elapsed))
		}
		checks = append(checks, s.labelled(checkName(id), text, th.Ink)...)
	}
	section(checks)
	if scan := r.Evidence.LastScan(); scan != nil {
		section(append(s.labelled("sent", s.sent(*scan), th.Ink),
			s.labelled("", fmt.Sprintf("%d packets, %d connections to SSH; %s", scan.Packets, scan.Connections, s.learnt()), th.Ink)...))
	}
	section(s.clockWords())
	if len(out) == 0 {
		out = []string{" nothing is known yet"}
	}
	return out
}

// labelled wraps a text after a label.
func (s *Screen) labelled(label, text string, style ui.Style) (out []string) {
	if text == "" {
		return nil
	}
	column, w := 14, s.Size.Width-2 // where the text begins
	if s.Size.Tiny() {
		column = 6
	}
	for _, l := range ui.Wrap(text, w-column-1) {
		out = append(out, " "+s.Theme.Quiet.Render(ui.Fit(label, column-1))+style.Render(l))
		label = ""
	}
	return out
}
