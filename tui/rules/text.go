package rules

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	tea "github.com/charmbracelet/bubbletea"

	"rapport/knock"
	"rapport/knock/gate"
	"rapport/knock/gate/script"
	"rapport/knock/gate/script/dryrun"
	"rapport/knock/gate/trace"
	"rapport/knock/hosts/sshconfig"
	"rapport/knock/netfilter"
	"rapport/knock/phrase"
	"rapport/knock/solve"
	"rapport/tui/session"
	"rapport/tui/ui"
)

// TextEnd asks whether the text is complete: it is unless more has come since.
type TextEnd struct{ Number int }

// LoneDigit asks whether a digit stayed alone: then it is the number of a screen, and
// not the first digit of a port.
type LoneDigit struct {
	Number int
	Page   session.Page
}

// textKeys are the keys while text is collected. A terminal without bracketed paste
// sends a paste key by key, so every letter is text, except an l, y or e as the first.
func (s *Screen) textKeys() ui.Keys {
	empty := len(s.Text.Bytes) == 0
	load := ui.NewKey("l", "load a file", "", func() tea.Cmd { return s.nameFile("") }).If(empty)
	done := ui.NewKey("ctrl+d", "done", "", func() tea.Cmd { return s.compare("") }).If(!empty)
	clear := ui.NewKey("ctrl+u", "clear", "", ui.Act(func() {
		s.Text, s.failure = collected{Number: s.Text.Number + 1}, ""
	})).If(!empty)
	back := ui.NewKey("esc", "back", "", func() tea.Cmd { return s.Open(session.ToKnock) })
	k := ui.ModalKeys(load, done, clear, back)
	for i, way := range s.wayKeys() {
		if way = way.If(empty); i < 2 {
			k.Bar = append(k.Bar, way)
		}
		k.Rows = append(k.Rows, []ui.Key{way})
	}
	return k
}

// collect adds a key to the text. An empty line ends the text only if nothing
// follows soon: rules have empty lines too.
func (s *Screen) collect(k tea.KeyMsg) tea.Cmd {
	text := &s.Text
	switch {
	case k.Type == tea.KeyRunes && k.Paste:
		text.add(s.Now, strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(k.Runes)), true)
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
	if page, ok := text.page(); ok && k.Type == tea.KeyRunes && !k.Paste {
		n := text.Number
		return tea.Tick(digitGap, func(time.Time) tea.Msg { return LoneDigit{n, page} })
	}
	return nil
}

// openAlone shows the screen of a digit that nothing followed.
func (s *Screen) openAlone(d LoneDigit) tea.Cmd {
	if s.Step != Collecting || s.Text.Number != d.Number {
		return nil
	}
	s.Text = collected{Number: d.Number + 1}
	return s.Open(d.Page)
}

// pasteGap is longer than the time between the keys of one paste, and shorter than
// that between two pastes by hand.
const pasteGap = 300 * time.Millisecond

// digitGap is longer than the time between two digits of a port that is typed.
const digitGap = 600 * time.Millisecond

// maxText is the most that is collected, in bytes: one more than rules may have.
const maxText = 4<<20 + 1

// collected is text as it is typed or pasted.
type collected struct {
	Bytes  []byte
	whole  bool      // the last of it was one bracketed paste
	last   time.Time // when text was last added
	Number int       // of changes, so that an end is dropped when more text follows
	judged bool      // comparing it failed: what comes next is a new text
}

// add appends what was typed or pasted.
func (c *collected) add(now time.Time, s string, whole bool) {
	if c.judged {
		*c = collected{Number: c.Number}
	}
	if whole && !c.atLineStart() && now.Sub(c.last) > pasteGap {
		s = "\n" + s // a second paste begins a new line
	}
	c.Bytes = append(c.Bytes, s[:min(len(s), maxText-len(c.Bytes))]...)
	c.whole, c.last = whole, now
	c.Number++
}

func (c *collected) backspace() {
	_, size := utf8.DecodeLastRune(c.Bytes)
	c.Bytes = c.Bytes[:len(c.Bytes)-size]
	c.whole, c.judged = false, false
	c.Number++
}

func (c *collected) atLineStart() bool {
	return len(c.Bytes) == 0 || c.Bytes[len(c.Bytes)-1] == '\n'
}

// page is the screen whose number is the whole text.
func (c *collected) page() (session.Page, bool) {
	if len(c.Bytes) != 1 || c.Bytes[0] < '1' || c.Bytes[0] > '1'+byte(session.ToLog) {
		return 0, false
	}
	return session.Page(c.Bytes[0] - '1'), true
}

// isPorts reports whether the text so far has only digits and separators. Only such
// text is shown: a script may hold its secret.
func (c *collected) isPorts() bool {
	const most = 200
	return len(c.Bytes) < most && len(bytes.Trim(c.Bytes, "0123456789, \t\n")) == 0
}

// ends reports whether a newline completes the text, which is not empty: on an empty
// line, after a bracketed paste, and after five ports.
func (c *collected) ends() bool {
	_, err := solve.ParsePorts(string(c.Bytes))
	return c.whole || c.atLineStart() || c.isPorts() && err == nil
}

// size writes the text's size, in lines and bytes.
func (c *collected) size() string {
	n, lines := len(c.Bytes), bytes.Count(c.Bytes, []byte("\n"))
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

// Request is a text to inspect, and the client that it is compared with.
type Request struct {
	Path    string       // of a file in place of the text; may be empty
	Example script.Rules // whose setup makes the text; zero: none
	Text    []byte
	Query   solve.Query
	Facts   gate.Facts
	Family  knock.Family  // of the traced handshake
	Gap     time.Duration // between its knocks
}

// Inspected is the event that a comparison is done.
type Inspected struct {
	gate.Inspection
	Findings gate.Findings // none where ports alone were inspected
	Trace    trace.Trace   // of the client's handshake, where the rules hold a gate
	untraced error         // why there is no trace
	listed   bool          // the hosts file has the server
}

// Inspect compares the rules with the client, and plays its handshake through them.
func (r Request) Inspect(ctx context.Context) (i Inspected, err error) {
	text, q := r.Text, r.Query
	if r.Path != "" {
		if text, err = readText(r.Path); err != nil {
			return i, fmt.Errorf("cannot read the rules: %s: %w", knock.Clean(r.Path, 200), phrase.WithoutPath(err))
		}
	}
	if r.Example.Format != "" {
		loaded, err := dryrun.Setup(ctx, r.Example, q.Secret, q.Hour.Start())
		if err != nil {
			return i, err
		}
		text = []byte(loaded)
	}
	if len(bytes.Trim(text, "0123456789, \t\r\n")) == 0 {
		if q.Ports, err = solve.ParsePorts(string(text)); err != nil {
			return i, err
		}
		i.Inspection, err = gate.InspectPorts(ctx, q)
		return i, err
	}
	if i.Findings, err = gate.ReadRules(bytes.NewReader(text)); err != nil {
		return i, err
	}
	if i.Inspection, err = gate.Inspect(ctx, i.Findings, q, r.Facts); err != nil || i.Gate == nil {
		return i, err
	}
	play := trace.Request{Gap: r.Gap, Family: r.Family, SSHPort: r.Facts.SSHPort}
	if len(i.Gate.Ports) != knock.Knocks || !slices.Contains(i.Gate.Ports, 0) { // else a script computes them: its own are played
		play.Packets = trace.Handshake(knock.Derive(q.Hour, q.Range, q.Secret).Ports(), r.Facts.SSHPort, r.Gap)
	}
	i.Trace, i.untraced = trace.Run(i.Findings, play)
	return i, nil
}

// regularFile returns the path of a file and its size; a ~/ in path is the home folder.
func regularFile(path string) (string, int64, error) {
	path, err := sshconfig.ExpandHome(path)
	if err != nil {
		return "", 0, err
	}
	// Opening a named pipe would wait for a writer.
	switch s, err := os.Stat(path); {
	case err != nil:
		return "", 0, err
	case !s.Mode().IsRegular():
		return "", 0, errors.New("not a regular file")
	default:
		return path, s.Size(), nil
	}
}

// readText reads a file that is no longer than rules may be.
func readText(path string) ([]byte, error) {
	path, size, err := regularFile(path)
	switch {
	case err != nil:
		return nil, err
	case size >= maxText:
		return nil, netfilter.ErrLongRules
	}
	return os.ReadFile(path)
}
