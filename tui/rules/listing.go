package rules

import (
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"rapport/tui/ui"
)

// listing is a list with a cursor, and below it what there is to say of the chosen row.
type listing struct {
	list   ui.Pane  // with the lines above the rows
	rows   []string // each begins with an empty cell for the cursor
	chosen ui.Pane  // of the same height whichever row it is
	at     int      // the chosen row; below 0 it is that of the view
}

// at is the chosen one of so many rows.
func (s *Screen) at(rows int) int { return min(int(s.scroll[s.view]), rows-1) }

// chosenOf is the chosen row of a view.
func (s *Screen) chosenOf(v view, rows int) int { return max(0, min(int(s.scroll[v]), rows-1)) }

// window draws the rows that fit into room lines of w cells, the chosen one marked, and
// says which they are; focused says that the keys move the choice.
func (s *Screen) window(l listing, room, w int, focused bool) (shown []string, where string) {
	rows := slices.Clone(l.rows)
	at := s.at(len(rows))
	if l.at >= 0 {
		at = min(l.at, len(rows)-1)
	}
	if rows[at] = s.Theme.Accent.Render(">") + rows[at][1:]; focused {
		rows[at] = s.Theme.Choose(rows[at], w)
	}
	shown, where, _ = ui.Scroll(at-room/2).Window(rows, room)
	return shown, strings.TrimPrefix(where, "lines ") + ", up and down"
}

// listLines draws a listing, and returns how far its cursor can move.
func (s *Screen) listLines(l listing) (lines []string, most int) {
	room := s.Size.Body() - len(l.list.Lines) - len(l.chosen.Lines)
	framed := s.Size.Framed()
	w := s.Size.Width
	if framed {
		room -= 4 // two frames
		w -= 2
	} else {
		room-- // the line between the parts
	}
	l.at = -1
	shown, where := s.window(l, room, w, true)
	l.list.Add(shown...)
	spare := room - len(shown)
	if framed {
		l.chosen.Fill(len(l.chosen.Lines) + spare)
	} else {
		l.list.Fill(len(l.list.Lines) + spare)
		l.list.Add(s.Theme.Quiet.Render(ui.Ends(" "+l.chosen.Title, where, s.Size.Width-1)))
	}
	if len(shown) < len(l.rows) {
		l.list.Foot = where
	}
	return append(s.Frame(l.list), s.Frame(l.chosen)...), len(l.rows) - 1
}

// cut cuts a text to w cells, with a mark where it goes on.
func (s *Screen) cut(text string, w int) string {
	return ui.Fit(ansi.Truncate(text, w, s.Theme.More), w)
}

// part wraps a text into exactly n lines.
func (s *Screen) part(n int, texts ...string) []string {
	p := ui.Pane{}
	for _, t := range texts {
		p.Add(s.paragraph(s.Theme.Ink, t)...)
	}
	p.Lines = ui.Cut(p.Lines, n)
	p.Fill(n)
	return p.Lines
}
