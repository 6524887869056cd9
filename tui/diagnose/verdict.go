package diagnose

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"rapport/diag"
	"rapport/diag/check"
	"rapport/knock"
	"rapport/tui/session"
	"rapport/tui/ui"
)

// cardLeast is the card's usual height in lines: it grows for a longer verdict alone.
const cardLeast = 3

// card is the verdict, or what the diagnosis is doing, in as many lines as its text
// needs, most at the most.
func (s *Screen) card(most int) (p ui.Pane) {
	th := s.Theme
	p.Title, p.Note = "verdict", s.spent()
	add := func(style ui.Style, most int, text string) {
		for _, l := range ui.Cut(s.wrapped(text), most) {
			p.Add(" " + style.Render(l))
		}
	}
	switch {
	case s.asking:
		add(th.Warn, most-1, fmt.Sprintf("Trying future hours reveals them: an eavesdropper who records the knocks can open the gate in those hours when they come, "+
			"%d of them, until %v.", futureHours, s.Hour().Add(futureHours)))
		p.Add(" " + th.Accent.Render("y") + "  try them; any other key does not")
	case errors.Is(s.failure, context.Canceled):
		add(th.Strong, 1, "cancelled, no verdict")
		add(th.Ink, 1, "r runs again")
	case s.running():
		if p.Lines = s.progress(); s.judged() {
			p.Note = s.likely() + ", " + p.Note
		}
	case s.failure != nil:
		add(th.Bad, most-1, "not done: "+knock.Clean(session.ErrorText(s.failure), maxFailure))
		add(th.Ink, 1, "r runs again")
	case s.began.IsZero():
		add(th.Strong, 1, "not run yet")
		add(th.Ink, 2, "r finds out why SSH stays shut: name, clocks, handshake, and which hour opens it")
	case s.Report.Done:
		p = s.verdict(most)
	}
	p.Fill(cardLeast)
	return p
}

// progress is the card of a diagnosis under way: the verdict so far, once a scan has a
// hit, what it does, and how much is done.
func (s *Screen) progress() []string {
	th, w := s.Theme, s.Size.Width
	head := th.Strong.Render(" no verdict yet")
	if s.judged() {
		head = th.Warn.Bold(true).Render(ui.Truncate(" probably: "+s.report().Summary(), w-10))
	}
	if !s.Size.Framed() { // without a frame there is no edge for the time
		head = ui.Ends(head, s.spent()+" ", w)
	}
	lines := append([]string{head}, " "+ui.Cut(s.wrapped(s.doing()), 1)[0])
	done := 0
	for _, c := range s.Report.Checks {
		if c.Status != check.Running {
			done++
		}
	}
	const others = 0.2 // of the bar
	share := others * float64(done) / float64(len(check.IDs()))
	if r := s.Report.Evidence.LastScan(); r != nil && r.Candidates > 0 { // the last check is the longest
		share += (1 - share) * float64(r.Tried()) / float64(r.Candidates)
	}
	return append(lines, " "+th.Bar(th.Accent, share, w-4))
}

// verdict is the card of a diagnosis that has ended.
func (s *Screen) verdict(most int) (p ui.Pane) {
	style := s.tone()
	p = s.verdictHead(style)
	offer := s.fixLine()
	left := most - len(p.Lines)
	if offer != "" {
		left--
	}
	summary, fix := s.wrapped(s.report().Summary()), s.wrapped(s.report().Fix())
	if s.report().Fix() == "" {
		fix = nil
	}
	summary = ui.Cut(summary, max(min(2, left), left-len(fix)))
	fix = ui.Cut(fix, left-len(summary))
	for _, l := range summary {
		p.Add(" " + style.Bold(true).Render(l))
	}
	for _, l := range fix {
		p.Add(" " + l)
	}
	if offer != "" {
		p.Add(offer)
	}
	return p
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
	if r := s.Report.Evidence.LastScan(); r != nil && r.Confirming {
		text := session.ClockHour(r.Opened.Hour) + " opened it; confirming"
		if left := s.Window() - s.Now.Sub(s.hit); left >= time.Second { // once the window is over
			text += fmt.Sprintf(", %d s", int(left.Seconds()))
		}
		return text
	}
	for _, c := range slices.Backward(s.Report.Checks) {
		if c.Status == check.Running {
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
