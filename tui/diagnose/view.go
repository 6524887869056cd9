package diagnose

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"rapport/diag"
	"rapport/knock/phrase"
	"rapport/tui/ui"
)

// View implements [session.Screen].
func (s *Screen) View() []string {
	lines, _ := s.layOut()
	return lines
}

// layOut draws the screen; most is how far the part below the verdict can be scrolled.
func (s *Screen) layOut() (lines []string, most int) {
	if s.Size.Wide() {
		return s.wide()
	}
	card := s.card()
	body := slices.Concat(s.sections()...)
	room := s.Size.Body() - len(card.Lines)
	framed := s.Size.Framed()
	if framed {
		room -= 2 // the frame
	}
	if paging := s.paging(); paging || len(body) > room {
		if !framed {
			room--
		}
		var where string
		body, where, most = s.scroll.Window(body, room)
		card.Foot = s.Theme.Quiet.Render(where + ": tab, up, down")
		if paging {
			most = max(most, 1) // so that the user can scroll back to the whole card
		}
		if !framed {
			body = append(body, " "+card.Foot)
		}
	}
	return append(s.Frame(card), body...), most
}

// paging reports whether the card is cut: on a scrolled screen without frames.
func (s *Screen) paging() bool {
	if s.Size.Framed() || s.scroll == 0 || !s.Report.Done {
		return false
	}
	top := *s
	top.scroll = 0
	_, most := top.layOut()
	return most > 0
}

// sections are the parts below the verdict. Those of a fixed height come first, so
// that nothing moves when they fill.
func (s *Screen) sections() [][]string {
	all := [][]string{s.checkLines(), s.scanLines(), s.clockLines(), s.causeLines(), s.fullLines()}
	if s.Size.Roomy() {
		for i := range all {
			if len(all[i]) > 0 {
				all[i] = append([]string{""}, all[i]...)
			}
		}
	}
	return all
}

// labelled wraps a text after a label, less cells narrower than the screen.
func (s *Screen) labelled(label, text string, less int) (out []string) {
	const column = 14 // where the text begins
	for _, l := range ui.Wrap(text, s.Size.Width-column-less-1) {
		out = append(out, " "+ui.Fit(label, column-1)+l)
		label = ""
	}
	return out
}

// report is what is drawn: without the ports while the screen is masked.
func (s *Screen) report() diag.Report {
	if s.Masked {
		return s.Report.WithoutPorts()
	}
	return s.Report
}

// portLines are the ports that the verdict is about.
func (s *Screen) portLines() []string {
	d := s.Report.Verdict.Detail
	if len(d.Ports) == 0 {
		return nil
	}
	var ports []string
	for _, p := range d.Ports {
		ports = append(ports, s.Port(p))
	}
	return s.labelled("ports", strings.Join(append(ports, string(d.Answer)), " "), 0)
}

// surely is the likelihood above which the screen says that there is no other cause.
const surely = 0.9

// otherCauses names the causes that are less likely than the verdict.
func (s *Screen) otherCauses() string {
	var others []string
	for _, c := range s.Report.Causes[min(1, len(s.Report.Causes)):] {
		others = append(others, fmt.Sprintf("%s %s", c.Code, percent(c.Likelihood)))
	}
	if others == nil {
		return ""
	}
	return "or else: " + strings.Join(others, ", ")
}

// causeLines are the evidence for the verdict, and the causes that are less likely.
func (s *Screen) causeLines() (out []string) {
	r := s.report()
	if !r.Done || s.running() || len(r.Causes) == 0 {
		return nil
	}
	if !s.Size.Roomy() { // else the card has it
		out = s.evidence(0)
	}
	out = append(out, s.portLines()...)
	label := "other causes"
	for _, c := range r.Causes[1:] {
		const indent = "      "
		out = append(out, s.labelled(label, fmt.Sprintf("%4s  %s", percent(c.Likelihood), c.Code), 0)...)
		for _, e := range s.report().Why(c) {
			for _, l := range s.labelled("", e, len(indent)) {
				out = append(out, indent+l)
			}
		}
		label = ""
	}
	if len(r.Causes) == 1 && r.Causes[0].Likelihood > surely {
		out = append(out, s.labelled(label, "none that the evidence allows", 0)...)
	}
	return out
}

// evidence is the evidence for the verdict, less cells narrower than the screen.
func (s *Screen) evidence(less int) (out []string) {
	label := "evidence"
	for _, c := range s.Report.Causes[:min(1, len(s.Report.Causes))] {
		for _, e := range s.report().Why(c) {
			out = append(out, s.labelled(label, e, less)...)
			label = ""
		}
	}
	return out
}

// fullLines are the verdict and its fix in full, where the card had to cut them.
func (s *Screen) fullLines() []string {
	if !s.Report.Done || s.running() {
		return nil
	}
	if _, whole := s.verdict(); whole {
		return nil
	}
	return append(s.labelled("in full", s.report().Summary(), 0), s.labelled("fix", s.report().Fix(), 0)...)
}

func percent(share float64) string { return fmt.Sprintf("%.0f %%", 100*share) }

// checkName is what the screen calls a check.
func checkName(id string) string {
	return cmp.Or(map[string]string{diag.CheckLocal: "this clock", diag.CheckServer: "server clock"}[id], id)
}

// checkLines are the checks, in two columns where there is room.
func (s *Screen) checkLines() (out []string) {
	ids, th := diag.CheckIDs(), s.Theme
	if s.Size.Width < ui.FramedWidth {
		for _, id := range ids {
			out = append(out, " "+s.check(id, 13, s.Size.Width-18))
		}
		return out
	}
	rows := (len(ids) + 1) / 2
	left := s.Size.Width * 46 / 100
	for i := range rows {
		line := ui.Fit(" "+s.check(ids[i], 13, left-17), left)
		if i+rows < len(ids) {
			line += s.check(ids[i+rows], 10, s.Size.Width-left-14)
		} else {
			line += th.Quiet.Render(th.Yes + " ok  ! warn  " + th.No + " fail  - skipped  " + th.Wait + " not begun")
		}
		out = append(out, line)
	}
	return out
}

// check is one check: a mark, its name, and its summary in w cells.
func (s *Screen) check(id string, name, w int) string {
	th := s.Theme
	c, begun := s.Report.Check(id)
	if c.Status == diag.Running && !s.running() {
		c.Status, c.Code = diag.Skipped, diag.EndedEarly
	}
	mark, style, text := th.Wait, th.Quiet, th.Ink
	switch c.Status {
	case diag.OK:
		mark, style = th.Yes, th.Open
	case diag.Warn:
		mark, style = "!", th.Warn
	case diag.Fail:
		mark, style = th.No, th.Bad
	case diag.Skipped:
		mark, text = "-", th.Quiet
	case diag.Running:
		mark, style = ">", th.Accent
	}
	summary := ""
	if begun {
		summary = ui.Clause(ui.FirstThatFits(w, s.wordings(c)...), w)
	}
	return style.Render(mark) + " " + ui.Fit(checkName(id), name) + text.Render(summary)
}

// wordings are the ways to say how a check went, the longest first.
func (s *Screen) wordings(c diag.Check) []string {
	all := append([]string{c.Summary()}, c.Short()...)
	switch scan, clock := s.Report.Evidence.LastScan(), s.Report.Evidence.Clock; {
	case c.ID == diag.CheckScan && scan != nil:
		all = append(all, scanInShort(*scan, s.Target, c.Status == diag.Running))
	case c.ID == diag.CheckServer && c.Status != diag.Running && clock != nil:
		if clock.Known {
			names, offset := witnesses(*clock), phrase.Offset(clock.Skew)
			all = append(all, fmt.Sprintf("%s (%s)", offset, strings.Join(names, ", ")), fmt.Sprintf("%s (%s +%d)", offset, names[0], len(names)-1))
		}
	}
	return all
}
