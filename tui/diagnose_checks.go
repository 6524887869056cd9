package tui

import (
	"fmt"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"rapport/diag"
	"rapport/knock"
	"rapport/tui/ui"
)

// checkIDs are all checks, in their order.
func checkIDs() []string {
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
func (s *diagnoseScreen) checkLines() (out []string) {
	ids := checkIDs()
	if s.size.Width < ui.FramedWidth {
		for _, id := range ids {
			out = append(out, " "+s.check(id, 13, s.size.Width-18))
		}
		return out
	}
	rows := (len(ids) + 1) / 2
	left := s.size.Width * 46 / 100
	for i := range rows {
		line := ui.Fit(" "+s.check(ids[i], 13, left-17), left)
		if i+rows < len(ids) {
			line += s.check(ids[i+rows], 10, s.size.Width-left-14)
		} else {
			line += s.theme.Dim.Render(s.marks())
		}
		out = append(out, line)
	}
	return out
}

// marks explains the marks of the checks.
func (s *diagnoseScreen) marks() string {
	return s.theme.Yes + " ok  ! warn  " + s.theme.No + " fail  - skipped  " + s.theme.Wait + " not begun"
}

// check is one check: a mark, its name, and its summary in w cells.
func (s *diagnoseScreen) check(id string, name, w int) string {
	th := s.theme
	c, begun := s.report.Check(id)
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
		summary = s.withoutPorts(c.Summary)
		if ansi.StringWidth(summary) > w {
			summary = ui.Clause(s.inShort(c, w), w)
		}
	}
	return style.Render(mark) + " " + ui.Fit(checkName(id), name) + text.Render(summary)
}

// inShort says what a check came to in fewer words than its summary has, for w
// cells.
func (s *diagnoseScreen) inShort(c diag.Check, w int) string {
	r := s.report
	switch c.ID {
	case diag.CheckName:
		if first, _, both := strings.Cut(c.Summary, " and "); both && c.Status == diag.OK {
			if strings.Contains(first, ":") {
				return first + ", v4 too"
			}
			return first + ", v6 too"
		}
	case diag.CheckRules:
		if r.Rules == nil && c.Status == diag.Skipped {
			return "not given"
		}
	case diag.CheckBefore:
		s, _, _ := strings.Cut(c.Summary, " without a knock")
		return s
	case diag.CheckLocal:
		switch {
		case strings.HasPrefix(c.Summary, "no NTP server"):
			return "no NTP server named"
		case r.Clock != nil && r.Clock.Local.Known:
			return knock.FormatOffset(-r.Clock.Local.Offset) + " by NTP"
		}
	case diag.CheckServer:
		if c.Status == diag.Running || r.Clock == nil {
			break
		}
		if report := withoutKnock(*r.Clock); report.Known {
			names, offset := witnesses(report), knock.FormatOffset(report.Skew)
			text := fmt.Sprintf("%s (%s)", offset, strings.Join(names, ", "))
			if ansi.StringWidth(text) > w {
				text = fmt.Sprintf("%s (%s +%d)", offset, names[0], len(names)-1)
			}
			return text
		}
	case diag.CheckHandshake:
		s, _, _ := strings.Cut(c.Summary, ", after ")
		if ansi.StringWidth(s) > w {
			s = strings.TrimPrefix(s, "knocks ")
		}
		return s
	case diag.CheckEgress:
		if strings.HasPrefix(c.Summary, "loopback: ") {
			return "loopback"
		}
	case diag.CheckFamily:
		if strings.HasPrefix(c.Summary, "there is no address") {
			return "no address to compare with"
		}
	case diag.CheckScan:
		if r.Scan != nil {
			return scanInShort(*r.Scan, s.target, c.Status == diag.Running)
		}
	}
	return c.Summary
}
