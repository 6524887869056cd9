package tui

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/x/ansi"

	"rapport/diag"
	"rapport/knock"
)

// roomyHeight is the height from which on nothing has to be kept short.
const roomyHeight = 36

func (a app) roomy() bool { return a.large() && a.height >= roomyHeight }

// diagnosePanes lay the Diagnose screen out between header and footer, and say
// how far what is below the verdict can be scrolled.
func (a app) diagnosePanes() (lines []string, scroll int) {
	card := a.card()
	var body []string
	for _, s := range a.diagnoseSections() {
		body = append(body, s...)
	}
	room := a.height - 2 - len(card.lines)
	if a.large() {
		room -= 3 // the frame, and a blank line above the keys
	}
	if paging := a.paging(); paging || len(body) > room {
		if !a.large() {
			room--
		}
		all := len(body)
		room = max(1, min(room, all))
		scroll = all - room
		first := min(a.diagnose.scroll, scroll)
		body = body[first : first+room]
		card.foot = a.theme.dim.Render(fmt.Sprintf("lines %d-%d of %d: tab, up, down", first+1, first+room, all))
		if paging {
			scroll = max(scroll, 1) // there is a way back to the whole card
		}
		if !a.large() {
			body = append(slices.Clip(body), " "+card.foot)
		}
	}
	return append(a.framed(card), body...), scroll
}

// paging reports whether the user reads on below a card that has no frame. Then
// it leaves the room to what is read.
func (a app) paging() bool {
	if a.large() || a.diagnose.scroll == 0 || !a.diagnose.report.Done {
		return false
	}
	a.diagnose.scroll = 0
	_, scroll := a.diagnosePanes()
	return scroll > 0
}

// nextSection returns where the section begins that comes after what is shown
// first, from the top again after the last.
func (a app) nextSection() int {
	_, room := a.diagnosePanes()
	at := 0
	for _, s := range a.diagnoseSections() {
		if at > a.diagnose.scroll && a.diagnose.scroll < room {
			return at
		}
		at += len(s)
	}
	return 0
}

// diagnoseSections are what stands below the verdict. Those whose height is
// known from the start come first, so that nothing moves when they fill.
func (a app) diagnoseSections() [][]string {
	all := [][]string{a.checkLines(), a.scanLines(), a.clockLines(), a.causeLines(), a.fullLines()}
	if a.roomy() {
		for i := range all {
			if len(all[i]) == 0 {
				continue
			}
			all[i] = append([]string{""}, all[i]...)
		}
	}
	return all
}

// cardHeight is how many lines the card has at least, and at most. It has more
// than the least only for a verdict.
func (a app) cardHeight() (least, most int) {
	switch {
	case a.roomy():
		return a.height/5 + 1, a.height / 3
	case a.large():
		return 5, a.height / 2
	}
	return 4, max(4, a.height-7)
}

// card is the verdict, or what is being done for it.
func (a app) card() pane {
	d, th := a.diagnose, a.theme
	p := pane{title: "verdict"}
	height, _ := a.cardHeight()
	add := func(style lipgloss.Style, most int, text string) {
		for _, l := range cut(a.wrapped(text), most) {
			p.lines = append(p.lines, " "+style.Render(l))
		}
	}
	plain := lipgloss.NewStyle()
	r := d.report
	switch {
	case d.asking:
		add(th.warn, height-1, fmt.Sprintf("Trying hours to come reveals them: an onlooker who keeps the knocks can open the gate in those hours when they come, "+
			"%d of them, until %v.", futureHours, knock.HourOf(a.now.Add(a.screen.target.Skew)).Add(futureHours)))
		p.lines = append(p.lines, " "+th.accent.Render("y")+"  try them; any other key does not")
	case d.failure == cancelled:
		add(th.strong, 1, "cancelled, no verdict")
		add(plain, 1, "r runs again")
	case a.diagnosing():
		p.note = fmt.Sprintf("%2d s", max(0, int(a.now.Sub(d.began).Seconds())))
		add(th.strong, 1, "no verdict yet")
		if !a.large() { // without a frame the note has no edge to stand on
			p.lines[0] = ends(p.lines[0], p.note+" ", a.width)
		}
		add(plain, 2, a.doing())
		if r.Scan != nil {
			add(th.dim, height-len(p.lines), r.Scan.Announce)
		}
	case d.failure != "":
		add(th.bad, height-1, "not done: "+d.failure)
		add(plain, 1, "r runs again")
	case r.Done:
		if p, _ = a.verdict(); a.paging() {
			return p
		}
	}
	for len(p.lines) < height {
		p.lines = append(p.lines, "")
	}
	return p
}

// verdict is what the card shows of a diagnosis that is over; whole says that
// there is no more to the verdict.
func (a app) verdict() (p pane, whole bool) {
	d, th, v := a.diagnose, a.theme, a.diagnose.report.Verdict
	style := th.bad
	switch {
	case v.Code.Works():
		style = th.good
	case v.Code == diag.Unexplained:
		style = th.warn
	}
	p = pane{title: "verdict", note: fmt.Sprintf("%s, %d s", a.likely(v), int(time.Duration(d.report.Elapsed).Round(time.Second).Seconds()))}
	const copied = "report in the clipboard (OSC 52)"
	if !a.large() { // without a frame the note has no edge to stand on
		note := ""
		if d.copied {
			note = copied + " "
		}
		p.lines = append(p.lines, ends(" "+style.Render(p.note), note, a.width))
	} else if d.copied {
		p.note = copied + ", " + p.note
	}
	least, most := a.cardHeight()
	offer := a.fixLine()
	left := most - len(p.lines)
	if offer != "" {
		left--
	}
	summary, fix := a.wrapped(v.Summary), a.wrapped(v.Fix)
	if v.Fix == "" {
		fix = nil
	}
	whole = len(summary)+len(fix) <= left
	summary = cut(summary, max(2, left-len(fix)))
	fix = cut(fix, left-len(summary))
	if a.paging() {
		summary, fix, least = cut(summary, 1), nil, 0
	}
	for _, l := range summary {
		p.lines = append(p.lines, " "+style.Render(l))
	}
	for _, l := range fix {
		p.lines = append(p.lines, " "+l)
	}
	if offer != "" {
		p.lines = append(p.lines, offer)
	}
	if why := a.evidence(2); a.roomy() && len(why) > 0 {
		p.lines = append(append(p.lines, ""), why...)
	}
	if others := a.otherCauses(); others != "" && len(p.lines) < least && !a.roomy() {
		p.lines = append(p.lines, " "+th.dim.Render(cut(a.wrapped(others), 1)[0]))
	}
	return p, whole
}

// wrapped breaks a text into lines of the card.
func (a app) wrapped(text string) []string { return wrap(a.withoutPorts(text), a.width-4) }

// likely names the verdict's code, and how likely it is.
func (a app) likely(v diag.Verdict) string {
	for _, c := range a.diagnose.report.Causes {
		if c.Code == v.Code {
			return fmt.Sprintf("%s, %s", v.Code, percent(c.Likelihood))
		}
	}
	return string(v.Code)
}

// otherCauses names the causes behind the verdict.
func (a app) otherCauses() string {
	var others []string
	for _, c := range a.diagnose.report.Causes[min(1, len(a.diagnose.report.Causes)):] {
		others = append(others, fmt.Sprintf("%s %s", c.Code, percent(c.Likelihood)))
	}
	if others == nil {
		return ""
	}
	return "or else: " + strings.Join(others, ", ")
}

func percent(share float64) string { return fmt.Sprintf("%.0f %%", 100*share) }

// doing says which checks are under way, the newest first.
func (a app) doing() string {
	checks := a.diagnose.report.Checks
	for i := len(checks) - 1; i >= 0; i-- {
		if c := checks[i]; c.Status == diag.Running {
			return checkName(c.ID) + ": " + c.Summary
		}
	}
	return "beginning"
}

// fixLine offers what of the fix is on this side.
func (a app) fixLine() string {
	c := a.change()
	if c.IsZero() {
		return ""
	}
	line := " " + a.theme.accent.Render("f") + "  take " + c.String() + " over and knock"
	scope := []string{" (for this run)"}
	if a.diagnose.listed {
		scope = []string{" (here and in the hosts file)", " (hosts file too)"}
	}
	for _, s := range scope {
		if ansi.StringWidth(line+s) <= a.width-2 {
			return line + s
		}
	}
	return line
}

// cut keeps n lines, and shows at the end of the last one that there were more.
func cut(lines []string, n int) []string {
	if len(lines) <= n {
		return lines
	}
	if n <= 0 {
		return nil
	}
	lines = slices.Clone(lines[:n])
	last := strings.TrimRight(lines[n-1], " ,;:.")
	if i := strings.LastIndexByte(last, ' '); i > 0 && ansi.StringWidth(last)+4 > ansi.StringWidth(lines[0]) {
		last = last[:i]
	}
	lines[n-1] = last + " ..."
	return lines
}

// causeLines are what speaks for the verdict, and the causes behind it.
func (a app) causeLines() (out []string) {
	r := a.diagnose.report
	if !r.Done || a.diagnosing() || len(r.Causes) == 0 {
		return nil
	}
	if !a.roomy() { // there the card has it
		out = a.evidence(0)
	}
	if v := r.Verdict; len(v.Detail.Ports) > 0 {
		out = append(out, a.labelled("ports", strings.Trim(fmt.Sprint(v.Detail.Ports), "[]")+" "+string(v.Detail.Answer), 0)...)
	}
	label := "other causes"
	for _, c := range r.Causes[1:] {
		const indent = "      "
		out = append(out, a.labelled(label, fmt.Sprintf("%4s  %s", percent(c.Likelihood), c.Code), 0)...)
		for _, e := range c.Evidence {
			for _, l := range a.labelled("", e, len(indent)) {
				out = append(out, indent+l)
			}
		}
		label = ""
	}
	if len(r.Causes) == 1 && r.Causes[0].Likelihood > surely {
		out = append(out, a.labelled(label, "none that the evidence leaves room for", 0)...)
	}
	return out
}

// evidence is what speaks for the verdict, one thing a line, in so many cells
// less than the screen has.
func (a app) evidence(less int) (out []string) {
	label := "evidence"
	for _, c := range a.diagnose.report.Causes[:min(1, len(a.diagnose.report.Causes))] {
		for _, e := range c.Evidence {
			out = append(out, a.labelled(label, e, less)...)
			label = ""
		}
	}
	return out
}

// labelled is a text with a label before its first line, in so many cells less
// than the screen has.
func (a app) labelled(label, text string, less int) (out []string) {
	const column = 14 // where the text begins
	for _, l := range wrap(a.withoutPorts(text), a.width-column-less-1) {
		out = append(out, " "+fit(label, column-1)+l)
		label = ""
	}
	return out
}

// surely is the likelihood from which on it is worth saying that there is no
// other cause.
const surely = 0.9

// fullLines are the verdict and its fix where the card has no room for all of
// them.
func (a app) fullLines() []string {
	r := a.diagnose.report
	if !r.Done || a.diagnosing() {
		return nil
	}
	if _, whole := a.verdict(); whole {
		return nil
	}
	return append(a.labelled("in full", r.Verdict.Summary, 0), a.labelled("fix", r.Verdict.Fix, 0)...)
}

// withoutPorts hides the knock ports that a text names, on a masked screen.
func (a app) withoutPorts(text string) string {
	r := a.diagnose.report
	ports := slices.Clone(r.Verdict.Detail.Ports)
	for _, h := range []*knock.Report{r.Handshake, r.Other} {
		if h == nil {
			continue
		}
		for _, attempt := range h.Attempts {
			for _, k := range attempt.Knocks {
				ports = append(ports, k.Port)
			}
		}
	}
	return a.screen.hide(text, ports)
}

// diagnoseHints are the keys of the Diagnose screen.
func (a app) diagnoseHints() [][2]string {
	var hints [][2]string
	switch {
	case a.diagnose.asking:
		return [][2]string{{"y", "try them"}, {"any other key", "do not"}}
	case a.diagnosing():
		hints = [][2]string{{"esc", "cancel"}, {"r", "run again"}, {"F", "future"}}
	default:
		if !a.change().IsZero() {
			hints = append(hints, [2]string{"f", "fix"})
		}
		hints = append(hints, [][2]string{{"r", "run again"}, {"F", "future"}}...)
		if a.diagnose.report.Done {
			hints = append(hints, [2]string{"y", "copy"})
		}
	}
	if _, room := a.diagnosePanes(); room > 0 {
		hints = append(hints, [2]string{"tab", "more"})
	}
	if !a.diagnosing() {
		hints = append(hints, [2]string{"esc", "back"})
	}
	return append(hints, [][2]string{{"?", "help"}, {"q", "quit"}}...)
}
