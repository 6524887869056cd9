package tui

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"rapport/knock"
	"rapport/knock/gate"
)

// comparePanes lay the Compare screen out between header and footer, and say
// how far its text can be scrolled.
func (a app) comparePanes() (lines []string, scroll int) {
	c := a.compare
	switch {
	case c.step == naming:
		return a.framed(a.pathPane()), 0
	case c.step == collecting:
		return a.framed(a.collectPane()), 0
	case c.result == nil:
		return a.framed(pane{title: "compare", lines: a.indented(a.underWay())}), 0
	}
	if c.result.Gate != nil || c.result.Kind == "" {
		lines = a.framed(a.portsPane())
	}
	room := a.height - 2 - len(lines)
	if a.large() {
		room -= 3 // the frame, and a blank line above the keys
	}
	text := a.findings()
	p := pane{title: "findings", lines: text}
	if len(text) > room {
		shown := room
		if !a.large() {
			shown--
		}
		scroll = len(text) - shown
		first := min(c.scroll, scroll)
		p.lines = text[first : first+shown]
		p.foot = fmt.Sprintf("lines %d-%d of %d, up and down", first+1, first+shown, len(text))
		if !a.large() {
			p.lines = append(slices.Clip(p.lines), a.theme.dim.Render(" "+p.foot))
		}
	}
	for a.large() && len(p.lines) < room {
		p.lines = append(p.lines, "")
	}
	return append(lines, a.framed(p)...), scroll
}

// indented wraps a text into the lines of a pane.
func (a app) indented(s string) (out []string) {
	for _, l := range wrap(s, a.width-4) {
		out = append(out, " "+l)
	}
	return out
}

func (a app) underWay() string {
	what := a.compare.text.size()
	if a.compare.path != "" {
		what = knock.Clean(a.compare.path, 200)
	}
	return fmt.Sprintf("comparing %s: every hour within %d either way, every range, every form of the secret", what, gate.DefaultHours)
}

// collectPane asks for the rules, and says how much has come.
func (a app) collectPane() pane {
	c := a.compare
	p := pane{title: "compare with the server's rules"}
	for _, l := range []string{
		"Paste what one of these prints on the server, as root:",
		"    iptables-save; ip6tables-save",
		"    nft list ruleset",
		"or its script, or five ports that it takes. Then press enter on an empty line, or ctrl+d.",
		"",
	} {
		p.lines = append(p.lines, a.indented(l)...)
	}
	switch n := len(c.text.bytes); {
	case n == 0:
		p.lines = append(p.lines, a.theme.dim.Render(" nothing yet"))
	case c.text.isPorts() && a.screen.masked:
		p.lines = append(p.lines, " "+a.theme.accent.Render("ports")+"  ***** _")
	case c.text.isPorts():
		typed := strings.Join(strings.Fields(string(c.text.bytes)), " ")
		p.lines = append(p.lines, a.indented(a.theme.accent.Render("ports")+"  "+typed+" _")...)
	default:
		p.lines = append(p.lines, " "+a.theme.accent.Render("text")+"  "+c.text.size()+" _")
		if n == maxText {
			p.lines = append(p.lines, " "+a.theme.bad.Render("what follows is dropped: "+gate.ErrLongRules.Error()))
		}
	}
	return a.failing(p)
}

// pathPane asks for a file.
func (a app) pathPane() pane {
	return a.failing(pane{title: "compare with a file", lines: []string{" " + a.theme.accent.Render("path") + "  " + a.input.View()}})
}

// failing adds why the newest comparison could not be made.
func (a app) failing(p pane) pane {
	if a.compare.failure == "" {
		return p
	}
	p.lines = append(p.lines, "")
	for _, l := range wrap(a.compare.failure, a.width-4) {
		p.lines = append(p.lines, " "+a.theme.bad.Render(l))
	}
	return p
}

// portsPane shows the server's phases beside the client's sequence.
func (a app) portsPane() pane {
	i := a.compare.result
	p := pane{title: "compare", note: "five ports"}
	var there []uint16
	if i.Gate != nil {
		p.note = gateNote(*i)
		there = i.Gate.Ports
	}
	if i.Puzzle.Ports[0] != 0 {
		there = i.Puzzle.Ports[:]
	}
	seq := knock.Derive(i.Puzzle.Hour, i.Puzzle.Range, i.Puzzle.Secret)
	p.lines = append(p.lines, a.theme.dim.Render(" "+fit("", 9)+fit("there", 10)+fit("here", 10)+"for hour "+i.Puzzle.Hour.String()))
	for k, name := range ordinals() {
		here := seq.Ports()[k]
		switch {
		case k >= len(there):
			p.lines = append(p.lines, a.row(name, "none", a.screen.port(here), "differs"))
		case there[k] == 0:
			p.lines = append(p.lines, a.row(name, "computed", a.screen.port(here), "not told"))
		default:
			p.lines = append(p.lines, a.row(name, a.screen.port(there[k]), a.screen.port(here), same(there[k] == here)))
		}
	}
	if i.Gate == nil {
		return p
	}
	g, t := i.Gate, a.screen.target
	port, door := strconv.Itoa(g.SSHPort), ""
	guarded := slices.Contains(g.Doors, a.screen.host.SSHPort)
	if g.SSHPort == 0 {
		port, guarded = "any", true
	}
	if g.Door != "" {
		door = "   door " + string(g.Door)
	}
	here := strconv.Itoa(a.screen.host.SSHPort)
	if g.Door == "" {
		p.lines = append(p.lines, a.row("ssh", "no door", here, "differs"))
	} else {
		p.lines = append(p.lines, a.row("ssh", port, here, same(guarded))+door)
	}
	of := t.Window
	if of == 0 {
		of = knock.DefaultWindow
	}
	window, word := span(g.Window()), same(g.Window() == of)
	switch {
	case i.Kind == gate.FromScript && g.Window() == 0:
		window, word = "computed", "not told"
	case g.Window() == 0:
		window = "endless"
	}
	p.lines = append(p.lines, a.row("window", window, span(of), word))
	return p
}

// gateNote says where a gate stands.
func gateNote(i gate.Inspection) string {
	var families []string
	for _, g := range i.Gates {
		families = append(families, "IPv"+string(g.Family))
	}
	return fmt.Sprintf("%s, %s, chain %s", i.Kind, strings.Join(families, " and "), knock.Clean(i.Gate.Chain, 30))
}

// row is one line of the table.
func (a app) row(name, there, here, word string) string {
	style := a.theme.dim
	switch word {
	case "same":
		style = a.theme.good
	case "differs":
		style = a.theme.bad
	}
	return " " + fit(name, 9) + fit(there, 10) + fit(here, 10) + style.Render(fit(word, 8))
}

func same(is bool) string {
	if is {
		return "same"
	}
	return "differs"
}

// span writes whole seconds as the hosts file does.
func span(d time.Duration) string { return fmt.Sprintf("%gs", d.Seconds()) }

// findings are what is said below the table, in lines of the pane's width.
func (a app) findings() (out []string) {
	c, i := a.compare, a.compare.result
	add := func(style func(...string) string, s string) {
		for _, l := range wrap(a.masked(s), a.width-4) {
			out = append(out, " "+style(l))
		}
	}
	th := a.theme
	plain := func(s ...string) string { return strings.Join(s, " ") }
	if c.notice != "" {
		add(th.strong.Render, c.notice)
	}
	if c.step == comparing {
		add(th.dim.Render, a.underWay())
	}
	if i.Printed != nil {
		add(plain, i.Printed.Words())
	}
	if m := i.Match(); m != nil {
		add(plain, fmt.Sprintf("made with: hour %v (%s), range %v, the secret %s", m.Hour, m.When(), m.Range, m.Variant.Words()))
		if n := i.Others(); n > 0 {
			add(th.warn.Render, fmt.Sprintf("ambiguous: made by %s of hour, range and secret too", count(n, "other combination")))
		}
	}
	switch {
	case i.OtherSecret():
		add(th.bad.Render, fmt.Sprintf("another secret: no hour within %d either way, no range and no form of the secret makes these ports", gate.DefaultHours))
	case len(i.Differs) > 0:
		add(th.warn.Render, "differs: "+strings.Join(i.Differs, "; "))
	case i.Match() != nil:
		add(th.good.Render, "hour, range and secret are the same here")
	case i.Printed != nil:
		add(th.good.Render, "range, window and ssh port are the same here")
	}
	if m := i.Match(); m != nil && c.followed && c.step == compared {
		real := gate.Match{HourOffset: m.Hour.Sub(knock.HourOf(c.at))}
		switch {
		case m.HourOffset != 0:
		case real.HourOffset < 0:
			add(th.warn.Render, fmt.Sprintf("the server's rules are stale still, from %s: this client only follows", real.When()))
		case real.HourOffset > 0:
			add(th.warn.Render, fmt.Sprintf("the server's rules are still for %s: this client only follows", real.When()))
		}
	}
	if o := c.offer(a.screen.host); o.any() && c.step == compared {
		out = append(out, " "+th.accent.Render("f")+"  take "+o.String()+" over")
		how := "for this run"
		if c.listed {
			how += ", and into the hosts file"
		}
		if o.skewed {
			how += "; if the server's refresh has stopped, mend that instead"
		}
		for _, l := range wrap(how, a.width-7) {
			out = append(out, "    "+th.dim.Render(l))
		}
	}
	if g := i.Gate; g != nil {
		for _, also := range g.Also {
			add(plain, "also takes: "+strings.Trim(fmt.Sprint(also), "[]"))
		}
	}
	for _, p := range i.Problems {
		style := th.dim
		switch p.Severity {
		case gate.SeverityError:
			style = th.bad
		case gate.SeverityWarning:
			style = th.warn
		}
		add(style.Render, fmt.Sprintf("%s %s: %s", p.Severity, p.Code, p.Summary))
		for n, l := range wrap(a.masked(p.Fix), a.width-11) {
			label := "fix: "
			if n > 0 {
				label = "     "
			}
			out = append(out, "   "+label+l)
		}
	}
	if i.Gate != nil && len(i.Problems) == 0 {
		add(plain, "no problems")
	}
	return out
}

// masked hides the knock ports that a text names, on a masked screen.
func (a app) masked(s string) string {
	i := a.compare.result
	ports := slices.Clone(i.Puzzle.Ports[:])
	if i.Gate != nil {
		ports = slices.Concat(ports, i.Gate.Ports, slices.Concat(i.Gate.Also...))
	}
	return a.screen.hide(s, ports)
}

// compareHints are the keys of the Compare screen.
func (a app) compareHints() [][2]string {
	c := a.compare
	mask := "mask"
	if a.screen.masked {
		mask = "unmask"
	}
	switch {
	case c.step == naming:
		return [][2]string{{"enter", "load"}, {"esc", "back"}}
	case c.step == collecting && len(c.text.bytes) == 0:
		return [][2]string{{"l", "load a file"}, {"esc", "back"}}
	case c.step == collecting:
		return [][2]string{{"ctrl+d", "compare"}, {"ctrl+u", "clear"}, {"esc", "back"}}
	case c.step == comparing:
		return [][2]string{{"esc", "cancel"}, {"m", mask}, {"?", "help"}, {"q", "quit"}}
	}
	var hints [][2]string
	if c.offer(a.screen.host).any() {
		hints = append(hints, [2]string{"f", "take over"})
	}
	return append(hints, [][2]string{{"esc", "back"}, {"c", "compare others"}, {"m", mask}, {"?", "help"}, {"q", "quit"}}...)
}
