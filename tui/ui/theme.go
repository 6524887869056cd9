// Package ui has the parts of the screens that know nothing of knocking: [Theme],
// text measured in cells, [Pane] and frame, [Keys] with their help, [Scroll], the
// [Axis] and [Timeline] charts, and [Job]. Widths are terminal cells throughout.
//
// Where a library does the job it is used. These are done by hand, for these
// reasons:
//   - Borders of Lip Gloss v1 take no text on their edges, and cannot be faint.
//   - bubbles/help sets bindings in columns, which do not fit into 60 cells.
//   - bubbles/viewport keeps a copy of the text and a size of its own, while a screen
//     here is drawn for the size of the moment.
//   - bubbles/list marks the selected row by style alone, which ASCII screens lack.
package ui

import (
	"fmt"
	"strings"
	"time"

	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/x/ansi"
)

// Theme is the styles and characters of the screens. Colours are the terminal's own
// sixteen, since the background colour is not known.
type Theme struct {
	Plain, Strong, Dim, Good, Warn, Bad, Accent, Badge lipgloss.Style
	Glyphs
}

// Glyphs are the characters beyond ASCII that a screen uses, each one cell wide.
type Glyphs struct {
	Border                    lipgloss.Border
	Full, Empty               string // of a bar
	Yes, No, Wait             string
	From, To, Open            string // of a span on a time line: begin, end, no end yet
	Begin, Inside, End, Point string // of an interval on an axis; a point is one of a single cell
	Tried, Untried            string // of cells that are tried one by one
	Tick                      string // where a unit begins on an axis
	More                      string // where a text is cut
}

// unicodeGlyphs are one cell wide in every locale that is not East Asian.
var unicodeGlyphs = Glyphs{lipgloss.NormalBorder(), "█", "░", "✓", "✗", "·", "├", "┤", "╴", "┣", "━", "┫", "┃", "░", "·", "·", "…"}

// asciiGlyphs are for terminals and locales without UTF-8.
var asciiGlyphs = Glyphs{lipgloss.ASCIIBorder(), "#", ".", "v", "x", ".", "|", "|", "-", "[", "~", "]", "*", "=", "_", "|", "~"}

// NewTheme returns the theme for a renderer.
func NewTheme(r *lipgloss.Renderer, ascii bool) Theme {
	colour := func(c string) lipgloss.Style { return r.NewStyle().Foreground(lipgloss.Color(c)) }
	glyphs := unicodeGlyphs
	if ascii {
		glyphs = asciiGlyphs
	}
	return Theme{
		Plain:  r.NewStyle(),
		Strong: r.NewStyle().Bold(true),
		Dim:    r.NewStyle().Faint(true),
		Good:   colour("2").Bold(true),
		Warn:   colour("3"),
		Bad:    colour("1").Bold(true),
		Accent: colour("6"),
		Badge:  r.NewStyle().Bold(true).Reverse(true),
		Glyphs: glyphs,
	}
}

// Bar draws a bar of w cells, of which share (0 to 1) is full.
func (t Theme) Bar(share float64, w int) string {
	n := int(min(max(share, 0), 1)*float64(w) + 0.5)
	return strings.Repeat(t.Full, n) + strings.Repeat(t.Empty, w-n)
}

// The smallest size of a screen, the smallest with frames, and the height from which
// there is room for everything, in cells.
const (
	MinWidth     = 60
	MinHeight    = 16
	FramedWidth  = 80
	FramedHeight = 24
	RoomyHeight  = 36
)

// Size is the terminal's size in cells.
type Size struct{ Width, Height int }

// TooSmall reports whether a screen does not fit.
func (s Size) TooSmall() bool { return s.Width < MinWidth || s.Height < MinHeight }

// Framed reports whether there is room for frames.
func (s Size) Framed() bool { return s.Width >= FramedWidth && s.Height >= FramedHeight }

// Roomy reports whether there is room for frames, and for everything in full.
func (s Size) Roomy() bool { return s.Framed() && s.Height >= RoomyHeight }

// Pane is a part of a screen, with or without a frame around it.
type Pane struct {
	Title, Note string // at the left and the right of the upper edge
	Foot        string // at the right of the lower edge
	Lines       []string
}

// Add appends lines.
func (p *Pane) Add(lines ...string) { p.Lines = append(p.Lines, lines...) }

// Fill appends empty lines until there are n.
func (p *Pane) Fill(n int) {
	for len(p.Lines) < n {
		p.Lines = append(p.Lines, "")
	}
}

// Frame draws a pane as lines, with a frame if the size has room for one.
func (t Theme) Frame(s Size, p Pane) []string {
	if !s.Framed() {
		return p.Lines
	}
	b := t.Border
	out := []string{t.edge(s.Width, b.TopLeft, p.Title, p.Note, b.TopRight)}
	for _, l := range p.Lines {
		out = append(out, t.Dim.Render(b.Left)+Fit(l, s.Width-2)+t.Dim.Render(b.Right))
	}
	return append(out, t.edge(s.Width, b.BottomLeft, "", p.Foot, b.BottomRight))
}

// edge draws the upper or lower edge of a frame with the texts a and b near its ends;
// b is left out where both do not fit.
func (t Theme) edge(w int, from, a, b, to string) string {
	if a != "" {
		a = " " + a + " "
	}
	if b != "" {
		b = " " + b + " "
	}
	room := w - 2 - ansi.StringWidth(a) - ansi.StringWidth(b)
	if room < 4 {
		b, room = "", w-2-ansi.StringWidth(a)
	}
	line := func(n int) string { return strings.Repeat(t.Border.Top, max(0, n)) }
	return t.Dim.Render(from) + t.Strong.Render(a) + t.Dim.Render(line(room-3)) +
		b + t.Dim.Render(line(min(3, room))+to)
}

// Compose draws a whole screen: a header with the program's name, about and the time,
// the body, and the key bar. It has as many lines as the size, none wider.
func (t Theme) Compose(s Size, about string, at time.Time, body []string, bar string) string {
	if s.Width == 0 || s.Height == 0 {
		return ""
	}
	if s.TooSmall() {
		return ansi.Truncate(fmt.Sprintf("needs %dx%d, has %dx%d", MinWidth, MinHeight, s.Width, s.Height), s.Width, "")
	}
	clock := at.UTC().Format("2006-01-02 15:04:05 UTC")
	if s.Width < FramedWidth {
		clock = at.UTC().Format("15:04:05 UTC")
	}
	left := " " + t.Accent.Render("rapport")
	if about != "" {
		left += "  " + about
	}
	p := Pane{Lines: []string{Ends(ansi.Truncate(left, s.Width-len(clock)-2, ""), clock+" ", s.Width)}}
	p.Add(body...)
	p.Fill(s.Height - 1)
	p.Lines = append(p.Lines[:s.Height-1], bar)
	for i, l := range p.Lines {
		p.Lines[i] = ansi.Truncate(l, s.Width, "")
	}
	return strings.Join(p.Lines, "\n")
}

// Scroll is the index of the first line shown of a text.
type Scroll int

// Move moves by n lines, within 0 to most.
func (s *Scroll) Move(n, most int) { *s = Scroll(max(0, min(int(*s)+n, most))) }

// Window returns the lines that are shown in a room of so many lines, their numbers in
// words, and the highest position.
func (s Scroll) Window(lines []string, room int) (shown []string, where string, most int) {
	room = max(1, min(room, len(lines)))
	most = len(lines) - room
	s.Move(0, most)
	return lines[s : int(s)+room : int(s)+room], fmt.Sprintf("lines %d-%d of %d", s+1, int(s)+room, len(lines)), most
}
