// Package timeline draws when the packets of a client left and arrived, and says what
// became of each: as the server sees them on the Watch screen, and as captures of one side
// or both show them on the Rules screen.
package timeline

import (
	"fmt"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"rapport/tui/ui"
)

// Line draws time lines.
type Line struct {
	Theme ui.Theme
	Port  func(uint16) string // writes a port, or hides it
}

// Moment is a row of a time line: a packet, or a phase that was entered.
type Moment struct {
	Name, Port string
	Left       time.Time // from the client; zero is not known
	At         time.Time // when it arrived; zero is never, or not known
	Lost       bool      // it left, and did not arrive
	Words      string    // what became of it
	Tone       ui.Style

	order int // of the knocks, SSH as the last
}

// seen is when a packet arrived, or when it left if it did not.
func (m Moment) seen() time.Time {
	if m.At.IsZero() {
		return m.Left
	}
	return m.At
}

// Said is a sentence below the moments.
type Said struct {
	Text string
	Tone ui.Style
}

// Pane draws moments, and below them what is said of them, in w cells and h lines: with
// gaps between them where there is room.
func (l Line) Pane(all []Moment, said []Said, w, h int) (p ui.Pane) {
	var below []string
	for _, t := range said {
		below = append(below, ui.Paragraph(t.Tone, t.Text, " ", w-2)...)
	}
	const beside = 2 // the ruler, and a line between
	below = ui.Cut(below, max(1, h/3, h-beside-len(all)))
	room := max(1, h-beside-len(below))
	if len(all) > room {
		more := len(all) - room + 1
		all = append(all[:room-1:room-1], Moment{Name: "...", Words: fmt.Sprintf("and %d more", more), Tone: l.Theme.Quiet})
	}
	for i, row := range l.draw(all, w) {
		if i > 0 && 2*len(all) <= room {
			p.Add("")
		}
		p.Add(row)
	}
	p.Add("")
	p.Add(below...)
	return p
}

// extent returns the first and the last time of moments, and whether both sides have one.
func extent(all []Moment) (first, last time.Time, both bool) {
	for _, m := range all {
		both = both || !m.Left.IsZero() && !m.At.IsZero()
		for _, at := range []time.Time{m.Left, m.At} {
			if at.IsZero() {
				continue
			}
			if first.IsZero() || at.Before(first) {
				first = at
			}
			if at.After(last) {
				last = at
			}
		}
	}
	return first, last, both
}

// draw draws a ruler, and each moment at its place below it. Where both sides were
// observed, their times stand there too.
func (l Line) draw(all []Moment, w int) []string {
	const name, port, clock = 5, 7, 9
	// A hostile capture has times of any year.
	const longest = 30 * 24 * time.Hour
	th := l.Theme
	first, last, both := extent(all)
	words, head := min(30, w/4+2), ui.Fit("", 1+name+port)
	times := func(Moment) string { return "" }
	if both {
		words = min(words, max(12, w-58))
		head += th.Faint.Render(ui.Fit("left", clock) + ui.Fit("arrived", clock))
		times = func(m Moment) string {
			return ui.Fit(since(first, m.Left), clock) + ui.Fit(since(first, m.At), clock)
		}
	}
	ruler := ui.Timeline{Theme: th, Width: w - ui.Cells(head) - words - 1}
	ruler.Scale(min(last.Sub(first), longest))
	out := []string{head + th.Faint.Render(ruler.Ruler())}
	for _, m := range all {
		line := " " + th.Quiet.Render(ui.Fit(m.Name, name)) + ui.Fit(m.Port, port) + times(m)
		out = append(out, line+ui.Fit(l.marks(m, first, ruler), ruler.Width)+" "+m.Tone.Render(ansi.Truncate(m.Words, words, "")))
	}
	return out
}

// since writes how long after the first packet something was, nothing if it never was.
func since(first, at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return ui.Millis(at.Sub(first))
}

// LeftMark is the sign of a packet that left: in ASCII a ring is like the dashes before it.
func (l Line) LeftMark() string {
	if l.Theme.ASCII {
		return l.Theme.Began
	}
	return l.Theme.Ring
}

// marks draws one moment: a sign where it left, a dot where it arrived.
func (l Line) marks(m Moment, first time.Time, ruler ui.Timeline) string {
	const lost = 2 // cells of what follows the mark of a lost packet
	th, most := l.Theme, max(0, ruler.Width-1)
	cell := func(at time.Time) int {
		share := float64(at.Sub(first)) * float64(most) / float64(max(1, ruler.Total))
		return max(0, min(int(share), most))
	}
	dashes := func(n int) string { return th.Faint.Render(strings.Repeat(th.Dash, n)) }
	switch {
	case m.Left.IsZero() && m.At.IsZero():
		return ""
	case m.Left.IsZero():
		return dashes(cell(m.At)) + m.Tone.Render(th.Dot)
	case m.Lost:
		return dashes(max(0, min(cell(m.Left), most-lost))) + m.Tone.Render(l.LeftMark()+" "+th.No)
	case m.At.IsZero():
		return dashes(cell(m.Left)) + m.Tone.Render(l.LeftMark())
	}
	// The clocks are compared less exactly than a packet is quick.
	from, to := min(cell(m.Left), cell(m.At)), max(cell(m.Left), cell(m.At))
	if from == to {
		return dashes(from) + m.Tone.Render(th.Dot)
	}
	return dashes(from) + m.Tone.Render(l.LeftMark()+strings.Repeat(th.Link, to-from-1)+th.Dot)
}
