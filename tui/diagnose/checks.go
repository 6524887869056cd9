package diagnose

import (
	"fmt"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"rapport/diag"
	"rapport/knock/phrase"
	"rapport/tui/ui"
)

// CheckIDs are all checks, in their order.
func CheckIDs() []string {
	return []string{diag.CheckName, diag.CheckRules, diag.CheckBefore, diag.CheckLocal, diag.CheckServer,
		diag.CheckHandshake, diag.CheckFamily, diag.CheckEgress, diag.CheckScan}
}

// checkName is what the screen calls a check.
func checkName(id string) string {
	switch id {
	case diag.CheckLocal:
		return "this clock"
	case diag.CheckServer:
		return "server clock"
	}
	return id
}

// checkLines are the checks, in two columns where there is room.
func (s *Screen) checkLines() (out []string) {
	ids := CheckIDs()
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
			line += s.Theme.Dim.Render(s.marks())
		}
		out = append(out, line)
	}
	return out
}

// marks explains the marks of the checks.
func (s *Screen) marks() string {
	return s.Theme.Yes + " ok  ! warn  " + s.Theme.No + " fail  - skipped  " + s.Theme.Wait + " not begun"
}

// check is one check: a mark, its name, and its summary in w cells.
func (s *Screen) check(id string, name, w int) string {
	th := s.Theme
	c, begun := s.Report.Check(id)
	if c.Status == diag.Running && !s.running() {
		c.Status, c.Summary = diag.Skipped, "ended early"
	}
	mark, style, text := th.Wait, th.Dim, th.Plain
	switch c.Status {
	case diag.OK:
		mark, style = th.Yes, th.Good
	case diag.Warn:
		mark, style = "!", th.Warn
	case diag.Fail:
		mark, style = th.No, th.Bad
	case diag.Skipped:
		mark, text = "-", th.Dim
	case diag.Running:
		mark, style = ">", th.Accent
	}
	summary := ""
	if begun {
		if summary = ui.FirstThatFits(w, s.wordings(c)...); ansi.StringWidth(summary) > w {
			summary = ui.Clause(summary, w)
		}
	}
	return style.Render(mark) + " " + ui.Fit(checkName(id), name) + text.Render(summary)
}

// wordings are the ways to say how a check went, the longest first.
func (s *Screen) wordings(c diag.Check) []string {
	all := append([]string{c.Summary}, c.Short...)
	switch r := s.Report; {
	case c.ID == diag.CheckScan && r.Scan != nil:
		all = append(all, scanInShort(*r.Scan, s.Target, c.Status == diag.Running))
	case c.ID == diag.CheckServer && c.Status != diag.Running && r.Clock != nil:
		if report := withoutKnock(*r.Clock); report.Known {
			names, offset := witnesses(report), phrase.Offset(report.Skew)
			all = append(all, fmt.Sprintf("%s (%s)", offset, strings.Join(names, ", ")), fmt.Sprintf("%s (%s +%d)", offset, names[0], len(names)-1))
		}
	}
	for i := range all {
		all[i] = s.withoutPorts(all[i])
	}
	return all
}
