package tui

import (
	"fmt"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"rapport/knock"
	"rapport/knock/gate"
)

// View implements [tea.Model].
func (a watchApp) View() string {
	if a.width == 0 || a.height == 0 {
		return ""
	}
	if a.width < minWidth || a.height < minHeight {
		return tooSmall(a.width, a.height)
	}
	lines := []string{a.header()}
	if a.help {
		lines = append(lines, a.framed(a.helpPane())...)
	} else {
		lines = append(lines, a.framed(a.addressPane())...)
		lines = append(lines, a.framed(a.totalsPane())...)
	}
	for len(lines) < a.height-1 {
		lines = append(lines, "")
	}
	pause := "pause"
	if a.paused != nil {
		pause = "go on"
	}
	hints := [][2]string{{"p", pause}, {"up down", "choose"}, {"?", "help"}, {"q", "quit"}}
	if a.help {
		hints = [][2]string{{"esc", "back"}, {"q", "quit"}}
	}
	if !a.help {
		blank := a.height - 2
		if !a.large() {
			blank = a.height - 4 // above the totals
		}
		lines[blank] = a.detail()
	}
	lines = append(lines[:a.height-1], hintLine(a.theme, a.width, hints))
	for i, l := range lines {
		lines[i] = ansi.Truncate(l, a.width, "")
	}
	return strings.Join(lines, "\n")
}

func (a watchApp) large() bool { return a.width >= framedWidth && a.height >= framedHeight }

func (a watchApp) framed(p pane) []string {
	if a.large() {
		return a.theme.box(a.width, p)
	}
	return p.lines
}

// header says what is watched, and what the time is.
func (a watchApp) header() string {
	clock := a.when().UTC().Format("2006-01-02 15:04:05 UTC")
	if a.width < framedWidth {
		clock = a.when().UTC().Format("15:04:05 UTC")
	}
	left := " " + a.theme.accent.Render("rapport") + "  " + a.theme.strong.Render("watch")
	seen := a.seen()
	switch {
	case a.paused != nil:
		left += "  " + a.theme.badge.Render(" PAUSED ")
	case seen.Lost:
		left += "  " + a.theme.bad.Render("no gate; waiting for one")
	}
	if g := seen.Gate; g.Kind != "" && seen.Down && !seen.Lost {
		left += "  " + a.theme.bad.Render(fmt.Sprintf("nothing listens on port %d", g.SSHPort))
	} else if g.Kind != "" && !seen.Lost {
		left += fmt.Sprintf("  %s gate", g.Kind)
		if g.SSHPort != 0 {
			left += fmt.Sprintf(", SSH port %d", g.SSHPort)
		}
		if len(g.Families) == 1 {
			left += fmt.Sprintf(", IPv%s only", g.Families[0])
		}
	}
	return ends(ansi.Truncate(left, a.width-len(clock)-2, ""), clock+" ", a.width)
}

// rows is how many addresses there is room for.
func (a watchApp) rows() int {
	if a.large() {
		return a.height - 10 // header, two frames, column heads, totals, blank line, keys
	}
	return max(1, a.height-6)
}

// columns are the widths of a row's parts.
type columns struct{ addr, cell, state int }

func (a watchApp) columns() columns {
	w := a.width - 1
	c := columns{addr: 15, cell: 6}
	if a.large() {
		w -= 2
		c = columns{addr: 18, cell: 7}
	}
	if a.width >= 110 {
		c = columns{addr: 39, cell: 8}
	}
	c.state = w - c.addr - 1 - knock.Knocks*c.cell
	return c
}

// addressPane is the table of addresses, the newest change first.
func (a watchApp) addressPane() pane {
	seen, c, rows := a.seen(), a.columns(), a.rows()
	p := pane{title: "addresses"}
	head := fit("address", c.addr) + " "
	for _, name := range []string{"1st", "2nd", "3rd", "4th", "5th"} {
		head += fit(name, c.cell)
	}
	p.lines = []string{" " + a.theme.dim.Render(head+"state")}
	last := min(len(seen.Visits), a.top+rows)
	visits := seen.Visits[min(a.top, last):last]
	short := shortened(visits, c.addr)
	for i, v := range visits {
		mark := " "
		if a.top+i == a.at {
			mark = a.theme.accent.Render(">")
		}
		p.lines = append(p.lines, mark+a.row(v, short[i], c))
	}
	if n := len(seen.Visits); n > rows {
		p.note = fmt.Sprintf("%d-%d of %d", a.top+1, last, n)
	}
	if len(seen.Visits) == 0 {
		waiting := "nobody is on the gate's lists; waiting for the first knock"
		switch {
		case seen.Gate.Kind == "":
			waiting = "reading the rules"
		case seen.Lost:
			waiting = "there is no gate in the rules any more; waiting for one"
		}
		p.lines = append(p.lines, "", " "+waiting)
	}
	for len(p.lines) < rows+1 {
		p.lines = append(p.lines, "")
	}
	if !a.large() {
		p.lines = append(p.lines, "")
	}
	return p
}

// row is one address, shortened.
func (a watchApp) row(v gate.Visit, short string, c columns) string {
	line := fit(short, c.addr) + " "
	for k := range knock.Knocks {
		cell := a.theme.dim.Render(fit(a.theme.wait, c.cell))
		if k < v.Phase {
			cell = a.theme.yes
			if at := v.Entered[k]; !at.IsZero() {
				if c.cell > 6 {
					cell += " "
				}
				cell += age(a.when().Sub(at))
			}
			cell = a.theme.good.Render(fit(cell, c.cell))
		}
		line += cell
	}
	words, tone := a.state(v, c.state)
	return line + tone.Render(ansi.Truncate(words, c.state, ""))
}

// totalsPane says how many got through, and where the others got stuck.
func (a watchApp) totalsPane() pane {
	t := a.seen().Totals
	p := pane{title: "since the watch began"}
	line := fmt.Sprintf(" handshakes %4d   got in %4d   shared? %3d", t.Handshakes, t.In, t.Shared)
	if t.Refused > 0 {
		line += fmt.Sprintf("   refused %d", t.Refused)
	}
	if n := a.seen().Ignored; n > 0 && a.width >= framedWidth {
		line += fmt.Sprintf("   ignored %d", n)
	}
	if t.SSHDown > 0 && a.width >= framedWidth {
		line += fmt.Sprintf("   nothing listens %d", t.SSHDown)
	}
	p.lines = append(p.lines, line)
	line = " stuck at"
	sum, most := 0, 0
	for k, n := range t.Stuck {
		line += fmt.Sprintf("  %d: %-4d", k+1, n)
		sum += n
		if n > t.Stuck[most] {
			most = k
		}
	}
	if sum >= enoughStuck && 2*t.Stuck[most] >= sum && a.width >= framedWidth {
		line += fmt.Sprintf("  mostly at %d", most+1)
	}
	p.lines = append(p.lines, line)
	return p
}

// enoughStuck is of how many it is told where most are.
const enoughStuck = 3

func (a watchApp) helpPane() pane {
	p := pane{title: "help"}
	for _, l := range watchHelp() {
		p.lines = append(p.lines, " "+a.theme.accent.Render(fit(l[0], 16))+l[1])
	}
	if g := a.seen().Gate; g.Kind != "" {
		if !g.Ended {
			p.lines = append(p.lines, " "+fit("here", 16)+"connections of under a second may be missed")
		}
		if !g.Counted {
			p.lines = append(p.lines, " "+fit("here", 16)+"no rule counts attempts that are dropped")
		}
	}
	return p
}
