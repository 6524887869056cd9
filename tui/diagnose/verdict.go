package diagnose

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"rapport/diag"
	"rapport/knock"
	"rapport/tui/session"
	"rapport/tui/ui"
)

// cardHeight returns the card's usual height in lines, and the most for a verdict.
func (s *Screen) cardHeight() (least, most int) {
	h := s.Size.Height
	switch {
	case s.Size.Wide():
		return 4, max(4, s.Size.Body()-clocksRows-scanRows-causesRows-2)
	case s.Size.Roomy():
		return h/5 + 1, h / 3
	case s.Size.Framed():
		return 5, h / 2
	}
	return 4, max(4, h-7)
}

// card is the verdict, or what the diagnosis is doing.
func (s *Screen) card() (p ui.Pane) {
	th := s.Theme
	p.Title = "verdict"
	height, _ := s.cardHeight()
	add := func(style ui.Style, most int, text string) {
		for _, l := range ui.Cut(s.wrapped(text), most) {
			p.Add(" " + style.Render(l))
		}
	}
	switch r := s.report(); {
	case s.asking:
		add(th.Warn, height-1, fmt.Sprintf("Trying future hours reveals them: an eavesdropper who records the knocks can open the gate in those hours when they come, "+
			"%d of them, until %v.", futureHours, s.Hour().Add(futureHours)))
		p.Add(" " + th.Accent.Render("y") + "  try them; any other key does not")
	case errors.Is(s.failure, context.Canceled):
		add(th.Strong, 1, "cancelled, no verdict")
		add(th.Ink, 1, "r runs again")
	case s.running():
		p.Note = fmt.Sprintf("%2d s", max(0, int(s.Now.Sub(s.began).Seconds())))
		if r.Verdict.Code == "" {
			add(th.Strong, 1, "no verdict yet")
		} else {
			add(th.Strong, 1, "probably "+s.likely())
			add(th.Ink, 2, r.Summary())
		}
		if !s.Size.Framed() { // without a frame there is no edge for the note
			p.Lines[0] = ui.Ends(p.Lines[0], p.Note+" ", s.Size.Width)
		}
		add(th.Ink, 2, s.doing())
		if s.Size.Wide() { // the checks have the announcement
			p.Add("", s.progress(s.Size.Width-4))
		} else if scan := r.Evidence.LastScan(); scan != nil {
			add(th.Quiet, height-len(p.Lines), scan.Announce)
		}
	case s.failure != nil:
		add(th.Bad, height-1, "not done: "+knock.Clean(session.ErrorText(s.failure), maxFailure))
		add(th.Ink, 1, "r runs again")
	case s.began.IsZero():
		add(th.Strong, 1, "not run yet")
		add(th.Ink, 2, "r finds out why SSH stays shut: name, clocks, handshake, and which hour opens it")
	case r.Done:
		if p, _ = s.verdict(); s.paging() {
			return p
		}
	}
	p.Fill(height)
	return p
}

// verdict is the card of a diagnosis that has ended; whole says that nothing is cut.
func (s *Screen) verdict() (p ui.Pane, whole bool) {
	style := s.tone()
	p = s.verdictHead(style)
	least, most := s.cardHeight()
	offer := s.fixLine()
	left := most - len(p.Lines)
	if offer != "" {
		left--
	}
	summary, fix := s.wrapped(s.report().Summary()), s.wrapped(s.report().Fix())
	if s.report().Fix() == "" {
		fix = nil
	}
	whole = len(summary)+len(fix) <= left
	summary = ui.Cut(summary, max(2, left-len(fix)))
	fix = ui.Cut(fix, left-len(summary))
	if s.paging() {
		summary, fix, least = ui.Cut(summary, 1), nil, 0
	}
	for _, l := range summary {
		p.Add(" " + style.Bold(true).Render(l))
	}
	for _, l := range fix {
		p.Add(" " + l)
	}
	if offer != "" {
		p.Add(offer)
	}
	if why := s.evidence(2); s.Size.Roomy() && !s.Size.Wide() && len(why) > 0 {
		p.Add("")
		p.Add(why...)
	}
	if others := s.otherCauses(); others != "" && len(p.Lines) < least && !s.Size.Roomy() {
		p.Add(" " + s.Theme.Quiet.Render(ui.Cut(s.wrapped(others), 1)[0]))
	}
	return p, whole
}

// verdictHead has the verdict's code on its frame, or without one in its first line.
func (s *Screen) verdictHead(style ui.Style) (p ui.Pane) {
	p.Title = "verdict"
	p.Note = fmt.Sprintf("%s, %d s", s.likely(), int(time.Duration(s.Report.Elapsed).Round(time.Second).Seconds()))
	const copied = "report in the clipboard (OSC 52)"
	switch framed := s.Size.Framed(); {
	case framed && s.copied:
		p.Note = copied + ", " + p.Note
	case s.copied:
		p.Add(ui.Ends(" "+style.Render(p.Note), copied+" ", s.Size.Width))
	case !framed:
		p.Add(ui.Fit(" "+style.Render(p.Note), s.Size.Width))
	}
	return p
}

func (s *Screen) tone() ui.Style {
	switch v := s.Report.Verdict; {
	case v.Code.Works():
		return s.Theme.Open
	case v.Code == diag.Unexplained:
		return s.Theme.Warn
	}
	return s.Theme.Bad
}

// wrapped breaks a text into lines of the card.
func (s *Screen) wrapped(text string) []string {
	return ui.Wrap(text, s.Size.Width-4)
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

// doing says what the newest check under way does.
func (s *Screen) doing() string {
	for _, c := range slices.Backward(s.Report.Checks) {
		if c.Status == diag.Running {
			return checkName(c.ID) + ": " + c.Summary()
		}
	}
	return "starting"
}

// fixLine offers the part of the fix that this side can apply.
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
	return line + ui.FirstThatFits(s.Size.Width-2-ui.Cells(line), scope...)
}
