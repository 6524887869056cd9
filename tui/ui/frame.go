package ui

import (
	"fmt"
	"strings"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"
)

// The smallest size of a screen, the size below which only the least is shown, the
// smallest with frames and tabs, the height from which there is room for everything,
// and the width of two columns, in cells.
const (
	MinWidth     = 40
	MinHeight    = 8
	SmallWidth   = 60
	SmallHeight  = 16
	FramedWidth  = 80
	FramedHeight = 24
	RoomyHeight  = 36
	WideWidth    = 116
)

// Size is the terminal's size in cells.
type Size struct{ Width, Height int }

// TooSmall reports whether a screen does not fit.
func (s Size) TooSmall() bool { return s.Width < MinWidth || s.Height < MinHeight }

// Tiny reports whether there is room for the least alone.
func (s Size) Tiny() bool { return s.Width < SmallWidth || s.Height < SmallHeight }

// Framed reports whether there is room for frames.
func (s Size) Framed() bool { return s.Width >= FramedWidth && s.Height >= FramedHeight }

// Roomy reports whether there is room for frames, and for everything in full.
func (s Size) Roomy() bool { return s.Framed() && s.Height >= RoomyHeight }

// Wide reports whether there is room for two columns, and for everything in full.
func (s Size) Wide() bool { return s.Roomy() && s.Width >= WideWidth }

// Body is the number of lines between header, or tabs, and key bar.
func (s Size) Body() int {
	if s.Framed() {
		return s.Height - 3
	}
	return s.Height - 2
}

// Pane is a part of a screen, with or without a frame around it.
type Pane struct {
	Title, Note string // at the left and the right of the upper edge
	Foot        string // at the right of the lower edge
	Lines       []string
	Edge        *Style // of the frame; nil is faint
}

// Add appends lines.
func (p *Pane) Add(lines ...string) { p.Lines = append(p.Lines, lines...) }

// Fill appends empty lines until there are n.
func (p *Pane) Fill(n int) {
	for len(p.Lines) < n {
		p.Lines = append(p.Lines, "")
	}
}

// Frame draws a pane as lines of the whole width, with a frame if there is room.
func (t Theme) Frame(s Size, p Pane) []string {
	if !s.Framed() {
		return p.Lines
	}
	return t.Box(s.Width, len(p.Lines)+2, p)
}

// Box draws a pane with a frame in exactly w cells and h lines.
func (t Theme) Box(w, h int, p Pane) []string {
	edge := t.Faint
	if p.Edge != nil {
		edge = *p.Edge
	}
	b := t.Border
	left, right := edge.Render(b.Left), edge.Render(b.Right)
	out := append(make([]string, 0, h), t.edge(edge, w, b.TopLeft, p.Title, p.Note, b.TopRight))
	for i := range max(0, h-2) {
		line := ""
		if i < len(p.Lines) {
			line = p.Lines[i]
		}
		out = append(out, left+Fit(line, w-2)+right)
	}
	return append(out, t.edge(edge, w, b.BottomLeft, "", p.Foot, b.BottomRight))
}

// edge draws the upper or lower edge of a frame with the texts a and b near its ends;
// b is cut where both do not fit, and left out where there is room for little of it.
func (t Theme) edge(style Style, w int, from, a, b, to string) string {
	const least = 8 // cells of b
	line := func(n int) string { return strings.Repeat(t.Border.Top, max(0, n)) }
	head, tail := from+line(1), line(2)+to
	if a != "" {
		a = " " + Truncate(a, w-7) + " "
	}
	room := w - 5 - Cells(a)
	if b != "" && room >= least {
		b = " " + Truncate(b, room-4) + " "
	} else {
		b = ""
	}
	return style.Render(head) + t.Strong.Render(a) + style.Render(line(room-Cells(b))) +
		t.Quiet.Render(b) + style.Render(tail)
}

// Beside puts two columns side by side; the left one gets w cells.
func Beside(left, right []string, w int) (out []string) {
	for i := range max(len(left), len(right)) {
		l, r := "", ""
		if i < len(left) {
			l = left[i]
		}
		if i < len(right) {
			r = right[i]
		}
		out = append(out, Fit(l, w)+r)
	}
	return out
}

// Overlay puts a box on lines of w cells, in the middle.
func Overlay(lines, box []string, w int) []string {
	if len(box) == 0 {
		return lines
	}
	bw := Cells(box[0])
	x, y := max(0, (w-bw)/2), max(0, (len(lines)-len(box))/2)
	out := append([]string(nil), lines...)
	for i, b := range box {
		if y+i < len(out) {
			line := Fit(out[y+i], w)
			out[y+i] = ansi.Truncate(line, x, "") + b + ansi.TruncateLeft(line, x+bw, "")
		}
	}
	return out
}

// Tab is one of the screens that the frame names.
type Tab struct {
	Name  string
	Shown bool
	Off   bool           // there is nothing to show
	Do    func() tea.Cmd // what a click does
}

// Chrome is what stands around the body of a screen.
type Chrome struct {
	About, Right string // of the header
	Tabs         []Tab
	Beside       string // at the right of the tabs
	Body         []string
	Bar          string // the key bar
}

// Compose draws a whole screen: header, tabs, body, key bar. It has as many lines as
// the size, none wider.
func (t Theme) Compose(s Size, c Chrome) string {
	if s.Width == 0 || s.Height == 0 {
		return ""
	}
	if s.TooSmall() {
		return ansi.Truncate(fmt.Sprintf("needs %dx%d, has %dx%d", MinWidth, MinHeight, s.Width, s.Height), s.Width, "")
	}
	left := " " + t.Accent.Bold(true).Render("rapport")
	if t.Colour {
		left = t.Accent.Bold(true).Render(t.Left + "rapport")
	}
	if c.About != "" {
		left += "  " + c.About
	}
	if s.Framed() || len(c.Tabs) == 0 {
		right := c.Right + " "
		left = Truncate(left, s.Width-Cells(right)-1)
		p := Pane{Lines: []string{t.Tint(Ends(left, right, s.Width), s.Width)}}
		if s.Framed() && len(c.Tabs) > 0 {
			p.Add(Ends(t.tabs(c.Tabs, false), t.Quiet.Render(c.Beside)+" ", s.Width))
		}
		return t.join(s, p, c)
	}
	right := t.tabs(c.Tabs, true)
	if s.Width >= SmallWidth {
		right += " " + c.Right
	}
	left = Truncate(left, s.Width-Cells(right)-2)
	return t.join(s, Pane{Lines: []string{t.Tint(Ends(left, right+" ", s.Width), s.Width)}}, c)
}

// join adds body and key bar to the lines of the head.
func (t Theme) join(s Size, p Pane, c Chrome) string {
	p.Add(c.Body...)
	p.Fill(s.Height - 1)
	p.Lines = append(p.Lines[:s.Height-1], t.Tint(c.Bar, s.Width))
	for i, l := range p.Lines {
		p.Lines[i] = Truncate(l, s.Width)
	}
	out := strings.Join(p.Lines, "\n")
	if t.ASCII {
		out = strings.NewReplacer("…", "~", "·", "-", "±", "~").Replace(out)
	}
	return out
}

// tabs draws the tabs; in short, their numbers with the name of the one that is shown.
func (t Theme) tabs(all []Tab, short bool) (line string) {
	for i, tab := range all {
		text := fmt.Sprintf("%d %s", i+1, tab.Name)
		switch {
		case tab.Shown && t.Colour:
			text = onto(t.chosen, " "+t.Accent.Render(text[:1])+t.Strong.Render(text[1:])+" ")
		case tab.Shown:
			text = "[" + text + "]"
		case short:
			text = t.Quiet.Render(text[:1])
		case tab.Off:
			text = " " + t.Faint.Render(text) + " "
		default:
			text = " " + t.Faint.Render(text[:1]) + t.Quiet.Render(text[1:]) + " "
		}
		line += t.Zone(tab.Do, text)
	}
	return line
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
