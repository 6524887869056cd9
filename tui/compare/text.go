package compare

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"rapport/knock/solve"
	"rapport/tui/session"
	"rapport/tui/ui"
)

// TextEnd asks whether the text is complete: it is unless more of it has come.
type TextEnd struct{ Number int }

// textKeys are the keys of the Compare screen while text is collected. A terminal
// that does not mark what is pasted sends it key by key: so every letter is text,
// but an l before the first.
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

// collect takes a key as text. An empty line, of which rules have some, ends it only
// if nothing follows.
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

// pasteGap is more than lies between the keys of a paste, and less than a hand
// takes between two of its own pastes.
const pasteGap = 300 * time.Millisecond

// maxText bounds what is collected, one byte beyond what is read as rules.
const maxText = 4<<20 + 1

// collected is text as it is typed or pasted.
type collected struct {
	Bytes []byte
	lines int // newlines in it
	// whole: the last of it was pasted in one piece, with its ends marked.
	whole bool
	last  time.Time // when the last of it came
	// Number counts what came, so that an end that something follows is none.
	Number int
	// judged: it was compared and could not be. What comes then is another text.
	judged bool
}

// add appends what was typed or pasted.
func (c *collected) add(now time.Time, s string, whole bool) {
	if c.judged {
		*c = collected{Number: c.Number}
	}
	if whole && len(c.Bytes) > 0 && !c.atLineStart() && now.Sub(c.last) > pasteGap {
		s = "\n" + s // a second paste, not more of the first
	}
	s = s[:min(len(s), maxText-len(c.Bytes))]
	c.Bytes = append(c.Bytes, s...)
	c.lines += bytes.Count([]byte(s), []byte("\n"))
	c.whole, c.last = whole, now
	c.Number++
}

// backspace takes the last character away.
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

// isPorts reports whether the text so far is digits and what stands between
// them. Only such text is shown: a script may hold its secret.
func (c *collected) isPorts() bool {
	const most = 200
	return len(c.Bytes) < most && len(bytes.Trim(c.Bytes, "0123456789, \t\n")) == 0
}

// ends reports whether a newline now completes the text: on an empty line,
// behind a paste whose end is known, and behind five ports.
func (c *collected) ends() bool {
	_, err := solve.ParsePorts(string(c.Bytes))
	return len(c.Bytes) > 0 && (c.whole || c.atLineStart() || c.isPorts() && err == nil)
}

// size writes how much there is.
func (c *collected) size() string {
	n := len(c.Bytes)
	lines := c.lines
	if !c.atLineStart() {
		lines++
	}
	s := ui.Count(lines, "line")
	switch {
	case n >= 1<<20:
		return fmt.Sprintf("%s, %.1f MiB", s, float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%s, %.1f KiB", s, float64(n)/(1<<10))
	}
	return s + ", " + ui.Count(n, "byte")
}
