package watching

import (
	"fmt"
	"time"

	"github.com/charmbracelet/x/ansi"

	"rapport/knock"
	"rapport/knock/gate/watch"
	"rapport/tui/session"
	"rapport/tui/ui"
)

func (s *Screen) View() []string {
	s.follow() // the size may have changed
	p := ui.Pane{Lines: append(s.Frame(s.addressPane()), s.Frame(s.totalsPane())...)}
	p.Fill(s.Size.Height - 2)
	detail := len(p.Lines) - 1
	if !s.Size.Framed() {
		detail -= 2 // above the totals
	}
	p.Lines[detail] = s.detail()
	return p.Lines
}

func (s *Screen) Header() (about string, at time.Time) {
	th, seen := s.Theme, s.seen()
	about = th.Strong.Render("watch")
	switch {
	case s.paused != nil:
		about += "  " + th.Badge.Render(" PAUSED ")
	case seen.Lost:
		about += "  " + th.Bad.Render("no gate; waiting for one")
	}
	if g := seen.Gate; g.Kind != "" && seen.Down && !seen.Lost {
		about += "  " + th.Bad.Render(fmt.Sprintf("nothing listens on port %d", g.SSHPort))
	} else if g.Kind != "" && !seen.Lost {
		about += fmt.Sprintf("  %s gate", g.Kind)
		if g.SSHPort != 0 {
			about += fmt.Sprintf(", SSH port %d", g.SSHPort)
		}
		if len(g.Families) == 1 {
			about += fmt.Sprintf(", IPv%s only", g.Families[0])
		}
	}
	return about, s.when()
}

// rows is how many addresses fit.
func (s *Screen) rows() int {
	if s.Size.Framed() {
		return s.Size.Height - 10 // header, two frames, column heads, totals, blank line, keys
	}
	return max(1, s.Size.Height-6)
}

// columns are the widths of a row's parts in cells.
type columns struct{ addr, cell, state int }

func (s *Screen) columns() columns {
	w := s.Size.Width - 1
	c := columns{addr: 15, cell: 6}
	if s.Size.Framed() {
		w -= 2
		c = columns{addr: 18, cell: 7}
	}
	if s.Size.Width >= 110 {
		c = columns{addr: 39, cell: 8}
	}
	c.state = w - c.addr - 1 - knock.Knocks*c.cell
	return c
}

// addressPane is the table of addresses, the latest change first.
func (s *Screen) addressPane() ui.Pane {
	seen, c, rows := s.seen(), s.columns(), s.rows()
	p := ui.Pane{Title: "addresses"}
	head := ui.Fit("address", c.addr) + " "
	for _, name := range session.Ordinals() {
		head += ui.Fit(name, c.cell)
	}
	p.Lines = []string{" " + s.Theme.Dim.Render(head+"state")}
	last := min(len(seen.Visits), s.top+rows)
	visits := seen.Visits[min(s.top, last):last]
	short := shortened(visits, c.addr)
	for i, v := range visits {
		mark := " "
		if s.top+i == s.at {
			mark = s.Theme.Accent.Render(">")
		}
		p.Lines = append(p.Lines, mark+s.row(v, short[i], c))
	}
	if n := len(seen.Visits); n > rows {
		p.Note = fmt.Sprintf("%d-%d of %d", s.top+1, last, n)
	}
	if len(seen.Visits) == 0 {
		waiting := "nobody is on the gate's lists; waiting for the first knock"
		switch {
		case seen.Gate.Kind == "":
			waiting = "reading the rules"
		case seen.Lost:
			waiting = "the rules have no gate any more; waiting for one"
		}
		p.Lines = append(p.Lines, "", " "+waiting)
	}
	for len(p.Lines) < rows+1 {
		p.Lines = append(p.Lines, "")
	}
	if !s.Size.Framed() {
		p.Lines = append(p.Lines, "")
	}
	return p
}

// row draws one address, whose shortened form is short.
func (s *Screen) row(v watch.Visit, short string, c columns) string {
	line := ui.Fit(short, c.addr) + " "
	for k := range knock.Knocks {
		cell := s.Theme.Dim.Render(ui.Fit(s.Theme.Wait, c.cell))
		if k < v.Phase {
			cell = s.Theme.Yes
			if at := v.Entered[k]; !at.IsZero() {
				if c.cell > 6 {
					cell += " "
				}
				cell += age(s.when().Sub(at))
			}
			cell = s.Theme.Good.Render(ui.Fit(cell, c.cell))
		}
		line += cell
	}
	words, tone := s.state(v, c.state)
	return line + tone.Render(ansi.Truncate(words, c.state, ""))
}

// totalsPane says how many clients got in, and at which phase the others got stuck.
func (s *Screen) totalsPane() ui.Pane {
	t := s.seen().Totals
	p := ui.Pane{Title: "since the watch began"}
	line := fmt.Sprintf(" handshakes %4d   got in %4d   shared? %3d", t.Handshakes, t.In, t.Shared)
	if t.Refused > 0 {
		line += fmt.Sprintf("   refused %d", t.Refused)
	}
	if n := s.seen().Ignored; n > 0 && s.Size.Width >= ui.FramedWidth {
		line += fmt.Sprintf("   ignored %d", n)
	}
	if t.SSHDown > 0 && s.Size.Width >= ui.FramedWidth {
		line += fmt.Sprintf("   nothing listens %d", t.SSHDown)
	}
	p.Lines = append(p.Lines, line)
	line = " stuck at"
	sum, most := 0, 0
	for k, n := range t.Stuck {
		line += fmt.Sprintf("  %d: %-4d", k+1, n)
		sum += n
		if n > t.Stuck[most] {
			most = k
		}
	}
	if sum >= enoughStuck && 2*t.Stuck[most] >= sum && s.Size.Width >= ui.FramedWidth {
		line += fmt.Sprintf("  mostly at %d", most+1)
	}
	p.Lines = append(p.Lines, line)
	return p
}

// enoughStuck is from how many stuck clients on the pane says where most are.
const enoughStuck = 3
