package tui

import (
	"fmt"
	"strings"

	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/x/ansi"

	"rapport/diag"
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
func (a app) checkLines() (out []string) {
	ids := checkIDs()
	if a.width < framedWidth {
		for _, id := range ids {
			out = append(out, " "+a.check(id, 13, a.width-18))
		}
		return out
	}
	rows := (len(ids) + 1) / 2
	left := a.width * 46 / 100
	for i := range rows {
		line := fit(" "+a.check(ids[i], 13, left-17), left)
		if i+rows < len(ids) {
			line += a.check(ids[i+rows], 10, a.width-left-14)
		} else {
			line += a.theme.dim.Render(a.legend())
		}
		out = append(out, line)
	}
	return out
}

// legend explains the marks of the checks.
func (a app) legend() string {
	return a.theme.yes + " ok  ! warn  " + a.theme.no + " fail  - skipped  " + a.theme.wait + " not begun"
}

// check is one check: a mark, its name, and its summary in w cells.
func (a app) check(id string, name, w int) string {
	th := a.theme
	c, begun := a.diagnose.report.Check(id)
	if c.Status == diag.Running && !a.diagnosing() {
		c.Status, c.Summary = diag.Skipped, "ended early"
	}
	mark, style, text := th.wait, th.dim, lipgloss.NewStyle()
	switch c.Status {
	case diag.OK:
		mark, style = th.yes, th.good
	case diag.Warn:
		mark, style = "!", th.warn
	case diag.Fail:
		mark, style = th.no, th.bad
	case diag.Skipped:
		mark, text = "-", th.dim
	case diag.Running:
		mark, style = ">", th.accent
	}
	summary := ""
	if begun {
		summary = a.withoutPorts(c.Summary)
		if ansi.StringWidth(summary) > w {
			summary = clause(a.inShort(c, w), w)
		}
	}
	return style.Render(mark) + " " + fit(checkName(id), name) + text.Render(summary)
}

// inShort says what a check came to in fewer words than its summary has, for w
// cells.
func (a app) inShort(c diag.Check, w int) string {
	r := a.diagnose.report
	switch c.ID {
	case diag.CheckName:
		if first, _, both := strings.Cut(c.Summary, " and "); both && c.Status == diag.OK {
			if strings.Contains(first, ":") {
				return first + ", v4 too"
			}
			return first + ", v6 too"
		}
	case diag.CheckRules:
		if strings.HasSuffix(c.Summary, " not given") {
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
			return diag.FormatOffset(-r.Clock.Local.Offset) + " by NTP"
		}
	case diag.CheckServer:
		if c.Status == diag.Running || r.Clock == nil {
			break
		}
		if clock := withoutKnock(*r.Clock); clock.Known {
			names, offset := witnesses(clock), diag.FormatOffset(clock.Skew)
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
			return scanInShort(*r.Scan, a.diagnose.target, c.Status == diag.Running)
		}
	}
	return c.Summary
}

// clause cuts s to w cells, at the end of a clause if one ends late enough.
func clause(s string, w int) string {
	switch {
	case w <= 0:
		return ""
	case ansi.StringWidth(s) <= w:
		return s
	}
	head := ansi.Truncate(s, w+1, "")
	for _, end := range []string{"; ", ", ", ": ", " ("} {
		if i := strings.LastIndex(head, end); i >= w/3 {
			return head[:i]
		}
	}
	head = ansi.Truncate(s, max(w-4, 0), "")
	if i := strings.LastIndexByte(head, ' '); i > w/2 {
		head = head[:i]
	}
	return head + " ..."
}
