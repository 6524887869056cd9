package diagnose

import (
	"fmt"
	"time"

	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/x/ansi"

	"rapport/diag"
	"rapport/tui/session"
	"rapport/tui/ui"
)

// cardHeight is how many lines the card has at least, and at most. It has more
// than the least only for a verdict.
func (s *Screen) cardHeight() (least, most int) {
	h := s.Size.Height
	switch {
	case s.Size.Roomy():
		return h/5 + 1, h / 3
	case s.Size.Framed():
		return 5, h / 2
	}
	return 4, max(4, h-7)
}

// card is the verdict, or what is being done for it.
func (s *Screen) card() (p ui.Pane) {
	th := s.Theme
	p.Title = "verdict"
	height, _ := s.cardHeight()
	add := func(style lipgloss.Style, most int, text string) {
		for _, l := range ui.Cut(s.wrapped(text), most) {
			p.Add(" " + style.Render(l))
		}
	}
	switch r := s.Report; {
	case s.asking:
		add(th.Warn, height-1, fmt.Sprintf("Trying future hours reveals them: an eavesdropper who records the knocks can open the gate in those hours when they come, "+
			"%d of them, until %v.", futureHours, s.Hour().Add(futureHours)))
		p.Add(" " + th.Accent.Render("y") + "  try them; any other key does not")
	case s.failure == session.Cancelled:
		add(th.Strong, 1, "cancelled, no verdict")
		add(th.Plain, 1, "r runs again")
	case s.running():
		p.Note = fmt.Sprintf("%2d s", max(0, int(s.Now.Sub(s.began).Seconds())))
		add(th.Strong, 1, "no verdict yet")
		if !s.Size.Framed() { // without a frame the note has no edge to stand on
			p.Lines[0] = ui.Ends(p.Lines[0], p.Note+" ", s.Size.Width)
		}
		add(th.Plain, 2, s.doing())
		if r.Scan != nil {
			add(th.Dim, height-len(p.Lines), r.Scan.Announce)
		}
	case s.failure != "":
		add(th.Bad, height-1, "not done: "+s.failure)
		add(th.Plain, 1, "r runs again")
	case r.Done:
		if p, _ = s.verdict(); s.paging() {
			return p
		}
	}
	p.Fill(height)
	return p
}

// verdict is what the card shows of a diagnosis that is over; whole says that
// there is no more to the verdict.
func (s *Screen) verdict() (p ui.Pane, whole bool) {
	v, style := s.Report.Verdict, s.tone()
	p = s.verdictHead(style)
	least, most := s.cardHeight()
	offer := s.fixLine()
	left := most - len(p.Lines)
	if offer != "" {
		left--
	}
	summary, fix := s.wrapped(v.Summary), s.wrapped(v.Fix)
	if v.Fix == "" {
		fix = nil
	}
	whole = len(summary)+len(fix) <= left
	summary = ui.Cut(summary, max(2, left-len(fix)))
	fix = ui.Cut(fix, left-len(summary))
	if s.paging() {
		summary, fix, least = ui.Cut(summary, 1), nil, 0
	}
	for _, l := range summary {
		p.Add(" " + style.Render(l))
	}
	for _, l := range fix {
		p.Add(" " + l)
	}
	if offer != "" {
		p.Add(offer)
	}
	if why := s.evidence(2); s.Size.Roomy() && len(why) > 0 {
		p.Add("")
		p.Add(why...)
	}
	if others := s.otherCauses(); others != "" && len(p.Lines) < least && !s.Size.Roomy() {
		p.Add(" " + s.Theme.Dim.Render(ui.Cut(s.wrapped(others), 1)[0]))
	}
	return p, whole
}

// verdictHead is the card's frame, with the verdict's code, or a first line that has
// it where there is no frame.
func (s *Screen) verdictHead(style lipgloss.Style) (p ui.Pane) {
	p.Title = "verdict"
	p.Note = fmt.Sprintf("%s, %d s", s.likely(), int(time.Duration(s.Report.Elapsed).Round(time.Second).Seconds()))
	copied := ""
	if s.copied {
		copied = "report in the clipboard (OSC 52)"
	}
	switch {
	case !s.Size.Framed():
		if s.copied {
			copied += " "
		}
		p.Add(ui.Ends(" "+style.Render(p.Note), copied, s.Size.Width))
	case s.copied:
		p.Note = copied + ", " + p.Note
	}
	return p
}

// tone is the verdict's style.
func (s *Screen) tone() lipgloss.Style {
	switch v := s.Report.Verdict; {
	case v.Code.Works():
		return s.Theme.Good
	case v.Code == diag.Unexplained:
		return s.Theme.Warn
	}
	return s.Theme.Bad
}

// wrapped breaks a text into lines of the card.
func (s *Screen) wrapped(text string) []string {
	return ui.Wrap(s.withoutPorts(text), s.Size.Width-4)
}

// likely names the verdict's code, and how likely it is.
func (s *Screen) likely() string {
	code := s.Report.Verdict.Code
	for _, c := range s.Report.Causes {
		if c.Code == code {
			return fmt.Sprintf("%s, %s", code, percent(c.Likelihood))
		}
	}
	return string(code)
}

// doing says which checks are under way, the newest first.
func (s *Screen) doing() string {
	checks := s.Report.Checks
	for i := len(checks) - 1; i >= 0; i-- {
		if c := checks[i]; c.Status == diag.Running {
			return checkName(c.ID) + ": " + c.Summary
		}
	}
	return "beginning"
}

// fixLine offers what of the fix is on this side.
func (s *Screen) fixLine() string {
	c := s.change()
	if c.IsZero() {
		return ""
	}
	line := " " + s.Theme.Accent.Render("f") + "  apply " + c.String() + " and knock"
	scope := []string{" (for this run)", ""}
	if s.listed {
		scope = []string{" (here and in the hosts file)", " (hosts file too)", ""}
	}
	return line + ui.FirstThatFits(s.Size.Width-2-ansi.StringWidth(line), scope...)
}
