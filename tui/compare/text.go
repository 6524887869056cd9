package compare

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"rapport/knock/phrase"
	"rapport/knock/solve"
	"rapport/tui/session"
	"rapport/tui/ui"
)

// TextEnd asks whether the text is complete: it is unless more has come since.
type TextEnd struct{ Number int }

// textKeys are the keys while text is collected. A terminal without bracketed paste
// sends a paste key by key, so every letter is text, except an l as the first.
func (s *Screen) textKeys() ui.Keys {
	empty := len(s.Text.Bytes) == 0
	load := ui.NewKey("l", "load a file", "", func() tea.Cmd { return s.nameFile("") }).If(empty)
	done := ui.NewKey("ctrl+d", "compare", "", s.compareText).If(!empty)
	clear := ui.NewKey("ctrl+u", "clear", "", ui.Act(func() {
		s.Text, s.failure = collected{Number: s.Text.Number + 1}, ""
	})).If(!empty)
	back := ui.NewKey("esc", "back", "", func() tea.Cmd { return s.Open(session.ToKnock) })
	all := []ui.Key{load, done, clear, back}
	return ui.Keys{Modal: true, Rows: [][]ui.Key{all}, Bar: all}
}

// collect adds a key to the text. An empty line ends the text only if nothing
// follows soon: rules have empty lines too.
func (s *Screen) collect(k tea.KeyMsg) tea.Cmd {
	text := &s.Text
	switch {
	case k.Type == tea.KeyRunes && k.Paste:
		pasted := strings.ReplaceAll(string(k.Runes), "\r\n", "\n")
		text.add(s.Now, strings.ReplaceAll(pasted, "\r", "\n"), true)
	case k.Type == tea.KeyRunes, k.Type == tea.KeySpace:
		text.add(s.Now, string(k.Runes), false)
	case k.Type == tea.KeyTab:
		text.add(s.Now, "\t", false)
	case k.Type == tea.KeyBackspace:
		text.backspace()
	case (k.Type == tea.KeyEnter || k.Type == tea.KeyCtrlJ) && len(text.Bytes) > 0:
		ends := text.ends()
		text.judged = false
		text.add(s.Now, "\n", false)
		if ends {
			n := text.Number
			return tea.Tick(pasteGap, func(time.Time) tea.Msg { return TextEnd{Number: n} })
		}
	default:
		return nil
	}
	s.failure = ""
	return nil
}

// pasteGap is longer than the time between the keys of one paste, and shorter than
// that between two pastes by hand.
const pasteGap = 300 * time.Millisecond

// maxText is the most that is collected, in bytes: one more than rules may have.
const maxText = 4<<20 + 1

// collected is text as it is typed or pasted.
type collected struct {
	Bytes []byte
	lines int // newlines in it
	// whole says that the last of it was one bracketed paste.
	whole bool
	last  time.Time // when text was last added
	// Number counts the changes, so that an end is dropped when more text follows.
	Number int
	// judged says that comparing it failed: what comes next is a new text.
	judged bool
}

// add appends what was typed or pasted.
func (c *collected) add(now time.Time, s string, whole bool) {
	if c.judged {
		*c = collected{Number: c.Number}
	}
	if whole && len(c.Bytes) > 0 && !c.atLineStart() && now.Sub(c.last) > pasteGap {
		s = "\n" + s // a second paste begins a new line
	}
	s = s[:min(len(s), maxText-len(c.Bytes))]
	c.Bytes = append(c.Bytes, s...)
	c.lines += bytes.Count([]byte(s), []byte("\n"))
	c.whole, c.last = whole, now
	c.Number++
}

// backspace removes the last character.
func (c *collected) backspace() {
	c.Number++
	if n := len(c.Bytes); n > 0 {
		if c.Bytes[n-1] == '\n' {
			c.lines--
		}
		r := []rune(string(c.Bytes[max(0, n-4):]))
		c.Bytes = c.Bytes[:n-len(string(r[len(r)-1:]))]
	}
	c.whole, c.judged = false, false
}

func (c *collected) atLineStart() bool {
	return len(c.Bytes) == 0 || c.Bytes[len(c.Bytes)-1] == '\n'
}

// isPorts reports whether the text so far has only digits and separators. Only such
// text is shown: a script may hold its secret.
func (c *collected) isPorts() bool {
	const most = 200
	return len(c.Bytes) < most && len(bytes.Trim(c.Bytes, "0123456789, \t\n")) == 0
}

// ends reports whether a newline now completes the text: on an empty line, after a
// bracketed paste, and after five ports.
func (c *collected) ends() bool {
	_, err := solve.ParsePorts(string(c.Bytes))
	return len(c.Bytes) > 0 && (c.whole || c.atLineStart() || c.isPorts() && err == nil)
}

// size writes the text's size, in lines and bytes.
func (c *collected) size() string {
	n := len(c.Bytes)
	lines := c.lines
	if !c.atLineStart() {
		lines++
	}
	s := phrase.Plural(lines, "line")
	switch {
	case n >= 1<<20:
		return fmt.Sprintf("%s, %.1f MiB", s, float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%s, %.1f KiB", s, float64(n)/(1<<10))
	}
	return s + ", " + phrase.Plural(n, "byte")
}
