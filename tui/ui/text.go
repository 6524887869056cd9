package ui

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/charmbracelet/bubbles/textinput"
	"github.com/charmbracelet/x/ansi"

	"rapport/knock/phrase"
)

// Cells returns the width of s. Texts of ASCII, lines and blocks, with styles, are
// nearly all there are, and quickly measured; the library measures any others.
func Cells(s string) (n int) {
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case c >= ' ' && c < 0x7f:
			n++
			i++
		case c == 0x1b && strings.HasPrefix(s[i:], "\x1b["):
			for i += 2; i < len(s) && (s[i] == ';' || s[i] >= '0' && s[i] <= '9'); {
				i++
			}
			if i == len(s) || s[i] != 'm' {
				return ansi.StringWidth(s)
			}
			i++
		default:
			r, size := utf8.DecodeRuneInString(s[i:])
			if (r < 0x2500 || r > 0x259f) && !strings.ContainsRune("·…✓✗●○◆▶", r) {
				return ansi.StringWidth(s)
			}
			n++
			i += size
		}
	}
	return n
}

// Truncate cuts s to at most w cells, and says so if it cuts more than spaces.
func Truncate(s string, w int) string {
	w = max(0, w)
	if Cells(s) <= w {
		return s
	}
	if len(strings.TrimRight(ansi.Cut(ansi.Strip(s), w, 1<<20), " ")) == 0 {
		return ansi.Truncate(s, w, "")
	}
	return ansi.Truncate(s, w, "…")
}

// Fit cuts or pads s to exactly w cells.
func Fit(s string, w int) string {
	n := Cells(s)
	if n > w {
		s = Truncate(s, w)
		n = Cells(s)
	}
	return s + strings.Repeat(" ", max(0, w-n))
}

// Either returns a if first, else b, in the width of the wider one, so that what
// follows keeps its place.
func Either(first bool, a, b string) string {
	w := max(Cells(a), Cells(b))
	if first {
		return Fit(a, w)
	}
	return Fit(b, w)
}

// Ends puts left and right at the ends of a line of w cells, and leaves out right
// where both do not fit.
func Ends(left, right string, w int) string {
	space := w - Cells(left) - Cells(right)
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
func Paragraph(style Style, text, indent string, w int) (out []string) {
	if text == "" {
		return nil
	}
	for _, l := range Wrap(text, w-Cells(indent)) {
		out = append(out, indent+style.Render(l))
	}
	return out
}

// Cut returns the first n lines, the last one with "…" if there were more.
func Cut(lines []string, n int) []string {
	if len(lines) <= n {
		return lines
	}
	if n <= 0 {
		return nil
	}
	lines = slices.Clone(lines[:n])
	last := strings.TrimRight(lines[n-1], " ,;:.")
	if i := strings.LastIndexByte(last, ' '); i > 0 && Cells(last)+2 > Cells(lines[0]) {
		last = last[:i]
	}
	lines[n-1] = last + " …"
	return lines
}

// Clause cuts s to w cells, at the end of a clause unless that loses most of it.
func Clause(s string, w int) string {
	switch {
	case w <= 0:
		return ""
	case Cells(s) <= w:
		return s
	}
	head := ansi.Truncate(s, w+1, "")
	for _, end := range []string{"; ", ", ", ": ", " ("} {
		if i := strings.LastIndex(head, end); i >= w/3 {
			return head[:i]
		}
	}
	head = ansi.Truncate(s, max(w-2, 0), "")
	if i := strings.LastIndexByte(head, ' '); i > w/2 {
		head = head[:i]
	}
	return head + " …"
}

// FirstThatFits returns the first wording of at most w cells, or the last one.
func FirstThatFits(w int, wordings ...string) (s string) {
	for _, s = range wordings {
		if Cells(s) <= w {
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
		return fmt.Sprintf("%d ms", d.Round(time.Millisecond).Milliseconds())
	case d < 2*time.Minute:
		return fmt.Sprintf("%.3g s", d.Seconds())
	}
	return fmt.Sprintf("%.0f min", d.Minutes())
}

// Millis writes a span in at most seven cells: tenths of milliseconds below a tenth of a
// second.
func Millis(d time.Duration) string {
	switch {
	case d < 100*time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
	case d < 10*time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.0f s", d.Seconds())
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

// Hint gives what a field without a value shows the colour of what does not apply.
func (t Theme) Hint(m *textinput.Model) {
	m.PlaceholderStyle, m.CompletionStyle = t.Faint.style, t.Faint.style
}

// NewSecretInput returns a text field that shows a * for each character.
func NewSecretInput(w, limit int) textinput.Model {
	m := NewInput(w, limit)
	m.EchoMode, m.EchoCharacter = textinput.EchoPassword, '*'
	return m
}
