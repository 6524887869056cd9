// Package ui has the parts of the screens that know nothing of knocking: [Theme],
// text measured in cells, [Pane] and frame, [Keys] with their help, [Scroll], the
// [Axis] and [Timeline] charts, [Job], and the [Program] that runs a model on the
// terminal. Widths are terminal cells throughout.
//
// The key bar is drawn by bubbles/help, text fields by bubbles/textinput; the
// characters of borders are Lip Gloss's, and x/ansi measures, wraps and cuts text.
// The rest is done by hand, because these libraries do not do it:
//   - Frames have a title, a note and a foot on their edges. Borders of Lip Gloss v1
//     take no text, and cannot be faint.
//   - The help page has a sentence for each key, and a legend. bubbles/help sets
//     bindings in columns side by side, which do not fit into 60 cells.
//   - Scrolling is one number. bubbles/viewport keeps a copy of the text and a size
//     of its own, while a screen here is drawn for the size of the moment.
//   - Lists are lines. bubbles/list has a filter, a paginator and a title bar of its
//     own, and marks the selected row by style alone, which ASCII screens lack.
package ui

import (
	"strings"

	"github.com/charmbracelet/lipgloss"
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
}

// UnicodeGlyphs are one cell wide in every locale that is not East Asian.
func UnicodeGlyphs() Glyphs {
	return Glyphs{lipgloss.NormalBorder(), "█", "░", "✓", "✗", "·", "├", "┤", "╴", "┣", "━", "┫", "┃", "░", "·", "·"}
}

// ASCIIGlyphs are for terminals and locales without UTF-8.
func ASCIIGlyphs() Glyphs {
	return Glyphs{lipgloss.ASCIIBorder(), "#", ".", "v", "x", ".", "|", "|", "-", "[", "~", "]", "*", "=", "_", "|"}
}

// NewTheme returns the theme for a renderer.
func NewTheme(r *lipgloss.Renderer, ascii bool) Theme {
	colour := func(c string) lipgloss.Style { return r.NewStyle().Foreground(lipgloss.Color(c)) }
	t := Theme{
		Plain:  r.NewStyle(),
		Strong: r.NewStyle().Bold(true),
		Dim:    r.NewStyle().Faint(true),
		Good:   colour("2").Bold(true),
		Warn:   colour("3"),
		Bad:    colour("1").Bold(true),
		Accent: colour("6"),
		Badge:  r.NewStyle().Bold(true).Reverse(true),
		Glyphs: UnicodeGlyphs(),
	}
	if ascii {
		t.Glyphs = ASCIIGlyphs()
	}
	return t
}

// Bar draws a bar of w cells, of which share (0 to 1) is full.
func (t Theme) Bar(share float64, w int) string {
	n := int(min(max(share, 0), 1)*float64(w) + 0.5)
	return strings.Repeat(t.Full, n) + strings.Repeat(t.Empty, w-n)
}
