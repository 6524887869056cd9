package ui

import (
	"fmt"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"
)

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

// By moves by n lines; Window and Clamp keep it within the text.
func (s *Scroll) By(n int) { *s += Scroll(n) }

// Clamp limits the position to 0 to most.
func (s *Scroll) Clamp(most int) { *s = Scroll(max(0, min(int(*s), most))) }

// Window returns the lines that are shown in a room of so many lines, their numbers in
// words, and the highest position.
func (s Scroll) Window(lines []string, room int) (shown []string, where string, most int) {
	room = max(1, min(room, len(lines)))
	most = len(lines) - room
	s.Clamp(most)
	return lines[s : int(s)+room : int(s)+room], fmt.Sprintf("lines %d-%d of %d", s+1, int(s)+room, len(lines)), most
}
