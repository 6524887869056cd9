package rules

import (
	"strings"

	"github.com/charmbracelet/x/ansi"

	"rapport/tui/ui"
)

// listing is a list with a cursor, and below it what there is to say of the chosen row.
type listing struct {
	list   ui.Pane  // with the lines above the rows
	rows   []string // each begins with an empty cell for the cursor
	chosen ui.Pane  // of the same height whichever row it is
}

// at is the chosen one of so many rows.
func (s *Screen) at(rows int) int { return min(int(s.scroll[s.view]), rows-1) }

// listLines draws a listing, and returns how far its cursor can move.
func (s *Screen) listLines(l listing) (lines []string, most int) {
	room := s.Size.Body() - len(l.list.Lines) - len(l.chosen.Lines)
	framed := s.Size.Framed()
	if framed {
		room -= 4 // two frames
	} else {
		room-- // the line between the parts
	}
	at := s.at(len(l.rows))
	l.rows[at] = s.Theme.Accent.Render(">") + l.rows[at][1:]
	shown, where, _ := ui.Scroll(at-room/2).Window(l.rows, room)
	where = strings.TrimPrefix(where, "lines ") + ", up and down"
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
		p.Add(s.paragraph(s.Theme.Ink, s.quoted(t))...)
	}
	p.Lines = ui.Cut(p.Lines, n)
	p.Fill(n)
	return p.Lines
}
