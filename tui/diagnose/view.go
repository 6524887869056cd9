package diagnose

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"rapport/diag"
	"rapport/diag/check"
	"rapport/knock/phrase"
	"rapport/tui/ui"
)

// View implements [session.Screen].
func (s *Screen) View() []string {
	switch {
	case s.full:
		lines, _ := s.fullPage()
		return lines
	case s.Size.Tiny():
		return s.tiny()
	case !s.Size.Framed():
		return s.small()
	case !s.Size.Wide():
		return s.framed()
	}
	return s.wide()
}

// tiny draws the least: the verdict, the checks as signs, the hours of the scan.
func (s *Screen) tiny() []string {
	p := s.card(s.Size.Body() - 2)
	p.Fill(s.Size.Body() - 2)
	return append(p.Lines, s.checkSigns(), s.hourStrips(s.Size.Width)[0])
}

// small draws the screen without frames.
func (s *Screen) small() []string {
	const clocks = 3
	w, room := s.Size.Width, s.Size.Body()
	lines := s.card(room - clocks - 1 - 2 - 2).Lines
	lines = append(lines, s.checkSigns())
	lines = append(lines, s.hourStrips(w)...)
	lines = append(lines, s.clockLines(w-1, clocks)...)
	return append(lines, s.causeLines(w, room-len(lines))...)
}

// Heights and widths of the panes, in cells. They are fixed for a size, so that nothing
// moves while a diagnosis goes on.
const (
	checksWidth = 42
	checksWider = 56 // from widest on
	widest      = 160
	heatRowsOf  = 4 // lines of a heat map in a small frame
)

// framed draws the screen in panes: the verdict, the checks beside scan and clocks, and
// the causes.
func (s *Screen) framed() []string {
	w, body := s.Size.Width, s.Size.Body()
	checks := len(check.IDs())
	card := s.card(body - checks - 2 - 2 - 4)
	rest := body - len(card.Lines) - 2
	top := max(checks+2, min(rest-6, checks+6))
	left := w * 44 / 100
	heat := s.Theme.Box(w-left, heatRowsOf+2, s.heatPane(w-left-2, heatRowsOf, 12))
	clocks := s.Theme.Box(w-left, top-len(heat), s.clockPane(w-left-2, top-len(heat)-2))
	lines := append(s.cardBox(card), ui.Beside(s.Theme.Box(left, top, s.checkPane(left-2, top-2)), slices.Concat(heat, clocks), left)...)
	return append(lines, s.causeBox(w, rest-top)...)
}

// wide draws the same panes with room for more in each.
func (s *Screen) wide() []string {
	const middle, causes = 22, 7
	w, body := s.Size.Width, s.Size.Body()
	card := s.card(body - middle - causes - 2)
	column := checksWidth
	if w >= widest {
		column = checksWider
	}
	right := w - column
	top := min(middle+2+(body-37)*4/5, body-len(card.Lines)-2-causes)
	heat := s.Theme.Box(right, top-12, s.heatPane(right-2, top-14, 13))
	clocks := s.Theme.Box(right, 12, s.clockPane(right-2, 10))
	lines := append(s.cardBox(card), ui.Beside(s.Theme.Box(column, top, s.checkPane(column-2, top-2)), slices.Concat(clocks, heat), column)...)
	return append(lines, s.causeBox(w, body-len(lines))...)
}

// cardBox draws the verdict with the colour of its tone around it.
func (s *Screen) cardBox(card ui.Pane) []string {
	edge := s.edge()
	card.Edge = &edge
	return s.Frame(card)
}

func (s *Screen) heatPane(w, h, label int) ui.Pane {
	return ui.Pane{Title: "scan", Note: s.scanNote(w - 13), Foot: s.learnt(), Lines: s.heatMap(w, h, label)}
}

func (s *Screen) clockPane(w, h int) ui.Pane {
	p := ui.Pane{Title: "clocks", Note: serverClock(s.Report.Evidence.Clock), Lines: s.clockLines(w, h)}
	if p.Note == "" {
		p.Note = "minus this machine's"
	}
	return p
}

func (s *Screen) causeBox(w, h int) []string {
	if h < 3 {
		return nil
	}
	return s.Theme.Box(w, h, ui.Pane{Title: "causes", Note: "what the evidence leaves room for", Foot: s.causeNote(), Lines: s.causeLines(w-2, h-2)})
}

// checkPane are the checks one below the other, and the time that they took.
func (s *Screen) checkPane(w, h int) ui.Pane {
	p := ui.Pane{Title: "checks", Note: s.spent()}
	for _, id := range check.IDs() {
		p.Add(" " + s.check(id, 13, w-17))
	}
	switch spent := s.spentBars(w - 2); {
	case len(spent) == 0:
	case h >= len(p.Lines)+2+len(spent):
		p.Add("", " "+s.Theme.Quiet.Render("time spent"))
		p.Add(spent...)
	default:
		p.Foot = s.longest()
	}
	if r := s.Report.Evidence.LastScan(); r != nil && h >= len(p.Lines)+3 {
		p.Add("", " "+s.Theme.Quiet.Render("sent"))
		p.Add(ui.Cut(ui.Paragraph(s.Theme.Ink, s.sent(*r), " ", w-1), h-len(p.Lines))...)
	}
	return p
}

// edge is the colour of the frame around the verdict.
func (s *Screen) edge() ui.Style {
	switch {
	case s.asking:
		return s.Theme.Warn
	case s.running():
		return s.Theme.Accent
	case s.failure != nil:
		return s.Theme.Bad
	case s.Report.Done:
		return s.tone()
	}
	return s.Theme.Faint
}

// spent says how long the diagnosis has taken.
func (s *Screen) spent() string {
	switch {
	case s.began.IsZero():
		return ""
	case s.running():
		return fmt.Sprintf("%2d s", max(0, int(s.Now.Sub(s.began).Seconds())))
	}
	return fmt.Sprintf("%.1f s", float64(s.Report.Elapsed)/1e9)
}

// spentBars draw how much of the time went to each check that took a hundredth of it, in
// w cells.
func (s *Screen) spentBars(w int) (out []string) {
	const name, number = 13, 8
	th, sum := s.Theme, time.Duration(0)
	for _, c := range s.Report.Checks {
		sum += time.Duration(c.Elapsed)
	}
	styles := map[check.Status]ui.Style{check.OK: th.Open, check.Warn: th.Warn, check.Fail: th.Bad, check.Running: th.Accent, check.Skipped: th.Faint}
	for _, c := range s.Report.Checks {
		if took := time.Duration(c.Elapsed); took*100 >= sum && took > 0 {
			bar := th.Bar(styles[c.Status], float64(took)/float64(sum), w-name-number)
			out = append(out, " "+ui.Fit(checkName(c.ID), name)+bar+fmt.Sprintf("%*s", number, strings.TrimSpace(ui.Duration(took))))
		}
	}
	return out
}

// longest names the check that took most of the time.
func (s *Screen) longest() string {
	c := slices.MaxFunc(s.Report.Checks, func(a, b check.Check) int { return cmp.Compare(a.Elapsed, b.Elapsed) })
	return fmt.Sprintf("most: %s, %s", checkName(c.ID), ui.Duration(time.Duration(c.Elapsed)))
}

// report is what is drawn: without the ports while the screen is masked.
func (s *Screen) report() diag.Report {
	if s.Masked {
		return s.Report.WithoutPorts()
	}
	return s.Report
}

// checkName is what the screen calls a check.
func checkName(id string) string {
	return cmp.Or(map[string]string{check.Local: "this clock", check.Server: "server clock"}[id], id)
}

// checkSigns are the checks in one line: the sign and the name of each, or the signs
// alone.
func (s *Screen) checkSigns() string {
	line, short := "", " "+s.Theme.Quiet.Render("checks")+" "
	for _, id := range check.IDs() {
		mark, style, _ := s.sign(id)
		line += " " + style.Render(mark) + strings.ReplaceAll(checkName(id), " clock", "'s")
		if short += style.Render(mark); s.Theme.ASCII {
			short += " " // an ok has two letters
		}
	}
	if ui.Cells(line) < s.Size.Width {
		return line
	}
	name, text := "", ""
	for _, c := range s.Report.Checks {
		if c.Status == check.Fail || c.Status == check.Running {
			mark, style, _ := s.sign(c.ID)
			name, text = style.Render(mark)+" "+checkName(c.ID), ui.FirstThatFits(s.Size.Width-ui.Cells(short)-ui.Cells(checkName(c.ID))-7, append(s.wordings(c), "")...)
		}
	}
	if text != "" {
		text = ": " + text
	}
	return short + "  " + name + text
}

// sign is a check's mark.
func (s *Screen) sign(id string) (mark string, style, text ui.Style) {
	th := s.Theme
	c, _ := s.Report.Check(id)
	switch c = s.endedEarly(c); c.Status {
	case check.OK:
		return th.Yes, th.Open, th.Ink
	case check.Warn:
		return "!", th.Warn, th.Ink
	case check.Fail:
		return th.No, th.Bad, th.Ink
	case check.Skipped:
		return "-", th.Quiet, th.Quiet
	case check.Running:
		return ">", th.Accent, th.Ink
	}
	return th.Wait, th.Quiet, th.Ink
}

// endedEarly is a check as it is once its diagnosis has ended.
func (s *Screen) endedEarly(c check.Check) check.Check {
	if c.Status == check.Running && !s.running() {
		c.Status, c.Code = check.Skipped, check.EndedEarly
	}
	return c
}

// check is one check: a mark, its name, and its summary in w cells.
func (s *Screen) check(id string, name, w int) string {
	mark, style, text := s.sign(id)
	summary := ""
	if c, begun := s.Report.Check(id); begun {
		summary = ui.Clause(ui.FirstThatFits(w, s.wordings(s.endedEarly(c))...), w)
	}
	return style.Render(s.Theme.Mark(mark)) + " " + ui.Fit(checkName(id), name) + text.Render(summary)
}

// wordings are the ways to say how a check went, the longest first.
func (s *Screen) wordings(c check.Check) []string {
	all := append([]string{c.Summary()}, c.Short()...)
	switch scan, clock := s.Report.Evidence.LastScan(), s.Report.Evidence.Clock; {
	case c.ID == check.Scan && scan != nil:
		all = append(all, scanInShort(*scan, s.Target, c.Status == check.Running))
	case c.ID == check.Server && c.Status != check.Running && clock != nil:
		if clock.Known {
			names, offset := witnesses(*clock), phrase.Offset(clock.Skew)
			all = append(all, fmt.Sprintf("%s (%s)", offset, strings.Join(names, ", ")), fmt.Sprintf("%s (%s +%d)", offset, names[0], len(names)-1))
		}
	}
	return all
}
