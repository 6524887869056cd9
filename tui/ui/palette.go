package ui

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/charmbracelet/bubbles/list"
	"github.com/charmbracelet/bubbles/textinput"
	tea "github.com/charmbracelet/bubbletea"
)

// Command is what a palette offers: a key with the screen that has it.
type Command struct {
	Place string
	Key
}

// Palette finds commands by what the user types.
type Palette struct {
	all    []Command
	input  textinput.Model
	found  []list.Rank
	cursor int
}

// NewPalette returns a palette over commands, and the command that blinks its cursor.
func NewPalette(all []Command) (*Palette, tea.Cmd) {
	p := &Palette{all: all, input: NewInput(40, 80)}
	cmd := p.input.Focus()
	p.filter()
	return p, cmd
}

func (p *Palette) filter() {
	p.found, p.cursor = nil, 0
	if term := p.input.Value(); term != "" {
		var targets []string
		for _, c := range p.all {
			targets = append(targets, c.About+" "+c.Place)
		}
		p.found = list.DefaultFilter(term, targets)
		near := func(r list.Rank) int { return nearness(targets[r.Index], term) }
		slices.SortStableFunc(p.found, func(a, b list.Rank) int {
			if near(a) == near(b) && near(a) < 2 {
				return cmp.Compare(a.Index, b.Index) // the screen that is shown first
			}
			return cmp.Compare(near(a), near(b))
		})
		return
	}
	for i := range p.all {
		p.found = append(p.found, list.Rank{Index: i})
	}
}

// nearness is 0 for a target that begins with the term, 1 for one with a word that does,
// and 2 for one that has no more than its letters in order.
func nearness(target, term string) int {
	target, term = strings.ToLower(target), strings.ToLower(term)
	switch {
	case strings.HasPrefix(target, term):
		return 0
	case strings.Contains(target, " "+term):
		return 1
	}
	return 2
}

// Update handles a message: text filters.
func (p *Palette) Update(msg tea.Msg) (cmd tea.Cmd) {
	before := p.input.Value()
	if p.input, cmd = p.input.Update(msg); p.input.Value() != before {
		p.filter()
	}
	return cmd
}

// Move moves the choice.
func (p *Palette) Move(by int) { p.cursor = max(0, min(p.cursor+by, len(p.found)-1)) }

// Chosen returns the chosen command, if one is found.
func (p *Palette) Chosen() (Command, bool) {
	if len(p.found) == 0 {
		return Command{}, false
	}
	return p.all[p.found[p.cursor].Index], true
}

// PaletteBox draws the palette in at most w cells and h lines.
func (t Theme) PaletteBox(p *Palette, w, h int) []string {
	w, h = min(w-4, 70), min(h-2, 16)
	edge := t.Accent
	pane := Pane{Title: "commands", Foot: "enter runs, esc closes", Edge: &edge}
	pane.Add(" " + t.Accent.Render(":") + " " + p.input.View())
	room := max(1, h-3)
	first := max(0, min(p.cursor-room/2, len(p.found)-room))
	if len(p.found) > room {
		pane.Note = fmt.Sprintf("%d-%d of %d, up and down", first+1, first+room, len(p.found))
	}
	for i := first; i < len(p.found) && i < first+room; i++ {
		c := p.all[p.found[i].Index]
		mark := "  "
		if i == p.cursor {
			mark = t.Accent.Render("> ")
		}
		line := Ends(" "+mark+Fit(t.Accent.Render(c.Help().Key), 7)+c.About, t.Quiet.Render(c.Place)+" ", w-2)
		if Cells(c.About)+len(c.Place)+12 > w-2 {
			line = Fit(" "+mark+Fit(t.Accent.Render(c.Help().Key), 7)+c.About, w-2)
		}
		if i == p.cursor {
			line = t.Choose(line, w-2)
		}
		pane.Add(line)
	}
	if len(p.found) == 0 {
		pane.Add(t.Quiet.Render("   no key does that"))
	}
	return t.Box(w, h, pane)
}
