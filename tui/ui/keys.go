package ui

import (
	"slices"
	"strings"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"
)

// Key is an action of a screen, its keys, and what the key bar and the help say of
// it. There is no other list of keys.
type Key struct {
	key.Binding
	About string         // what the help says; empty: the key shares the text of the one before it
	Do    func() tea.Cmd // the action
	pages bool           // the help names the key after the text of the others
}

// NewKey returns a key with its label in the key bar; others are keys that do the same.
func NewKey(name, label, about string, do func() tea.Cmd, others ...string) Key {
	return Key{
		Binding: key.NewBinding(key.WithKeys(append([]string{name}, others...)...), key.WithHelp(name, label)),
		About:   about, Do: do,
	}
}

// Act is the action of a key that returns no command.
func Act(f func()) func() tea.Cmd {
	return func() tea.Cmd {
		f()
		return nil
	}
}

// As returns the key with another label.
func (k Key) As(label string) Key {
	k.SetHelp(k.Help().Key, label)
	return k
}

// If returns the key, disabled unless on.
func (k Key) If(on bool) Key {
	k.SetEnabled(on)
	return k
}

// names are all keys of a binding, as the help writes them.
func (k Key) names() string {
	return strings.ReplaceAll(strings.Join(append([]string{k.Help().Key}, k.Keys()[1:]...), " "), "  ", " space")
}

// MoveKeys returns a row of keys that move by a line, by a page, or to either end.
// pageDown are more keys for a page down.
func MoveKeys(about string, page int, move func(by int), pageDown ...string) []Key {
	const far = 1 << 20
	by := func(n int) func() tea.Cmd { return Act(func() { move(n) }) }
	row := []Key{NewKey("up", "", about, by(-1)), NewKey("down", "", "", by(1))}
	for _, k := range []Key{
		NewKey("pgup", "", "", by(-page)), NewKey("pgdown", "", "", by(page), pageDown...),
		NewKey("home", "", "", by(-far), "g"), NewKey("end", "", "", by(far), "G"),
	} {
		k.pages = true
		row = append(row, k)
	}
	return row
}

// Keys are what a screen answers to at the moment.
type Keys struct {
	Rows   [][]Key     // all of them, one line of the help each
	Bar    []Key       // those in the key bar
	Legend [][2]string // words and signs that the help explains
	// Modal says that every other key is text, or an answer to a question.
	Modal bool
	// Ignore reports whether to ignore a key, such as the rest of a paste; may be nil.
	Ignore func(tea.KeyMsg) bool
}

// ModalKeys returns keys beside which every other key is text, or an answer.
func ModalKeys(all ...Key) Keys { return Keys{Modal: true, Rows: [][]Key{all}, Bar: all} }

// Find returns the enabled key that a message presses.
func (k Keys) Find(msg tea.KeyMsg) (Key, bool) {
	for _, k := range slices.Concat(k.Rows...) {
		if key.Matches(msg, k.Binding) {
			return k, true
		}
	}
	return Key{}, false
}

// KeyBar draws the key bar in w cells: the keys of the screen at its left, each at a
// place that never changes, faint where it does not apply; own, which every screen
// has, at its right. Where not all fit, the last of the screen's are left out.
func (t Theme) KeyBar(bar, own []Key, w int) string {
	gap := "   "
	if w < FramedWidth+20 {
		gap = "  "
	}
	right := ""
	for _, k := range own {
		right += gap[1:] + t.barKey(k) + " "
	}
	left, room := "", w-Cells(right)
	for _, k := range bar {
		text := t.barKey(k)
		if Cells(left+text)+len(gap) >= room {
			break
		}
		left += " " + text + gap[1:]
	}
	return Ends(left, right, w)
}

func (t Theme) barKey(k Key) string {
	h := k.Help()
	switch {
	case !k.Enabled() && !t.Colour:
		return strings.Repeat(" ", Cells(h.Key+h.Desc)+1)
	case !k.Enabled():
		return t.Faint.Render(h.Key + " " + h.Desc)
	}
	return t.Zone(k.Do, t.Accent.Render(h.Key)+" "+t.Quiet.Render(h.Desc))
}

// HelpPage explains the keys and the legend of a screen.
func (t Theme) HelpPage(k Keys) Pane {
	const column = 16
	p := Pane{Title: "keys", Foot: "esc closes"}
	add := func(what, about string) { p.Add(" " + t.Accent.Render(Fit(what, column)) + about) }
	for _, row := range k.Rows {
		add(explain(row))
	}
	for _, l := range k.Legend {
		p.Add(" " + t.Quiet.Render(Fit(l[0], column)) + l[1])
	}
	return p
}

// explain returns the names of a row's keys, and the text about them.
func explain(row []Key) (names, about string) {
	var abouts []string
	pages := ""
	for _, k := range row {
		gap := " "
		switch {
		case k.pages:
			pages = "; pgup, pgdown, home and end too"
			continue
		case k.About != "":
			abouts = append(abouts, k.About)
			gap = "   "
		}
		if names != "" {
			names += gap
		}
		names += k.names()
	}
	return names, strings.Join(abouts, "; ") + pages
}
