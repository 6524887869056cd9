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
	if len(body) > room {
		if !a.large() {
			room--
		}
		room = max(room, 1)
		scroll = len(body) - room
		first := min(a.diagnose.scroll, scroll)
		body = body[first : first+room]
		card.foot = a.theme.dim.Render(fmt.Sprintf("lines %d-%d of %d: tab, up, down", first+1, first+room, room+scroll))
		if !a.large() {
			body = append(slices.Clip(body), " "+card.foot)
		}
	}
	return append(a.framed(card), body...), scroll
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
	all := [][]string{a.checkLines(), a.scanLines(), a.clockLines(), a.causeLines()}
	if a.roomy() {
		for i := range all {
			all[i] = append([]string{""}, all[i]...)
		}
	}
	return all
}

// card is the verdict, or what is being done for it. Its height is fixed.
func (a app) card() pane {
	d, th := a.diagnose, a.theme
	p := pane{title: "verdict"}
	height := 4
	switch {
	case a.roomy():
		height = 7
	case a.large():
		height = 5
	}
	add := func(style lipgloss.Style, most int, text string) {
		for _, l := range cut(wrap(a.withoutPorts(text), a.width-4), most) {
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
		add(plain, 2, a.doing())
		if r.Scan != nil {
			add(th.dim, height-len(p.lines), r.Scan.Announce)
		}
	case d.failure != "":
		add(th.bad, height-1, "not done: "+d.failure)
		add(plain, 1, "r runs again")
	case r.Done:
		v := r.Verdict
		p.note = fmt.Sprintf("%s, %d s", a.likely(v), int(time.Duration(r.Elapsed).Round(time.Second).Seconds()))
		if d.copied {
			p.note = "report in the clipboard (OSC 52), " + p.note
		}
		style := th.bad
		if v.Code.Works() {
			style = th.good
		}
		if v.Code == diag.Unexplained {
			style = th.warn
		}
		add(style, 2, v.Summary)
		left := height - len(p.lines)
		offer := a.fixLine()
		if offer != "" {
			left--
		}
		if v.Fix != "" {
			add(plain, left, v.Fix)
		}
		if offer != "" {
			p.lines = append(p.lines, offer)
		}
		if others := a.otherCauses(); others != "" && len(p.lines) < height {
			add(th.dim, 1, others)
		}
	}
	for len(p.lines) < height {
		p.lines = append(p.lines, "")
	}
	return p
}

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
	where := " (for this run)"
	if a.diagnose.listed {
		where = " (here and in the hosts file)"
	}
	if ansi.StringWidth(line+where) > a.width-2 {
		return line
	}
	return line + where
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

// causeLines are the causes behind the verdict, and what speaks for it.
func (a app) causeLines() (out []string) {
	r := a.diagnose.report
	if !r.Done || a.diagnosing() {
		return nil
	}
	const indent = 14
	say := func(label string, style lipgloss.Style, text string) {
		for i, l := range wrap(a.withoutPorts(text), a.width-indent-1) {
			if i > 0 {
				label = ""
			}
			out = append(out, " "+fit(label, indent-1)+style.Render(l))
		}
	}
	plain := lipgloss.NewStyle()
	label := "other causes"
	for _, c := range r.Causes[min(1, len(r.Causes)):] {
		text := fmt.Sprintf("%s  %s", percent(c.Likelihood), c.Code)
		n := len(c.Evidence)
		if !a.roomy() {
			n = min(n, 1)
		}
		if n > 0 {
			text += ": " + strings.Join(c.Evidence[:n], "; ")
		}
		if !a.roomy() {
			text = clause(text, a.width-indent-1)
		}
		say(label, plain, text)
		label = ""
	}
	if label != "" {
		say(label, a.theme.dim, "none that the evidence leaves room for")
	}
	label = "evidence"
	if len(r.Causes) > 0 {
		for _, e := range r.Causes[0].Evidence {
			say(label, plain, e)
			label = ""
		}
	}
	v := r.Verdict
	if len(v.Detail.Ports) > 0 {
		say("ports", plain, strings.Trim(fmt.Sprint(v.Detail.Ports), "[]")+" "+string(v.Detail.Answer))
	}
	if v.Fix != "" && !a.saysAll() {
		say("in full", plain, v.Summary)
		say("fix", plain, v.Fix)
	}
	return out
}

// saysAll reports whether the card has room for the whole verdict.
func (a app) saysAll() bool {
	v := a.diagnose.report.Verdict
	summary, fix := len(wrap(v.Summary, a.width-4)), len(wrap(v.Fix, a.width-4))
	if a.fixLine() != "" {
		fix++
	}
	return summary <= 2 && summary+fix <= len(a.card().lines)
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
