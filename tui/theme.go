package tui

import (
	"strings"

	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/x/ansi"
)

// theme is the styles and characters that everything is drawn with. Colours are
// the terminal's own sixteen, since its background is never asked for.
type theme struct {
	strong, dim, good, warn, bad, accent, badge lipgloss.Style
	glyphs
}

// glyphs are the characters beyond ASCII that a screen uses, each one cell wide.
type glyphs struct {
	topLeft, topRight, bottomLeft, bottomRight, across, down string
	full, empty                                              string // of a bar
	yes, no, wait                                            string
	from, to, open                                           string // of a span on a time line: begin, end, no end yet
	begin, inside, end, point                                string // of an interval on an axis; a point is one of a single cell
	tried, untried                                           string // a hypothesis that did not open the gate, and one to come
	tick                                                     string // where an hour begins on an axis
}

var (
	unicodeGlyphs = glyphs{"┌", "┐", "└", "┘", "─", "│", "█", "░", "✓", "✗", "·", "├", "┤", "╴", "┣", "━", "┫", "┃", "░", "·", "·"}
	asciiGlyphs   = glyphs{"+", "+", "+", "+", "-", "|", "#", ".", "v", "x", ".", "|", "|", "-", "[", "~", "]", "*", "=", "_", "|"}
)

func newTheme(r *lipgloss.Renderer, ascii bool) theme {
	colour := func(c string) lipgloss.Style { return r.NewStyle().Foreground(lipgloss.Color(c)) }
	t := theme{
		strong: r.NewStyle().Bold(true),
		dim:    r.NewStyle().Faint(true),
		good:   colour("2").Bold(true),
		warn:   colour("3"),
		bad:    colour("1").Bold(true),
		accent: colour("6"),
		badge:  r.NewStyle().Bold(true).Reverse(true),
		glyphs: unicodeGlyphs,
	}
	if ascii {
		t.glyphs = asciiGlyphs
	}
	return t
}

// fit cuts or pads s to exactly w cells.
func fit(s string, w int) string {
	if w <= 0 {
		return ""
	}
	if ansi.StringWidth(s) > w {
		s = ansi.Truncate(s, w, "")
	}
	return s + strings.Repeat(" ", max(0, w-ansi.StringWidth(s)))
}

// ends puts left and right at the two ends of a line of w cells; right gives
// way where both do not fit.
func ends(left, right string, w int) string {
	space := w - ansi.StringWidth(left) - ansi.StringWidth(right)
	if space < 1 {
		return fit(left, w)
	}
	return left + strings.Repeat(" ", space) + right
}

// bar draws share (0 to 1) of w cells as full.
func (t theme) bar(share float64, w int) string {
	n := int(min(max(share, 0), 1)*float64(w) + 0.5)
	return strings.Repeat(t.full, n) + strings.Repeat(t.empty, w-n)
}

// box draws a pane in a frame of w cells: its title at the left and its note at
// the right of the upper edge, its foot at the right of the lower one.
func (t theme) box(w int, p pane) []string {
	edge := func(left, a, b, right string) string {
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
		return t.dim.Render(left) + t.strong.Render(a) +
			t.dim.Render(strings.Repeat(t.across, max(0, room-3))) +
			b + t.dim.Render(strings.Repeat(t.across, min(3, max(0, room)))+right)
	}
	out := []string{edge(t.topLeft, p.title, p.note, t.topRight)}
	side := t.dim.Render(t.down)
	for _, l := range p.lines {
		out = append(out, side+fit(l, w-2)+side)
	}
	return append(out, edge(t.bottomLeft, "", p.foot, t.bottomRight))
}
