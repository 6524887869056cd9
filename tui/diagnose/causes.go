package diagnose

import (
	"fmt"
	"slices"
	"strings"

	"rapport/diag"
	"rapport/diag/check"
	"rapport/diag/clock"
	"rapport/knock/phrase"
	"rapport/tui/ui"
)

// surely is the likelihood above which the screen says that there is no other cause.
const surely = 0.9

func percent(share float64) string { return fmt.Sprintf("%.0f %%", 100*share) }

// judged reports whether there are causes to show: those of a verdict, or of a first guess
// once something opened the gate. That nothing has so far is no guess.
func (s *Screen) judged() bool {
	return len(s.Report.Causes) > 0 && (s.Report.Done || s.Report.Verdict.Code != diag.Unexplained)
}

// at is the index of the chosen cause.
func (s *Screen) at() int { return max(0, min(s.chosen, len(s.Report.Causes)-1)) }

// causeBars draw how likely the causes are, in at most h lines of w cells around the
// chosen one.
func (s *Screen) causeBars(w, h int) (out []string) {
	const lead, code = 8, 20
	th, all := s.Theme, s.Report.Causes
	first := max(0, min(s.at()-h/2, len(all)-h))
	for i := first; i < min(len(all), first+h); i++ {
		c, style, name := all[i], th.Past, th.Ink
		if i == 0 {
			style = s.tone()
		}
		mark := " "
		if i == s.at() {
			mark, name = th.Accent.Render(">"), th.Strong
		}
		line := mark + ui.Fit(fmt.Sprintf("%5s", percent(c.Likelihood)), lead-2) + " "
		if bar := w - lead - code - 1; bar >= 6 {
			line += th.Bar(style, c.Likelihood, bar) + " "
		}
		line = ui.Fit(line+name.Render(string(c.Code)), w)
		if i == s.at() && len(all) > 1 {
			line = th.Choose(line, w)
		}
		out = append(out, line)
	}
	return out
}

// chosenLines are the evidence for the chosen cause, and the key that would tell it
// from the others, in at most h lines of w cells.
func (s *Screen) chosenLines(w, h int) (out []string) {
	th, c := s.Theme, s.Report.Causes[s.at()]
	why := s.report().Why(c)
	for _, e := range why {
		out = append(out, hanging(th.Quiet.Render(th.Wait+" "), ui.Paragraph(th.Ink, e, "  ", w))...)
	}
	if d := s.Report.Verdict.Detail; len(d.Ports) > 0 && s.at() == 0 {
		out = append(out, ui.Paragraph(th.Ink, "in the handshake: "+s.portList(d.Ports)+" "+string(d.Answer), "  ", w)...)
	}
	var last []string
	if key, text := s.settles(c); key != "" && h > 1 {
		last = []string{th.Accent.Render(key) + " " + th.Quiet.Render(ui.Truncate(text, w-2))}
	} else if len(s.Report.Causes) == 1 && c.Likelihood > surely {
		out = append(out, ui.Paragraph(th.Quiet, "no other cause: none that the evidence allows", "  ", w)...)
	}
	if len(out) > h-len(last) && len(why) > 1 { // the beginning of each tells more than all of the first
		out = nil
		for _, e := range why {
			out = append(out, th.Quiet.Render(th.Wait+" ")+th.Ink.Render(beginning(e, w-2)))
		}
	}
	return append(ui.Cut(out, h-len(last)), last...)
}

// beginning is the first clauses of a text in w cells, with a mark where it goes on and
// there is room: a whole clause says more than the mark.
func beginning(text string, w int) string {
	head := ui.Clause(text, w)
	if head == text || strings.HasSuffix(head, "…") || ui.Cells(head)+2 > w {
		return head
	}
	return head + " …"
}

// hanging puts a mark over the indent of the first line.
func hanging(mark string, lines []string) []string {
	if len(lines) > 0 {
		lines[0] = mark + lines[0][ui.Cells(mark):]
	}
	return lines
}

// settles names the key that would tell a cause from the others, by the evidence that
// is missing.
func (s *Screen) settles(c diag.Cause) (key, text string) {
	e := &s.Report.Evidence
	local, _ := s.Report.Check(check.Local)
	hours := []diag.Code{diag.ServerAhead, diag.ServerBehind, diag.RulesStale, diag.HourAhead, diag.HourBehind, diag.ClientAhead, diag.ClientBehind}
	switch {
	case c.Likelihood > surely || c.Code.Works() && len(s.Report.Causes) == 1:
		return "", ""
	case c.ID == "hours-ahead":
		return "F", "tries future hours, which decides it"
	case slices.Contains(hours, c.Code) && local.Code == check.ClockUnasked:
		return "r", "decides it once ntp names a time server in the hosts file"
	case slices.Contains(hours, c.Code) && !e.Clocks().Known:
		return "4", "reads the server's clock again, which decides it"
	case c.Code == diag.LossyPath:
		return "r", "runs again: what is lost does not repeat"
	case e.Rules == nil && e.Outcome() >= diag.KnocksAccepted:
		return "6", "takes the server's rules, which decide it"
	case e.Future == 0 && e.LastScan() != nil && e.LastScan().Opened == nil:
		return "F", "tries future hours: the scan did not"
	}
	return "r", "runs again"
}

// causeLines draw the causes, and beside or below them the evidence for the chosen one,
// in h lines of w cells.
func (s *Screen) causeLines(w, h int) []string {
	const aside = 76 // the width from which the evidence stands beside the causes
	if h <= 0 {
		return nil
	}
	if !s.judged() {
		text := "once the checks are done: what the evidence leaves room for"
		if r := s.Report.Evidence.LastScan(); r != nil && !s.Size.Wide() { // else it stands below the checks
			text = s.sent(*r)
		}
		return ui.Cut(ui.Paragraph(s.Theme.Quiet, text, " ", w-1), h)
	}
	if w < aside {
		bars := s.causeBars(w, max(1, h-2))
		return append(bars, s.chosenLines(w-1, h-len(bars))...)
	}
	left := 36 + max(0, (w-aside)/6)
	return ui.Beside(s.causeBars(left-1, h), s.chosenLines(w-left-2, h), left)
}

// causeNote says which cause is chosen.
func (s *Screen) causeNote() string {
	if !s.judged() || len(s.Report.Causes) < 2 {
		return ""
	}
	return fmt.Sprintf("%d of %d: up, down", s.at()+1, len(s.Report.Causes))
}

// serverClock is what the server's clocks come to, in a few words.
func serverClock(c *clock.Report) string {
	switch {
	case c == nil:
		return ""
	case !c.Known:
		told := 0
		for _, r := range c.Sources {
			if r.Of == clock.Server && r.Err == nil {
				told++
			}
		}
		if told > 1 {
			return "the sources disagree"
		}
		return "the server's is not known"
	}
	return phrase.Offset(c.Skew) + ", within " + ui.Duration(c.Uncertainty)
}

// portList are the ports that the verdict is about, masked while the screen is.
func (s *Screen) portList(ports []uint16) string {
	var texts []string
	for _, p := range ports {
		texts = append(texts, s.Port(p))
	}
	return strings.Join(texts, " ")
}
