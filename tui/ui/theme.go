// Package ui is the part of the screens that knows nothing of knocking: theme,
// text in cells, frames, keys with their help, scrolling, time lines, jobs, and the
// program that runs a model on the terminal.
//
// The key bar is bubbles/help's, text fields are bubbles/textinput's, the
// characters of borders are Lip Gloss's, and x/ansi measures, wraps and cuts. Made
// by hand is what they do not do:
//   - Frames have a title, a note and a foot on their edges. Borders of Lip Gloss v1
//     have no text, and no faint style.
//   - The help page has a sentence for each key, and a legend. bubbles/help puts
//     bindings into columns side by side, which 60 cells have no room for.
//   - Scrolling is one number. bubbles/viewport keeps a copy of the text and its own
//     size, while a screen here is drawn anew for the size that it has.
//   - Lists are lines. bubbles/list brings a filter, a paginator and a title bar of
//     its own look, and its rows cannot be marked by a character alone.
package ui

import (
	"strings"

	"github.com/charmbracelet/lipgloss"
)

// Theme is the styles and characters that everything is drawn with. Colours are
// the terminal's own sixteen, since its background is never asked for.
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
	Tried, Untried            string // of what is tried one by one
	Tick                      string // where a unit begins on an axis
}

// UnicodeGlyphs keep their one cell in every locale that is not East Asian.
func UnicodeGlyphs() Glyphs {
	return Glyphs{lipgloss.NormalBorder(), "█", "░", "✓", "✗", "·", "├", "┤", "╴", "┣", "━", "┫", "┃", "░", "·", "·"}
}

// ASCIIGlyphs are for terminals and locales that know ASCII alone.
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

// Bar draws share (0 to 1) of w cells as full.
func (t Theme) Bar(share float64, w int) string {
	n := int(min(max(share, 0), 1)*float64(w) + 0.5)
	return strings.Repeat(t.Full, n) + strings.Repeat(t.Empty, w-n)
}
