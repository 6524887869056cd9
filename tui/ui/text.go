package ui

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/charmbracelet/bubbles/textinput"
	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/x/ansi"

	"rapport/knock/phrase"
)

// Fit cuts or pads s to exactly w cells.
func Fit(s string, w int) string {
	s = ansi.Truncate(s, max(0, w), "")
	return s + strings.Repeat(" ", max(0, w-ansi.StringWidth(s)))
}

// Ends puts left and right at the ends of a line of w cells, and leaves out right
// where both do not fit.
func Ends(left, right string, w int) string {
	space := w - ansi.StringWidth(left) - ansi.StringWidth(right)
	if space < 1 {
		return Fit(left, w)
	}
	return left + strings.Repeat(" ", space) + right
}

// Wrap breaks s between words into lines of at most w cells. It does not break at
// hyphens: hours, ranges and flags have them.
func Wrap(s string, w int) []string {
	const nonBreaking = "\u2011"
	s = ansi.Wrap(strings.ReplaceAll(s, "-", nonBreaking), w, "")
	return strings.Split(strings.ReplaceAll(s, nonBreaking, "-"), "\n")
}

// Paragraph wraps a text into lines of at most w cells that begin with indent. An
// empty text has no lines.
func Paragraph(style lipgloss.Style, text, indent string, w int) (out []string) {
	if text == "" {
		return nil
	}
	for _, l := range Wrap(text, w-ansi.StringWidth(indent)) {
		out = append(out, indent+style.Render(l))
	}
	return out
}

// Cut returns the first n lines, the last one with " ..." if there were more.
func Cut(lines []string, n int) []string {
	if len(lines) <= n {
		return lines
	}
	if n <= 0 {
		return nil
	}
	lines = slices.Clone(lines[:n])
	last := strings.TrimRight(lines[n-1], " ,;:.")
	if i := strings.LastIndexByte(last, ' '); i > 0 && ansi.StringWidth(last)+4 > ansi.StringWidth(lines[0]) {
		last = last[:i]
	}
	lines[n-1] = last + " ..."
	return lines
}

// Clause cuts s to w cells, at the end of a clause unless that loses most of it.
func Clause(s string, w int) string {
	switch {
	case w <= 0:
		return ""
	case ansi.StringWidth(s) <= w:
		return s
	}
	head := ansi.Truncate(s, w+1, "")
	for _, end := range []string{"; ", ", ", ": ", " ("} {
		if i := strings.LastIndex(head, end); i >= w/3 {
			return head[:i]
		}
	}
	head = ansi.Truncate(s, max(w-4, 0), "")
	if i := strings.LastIndexByte(head, ' '); i > w/2 {
		head = head[:i]
	}
	return head + " ..."
}

// FirstThatFits returns the first wording of at most w cells, or the last one.
func FirstThatFits(w int, wordings ...string) (s string) {
	for _, s = range wordings {
		if ansi.StringWidth(s) <= w {
			break
		}
	}
	return s
}

// Duration writes a span in one unit: whole milliseconds below a second, seconds
// below two minutes, minutes above.
func Duration(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 2*time.Minute:
		return fmt.Sprintf("%.3g s", d.Seconds())
	}
	return fmt.Sprintf("%.0f min", d.Minutes())
}

// Signed writes an offset with its sign, as flags take it: +41m, -3h.
func Signed(d time.Duration) string {
	if d > 0 {
		return "+" + phrase.Duration(d)
	}
	return phrase.Duration(d)
}

// NewInput returns a text field of w cells that takes at most limit characters.
func NewInput(w, limit int) textinput.Model {
	m := textinput.New()
	m.Prompt, m.Width, m.CharLimit = "", w, limit
	return m
}

// NewSecretInput returns a text field that shows a * for each character.
func NewSecretInput(w, limit int) textinput.Model {
	m := NewInput(w, limit)
	m.EchoMode, m.EchoCharacter = textinput.EchoPassword, '*'
	return m
}
