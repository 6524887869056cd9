package tui

import (
	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"
)

// watchKeys are what the Watch screen answers to.
type watchKeys struct {
	Up, Down, PageUp, PageDown, Home, End, Pause, Cancel, Help, Suspend, Quit key.Binding
}

func newWatchKeys() watchKeys {
	bind := func(k ...string) key.Binding { return key.NewBinding(key.WithKeys(k...)) }
	return watchKeys{
		Up: bind("up"), Down: bind("down"), PageUp: bind("pgup"), PageDown: bind("pgdown"), Home: bind("home"), End: bind("end"),
		Pause: bind("p", " "), Cancel: bind("esc"), Help: bind("?"), Suspend: bind("ctrl+z"), Quit: bind("q"),
	}
}

// keyed answers a key. Keys that were read together arrive as one message, and
// count one by one.
func (a *watchApp) keyed(msg tea.KeyMsg) tea.Cmd {
	if msg.Paste {
		return nil
	}
	if msg.Type == tea.KeyRunes && len(msg.Runes) > 1 {
		var cmds []tea.Cmd
		for _, r := range msg.Runes {
			cmds = append(cmds, a.keyed(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune{r}}))
		}
		return tea.Batch(cmds...)
	}
	page := max(1, a.rows()-1)
	switch {
	case msg.Type == tea.KeyCtrlC:
		a.interrupted = true
		return tea.Quit
	case key.Matches(msg, a.keys.Quit):
		return tea.Quit
	case key.Matches(msg, a.keys.Suspend):
		return tea.Suspend
	case key.Matches(msg, a.keys.Help):
		a.help = !a.help
	case key.Matches(msg, a.keys.Cancel):
		a.help = false
	case key.Matches(msg, a.keys.Pause):
		if a.paused != nil {
			a.paused = nil
		} else {
			a.paused = &pausedWatch{a.newest, a.now}
		}
	case key.Matches(msg, a.keys.Up):
		a.choose(a.at - 1)
	case key.Matches(msg, a.keys.Down):
		a.choose(a.at + 1)
	case key.Matches(msg, a.keys.PageUp):
		a.choose(a.at - page)
	case key.Matches(msg, a.keys.PageDown):
		a.choose(a.at + page)
	case key.Matches(msg, a.keys.Home):
		a.choose(0)
	case key.Matches(msg, a.keys.End):
		a.choose(len(a.seen().Visits))
	}
	return nil
}

// watchHelp explains every key and word of the Watch screen.
func watchHelp() [][2]string {
	return [][2]string{
		{"up down", "choose a row; pgup, pgdown, home, end too"},
		{"p   q   ctrl+z", "pause the screen; quit; suspend"},
		{"1st 2nd ...", "how long ago it entered that phase"},
		{"a mark alone", "it passed that phase between two looks"},
		{"stuck at 2", "the window passed without a third knock"},
		{"stuck at 5", "the door was open and nobody connected"},
		{"refused", "at 4, by a replay guard that is full"},
		{"nothing listens", "the door was open; no SSH server behind it"},
		{"got in", "seen up to 1 s late, where no rule notes it"},
		{"opened before", "before the watch: got in or not, unknown"},
		{"gate changed", "in between: what came of it is unknown"},
		{"shared?", "perhaps one client by two addresses"},
	}
}
