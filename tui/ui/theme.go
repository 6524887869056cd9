// Package ui has the parts of the screens that know nothing of knocking: [Theme],
// text measured in cells, [Pane] and frame, [Keys] with their help and the [Palette],
// [Scroll], the charts, and [Job]. Widths are terminal cells throughout.
//
// Where a library does the job it is used. These are done by hand, for these
// reasons:
//   - Borders of Lip Gloss v1 take no text on their edges.
//   - bubbles/help sets bindings in columns, which do not fit into 60 cells, and leaves
//     out what does not apply, where a key bar keeps its place.
//   - bubbles/viewport keeps a copy of the text and a size of its own, while a screen
//     here is drawn for the size of the moment.
//   - bubbles/list marks the selected row by style alone, which ASCII screens lack; its
//     fuzzy filter is used.
package ui

import (
	"os"
	"strings"

	"github.com/charmbracelet/lipgloss"
	"github.com/muesli/termenv"
)

// Theme is the styles of the screens by role, and their characters. Without colours
// all styles are plain: what they say stands in words too.
type Theme struct {
	Ink, Strong Style // text, and text that matters
	Quiet       Style // what stands beside it
	Faint       Style // lines, and what does not apply
	Accent      Style // keys, and what is chosen
	Open        Style // a good end
	Warn, Bad   Style
	Past, Next  Style    // hours
	Steps       [5]Style // from accent to open
	Badge       Style    // a headline
	Paper       Style    // white, under a code that a camera reads
	Glyphs
	Zones  *Zones // nil: there is no mouse
	Colour bool   // there are colours
	ASCII  bool   // there are no other characters
	tint   string
	chosen string
}

// Style is how a text is drawn. Its escape sequence is made once: a screen has hundreds
// of texts, and Lip Gloss's own Render takes microseconds for each.
type Style struct {
	style lipgloss.Style
	begin string
}

func newStyle(s lipgloss.Style) Style { return Style{s, opening(s)} }

// Render draws one line of text.
func (s Style) Render(text string) string {
	if s.begin == "" || text == "" {
		return text
	}
	return s.begin + text + reset
}

// Bold returns the style in bold, or not.
func (s Style) Bold(on bool) Style { return newStyle(s.style.Bold(on)) }

// Reverse returns the style with foreground and background exchanged, or not.
func (s Style) Reverse(on bool) Style { return newStyle(s.style.Reverse(on)) }

// Scheme is the set of colours.
type Scheme string

// The schemes.
const (
	Auto  Scheme = ""      // the dark set, with the terminal's own ink: its background is not known
	Dark  Scheme = "dark"  // for a dark background
	Light Scheme = "light" // for a light background
)

// SchemeOf returns the scheme that a user chose, or what the environment says: a
// terminal is never asked.
func SchemeOf(chosen string) Scheme {
	if chosen != "" {
		return Scheme(chosen)
	}
	// COLORFGBG is "foreground;background", sometimes with a word between them.
	colours := strings.Split(os.Getenv("COLORFGBG"), ";")
	switch colours[len(colours)-1] {
	case "0", "1", "2", "3", "4", "5", "6", "8":
		return Dark
	case "7", "9", "10", "11", "12", "13", "14", "15":
		return Light
	}
	return Auto
}

// role returns the colours of a role for a dark and a light background, each in
// truecolor, of 256 and of 16; empty is the terminal's own.
func role(dark, light [3]string) lipgloss.CompleteAdaptiveColor {
	of := func(c [3]string) lipgloss.CompleteColor {
		return lipgloss.CompleteColor{TrueColor: c[0], ANSI256: c[1], ANSI: c[2]}
	}
	return lipgloss.CompleteAdaptiveColor{Dark: of(dark), Light: of(light)}
}

// NewTheme returns the theme for a renderer.
func NewTheme(r *lipgloss.Renderer, ascii bool, scheme Scheme) Theme {
	r.SetHasDarkBackground(scheme != Light) // else the renderer would ask the terminal
	style := func(dark, light [3]string) Style { return newStyle(r.NewStyle().Foreground(role(dark, light))) }
	ink := style([3]string{"#c8d0e0", "252", "7"}, [3]string{"#2b3245", "237", "0"})
	tint := role([3]string{"#1f2539", "236", ""}, [3]string{"#e3e7ee", "254", ""})
	chosen := role([3]string{"#2c3450", "238", ""}, [3]string{"#d0d7e4", "252", ""})
	t := Theme{
		Ink:    ink,
		Quiet:  style([3]string{"#8590a6", "246", ""}, [3]string{"#5b657a", "241", ""}),
		Faint:  style([3]string{"#4f5970", "240", "8"}, [3]string{"#a1a9b8", "248", "8"}),
		Accent: style([3]string{"#5ccfe6", "80", "6"}, [3]string{"#0b7285", "24", "6"}),
		Open:   style([3]string{"#8bd17c", "114", "2"}, [3]string{"#2b8a3e", "28", "2"}),
		Warn:   style([3]string{"#e6b450", "179", "3"}, [3]string{"#b35c00", "130", "3"}),
		Bad:    style([3]string{"#f07178", "204", "1"}, [3]string{"#c92a2a", "160", "1"}),
		Past:   style([3]string{"#5b86e5", "68", "4"}, [3]string{"#3f6fd8", "62", "4"}),
		Next:   style([3]string{"#b39df3", "147", "5"}, [3]string{"#6741d9", "62", "5"}),
		Glyphs: unicodeGlyphs, ASCII: ascii, Colour: r.ColorProfile() != termenv.Ascii,
		tint: opening(ink.style.Background(tint)), chosen: opening(ink.style.Background(chosen)),
	}
	t.Steps = [5]Style{
		t.Accent, style([3]string{"#68cfcc", "80", "6"}, [3]string{"#137873", "30", "6"}), style([3]string{"#73d0b1", "79", "6"}, [3]string{"#1b7e61", "29", "6"}),
		style([3]string{"#7fd097", "114", "2"}, [3]string{"#238450", "29", "2"}), t.Open,
	}
	if scheme == Auto {
		t.Ink = newStyle(r.NewStyle())
	}
	t.Strong = t.Ink.Bold(true)
	t.Badge = t.Accent.Bold(true).Reverse(true)
	t.Paper = newStyle(r.NewStyle().Foreground(lipgloss.Color("15")).Background(lipgloss.Color("0")))
	if ascii {
		t.Glyphs = asciiGlyphs
	}
	return t
}

const reset = "\x1b[0m"

// opening returns the escape sequence that begins a style.
func opening(s lipgloss.Style) string {
	begin, _, _ := strings.Cut(s.Render("x"), "x")
	return begin
}

// Tint fits a line to w cells on the background of header and key bar.
func (t Theme) Tint(line string, w int) string { return onto(t.tint, Fit(line, w)) }

// Choose fits a line to w cells on the background of what is chosen.
func (t Theme) Choose(line string, w int) string { return onto(t.chosen, Fit(line, w)) }

// onto puts a line on a background, which each style in it would end.
func onto(background, line string) string {
	if background == "" {
		return line
	}
	return background + strings.ReplaceAll(line, reset, reset+background) + reset
}

// Glyphs are the characters beyond ASCII that a screen uses, each one cell wide, but
// that an ASCII Yes is the word.
type Glyphs struct {
	Border                    lipgloss.Border
	Full, Empty               string // of a bar
	Eighths                   string // of a bar's last cell, from one to seven
	Levels                    string // of a sparkline, from the lowest
	Yes, No, Wait             string
	Dot, Ring                 string // done, and not yet
	Arrow, Link, Left         string // onto the next; between two; an edge at the left
	Began, Dash               string // on a time line: a span without an end; what follows it
	Begin, Inside, End, Point string // of an interval on an axis; a point is one of a single cell
	Tried, Untried            string // of cells that are tried one by one
	Tick                      string // where a unit begins on an axis
	More                      string // where a text is cut
	Up, Down                  string
}

// unicodeGlyphs are one cell wide in every locale that is not East Asian.
var unicodeGlyphs = Glyphs{lipgloss.RoundedBorder(), "█", "─", "▏▎▍▌▋▊▉", "▁▂▃▄▅▆▇█", "✓", "✗", "·", "●", "○", "▶", "━", "▌",
	"▎", "╌", "┣", "━", "┫", "◆", "▒", "·", "┊", "…", "↑", "↓"}

// asciiGlyphs are for terminals and locales without UTF-8.
var asciiGlyphs = Glyphs{lipgloss.ASCIIBorder(), "#", "-", "", ".:-=+*%#", "ok", "x", ".", "o", ".", ">", "-", "|",
	"|", ".", "[", "~", "]", "*", "=", "_", "|", "~", "^", "v"}

// Mark is a sign with room for the widest.
func (t Theme) Mark(sign string) string {
	if t.ASCII {
		return Fit(sign, 2)
	}
	return sign
}
