package tui

import (
	"slices"

	tea "github.com/charmbracelet/bubbletea"

	"rapport/tui/session"
	"rapport/tui/ui"
)

// mouseKey turns the mouse on and off.
func (a *app) mouseKey() ui.Key {
	return ui.NewKey("M", "mouse", "mouse on, off; it takes the terminal's own selection", func() tea.Cmd { return a.useMouse(a.Theme.Zones == nil) })
}

// useMouse turns the mouse on or off.
func (a *app) useMouse(on bool) tea.Cmd {
	if !on {
		a.Theme.Zones = nil
		a.Note("the mouse is off")
		return tea.DisableMouse
	}
	a.Theme.Zones = &ui.Zones{}
	a.Note("the mouse is on: it takes the terminal's own selection, which most terminals leave to shift; M turns it off")
	return tea.EnableMouseCellMotion
}

// moused handles a click or the wheel.
func (a *app) moused(msg tea.MouseMsg) tea.Cmd {
	if a.Theme.Zones == nil || msg.Action != tea.MouseActionPress {
		return nil
	}
	switch msg.Button {
	case tea.MouseButtonLeft:
		if do := a.Theme.Zones.At(msg.X, msg.Y); do != nil && !a.covered(msg.Y) {
			return do()
		}
	case tea.MouseButtonWheelUp:
		return a.wheel(tea.KeyUp)
	case tea.MouseButtonWheelDown:
		return a.wheel(tea.KeyDown)
	}
	return nil
}

// covered reports whether something lies over a line, or the screen waits for an answer:
// then only the key bar, and the screen's own part in the second case, take clicks.
func (a *app) covered(y int) bool {
	if y == a.Size.Height-1 {
		return false
	}
	return a.help || a.palette != nil || a.shown.Keys().Modal && y < a.Size.Height-1-a.Size.Body()
}

// wheel moves by the keys of the arrows: by one where rows are chosen, else by three.
func (a *app) wheel(key tea.KeyType) tea.Cmd {
	const lines = 3
	n := lines
	if !a.help && (a.palette != nil || slices.Contains([]session.Screen{a.hosts, a.sequences}, a.shown)) {
		n = 1
	}
	var cmds []tea.Cmd
	for range n {
		cmds = append(cmds, a.keyed(tea.KeyMsg{Type: key}))
	}
	return tea.Batch(cmds...)
}
