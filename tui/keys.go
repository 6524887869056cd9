package tui

import (
	"slices"
	"strconv"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"rapport/tui/session"
	"rapport/tui/ui"
)

// tabNames are the screens of the tabs.
var tabNames = [...]string{"Overview", "Knock", "Sequences", "Clocks", "Diagnose", "Rules", "Log"}

// ownKeys are the root's: in rows for the help, and those at the right of the key bar.
func (a *app) ownKeys() (rows [][]ui.Key, bar []ui.Key) {
	quit := ui.NewKey("q", "quit", "quit", func() tea.Cmd { return tea.Quit })
	suspend := ui.NewKey("ctrl+z", "suspend", "suspend; fg resumes", func() tea.Cmd {
		for _, p := range a.places {
			p.Wire.Cancel() // the kernel would repeat knocks whose sockets nobody closes
		}
		return tea.Suspend
	})
	help := ui.NewKey("?", "help", "", ui.Act(func() { a.help, a.helpAt = true, 0 }))
	mouse := a.mouseKey()
	if a.watch != nil {
		return [][]ui.Key{{mouse}, {quit, suspend}, {help}}, []ui.Key{help, quit}
	}
	all := ui.NewKey(":", "all", "find any command", a.openPalette)
	undo := ui.NewKey("u", "undo", "undo the last change of the hosts file", a.TakeBack).If(a.Undo != nil)
	var tabs []ui.Key
	for i, s := range a.tabs() {
		about := ""
		if i == 0 {
			about = "the screens, by their numbers"
		}
		tabs = append(tabs, ui.NewKey(strconv.Itoa(i+1), tabNames[i], about, func() tea.Cmd { return a.open(session.Page(i)) }).If(s != nil))
	}
	return [][]ui.Key{tabs, {all}, {undo}, {mouse}, {quit, suspend}, {help}}, []ui.Key{all, help, quit}
}

// keys are those of the screen and the root's own, or of what lies over the screen.
func (a *app) keys() (keys ui.Keys, own []ui.Key) {
	rows, own := a.ownKeys()
	switch keys = a.shown.Keys(); {
	case a.help:
		back := ui.NewKey("esc", "back", "", ui.Act(func() { a.help = false }), "?")
		leave := rows[len(rows)-2]
		move := ui.MoveKeys("scroll", 5, func(by int) { a.helpAt.Move(by, a.helpMost()) }, " ")
		return ui.Keys{Rows: [][]ui.Key{{back}, leave, move}, Bar: []ui.Key{back}}, []ui.Key{leave[0]}
	case a.palette != nil:
		return a.paletteKeys(), nil
	case keys.Modal:
		keys.Rows = append(keys.Rows, rows[len(rows)-2][1:])
		return keys, nil
	}
	keys.Rows = append(keys.Rows, rows...)
	return keys, own
}

// keyed handles a key. Keys that were read together arrive as one message, and are
// handled one by one.
func (a *app) keyed(msg tea.KeyMsg) tea.Cmd {
	keys, _ := a.keys()
	switch {
	case msg.Type == tea.KeyCtrlC:
		a.Err = ErrInterrupted
		return tea.Quit
	case msg.Type == tea.KeyRunes && len(msg.Runes) > 1 && !msg.Paste && (keys.Ignore == nil || !keys.Ignore(msg)):
		// As one message, letters would be the name of a key: home.
		var cmds []tea.Cmd
		for _, r := range msg.Runes {
			cmds = append(cmds, a.keyed(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune{r}}))
		}
		return tea.Batch(cmds...)
	case a.palette != nil:
		if k, ok := keys.Find(msg); ok {
			return k.Do()
		}
		return a.palette.Update(msg)
	case msg.Paste && !a.help:
		return a.shown.Update(msg)
	case keys.Ignore != nil && keys.Ignore(msg):
		return nil
	}
	switch k, ok := keys.Find(msg); {
	case ok:
		return k.Do()
	case a.help:
		return nil
	}
	return a.shown.Update(msg)
}

// openPalette opens the palette over the keys of the screen that is shown, then those
// of the others.
func (a *app) openPalette() (cmd tea.Cmd) {
	var all []ui.Command
	add := func(place string, rows [][]ui.Key, wrap func(ui.Key) ui.Key) {
		for _, k := range slices.Concat(rows...) {
			if k.Enabled() && k.Help().Desc != "" && k.Help().Key != "esc" {
				if k.About == "" {
					k.About = k.Help().Desc
				}
				all = append(all, ui.Command{Place: place, Key: wrap(k)})
			}
		}
	}
	same := func(k ui.Key) ui.Key { return k }
	rows, _ := a.ownKeys()
	add(a.tabName(a.shown), a.shown.Keys().Rows, same)
	for i, k := range rows[0] {
		if k.Enabled() {
			k.About = "show " + tabNames[i]
			all = append(all, ui.Command{Key: k})
		}
	}
	add("", rows[2:], same)
	for i, s := range a.tabs() {
		if keys := screenKeys(s, a.shown); keys != nil {
			add(tabNames[i], keys, func(k ui.Key) ui.Key {
				do := k.Do
				k.Do = func() tea.Cmd { return tea.Batch(a.open(session.Page(i)), do()) }
				return k
			})
		}
	}
	a.palette, cmd = ui.NewPalette(all)
	return cmd
}

// screenKeys are the keys of a screen that another one may call: none where every key
// is text.
func screenKeys(s, shown session.Screen) [][]ui.Key {
	if s == nil || s == shown {
		return nil
	}
	keys := s.Keys()
	if keys.Modal {
		return nil
	}
	return keys.Rows
}

func (a *app) paletteKeys() ui.Keys {
	closes := func(do func() tea.Cmd) func() tea.Cmd {
		return func() tea.Cmd {
			cmd := do()
			a.palette = nil
			return cmd
		}
	}
	run := ui.NewKey("enter", "run it", "", func() tea.Cmd {
		c, ok := a.palette.Chosen()
		if !ok {
			return nil
		}
		a.palette = nil
		return c.Do()
	})
	back := ui.NewKey("esc", "back", "", closes(func() tea.Cmd { return nil }))
	move := ui.NewKey("up down", "choose", "", nil)
	move.SetKeys("")
	up := ui.NewKey("up", "", "", ui.Act(func() { a.palette.Move(-1) }), "ctrl+p")
	down := ui.NewKey("down", "", "", ui.Act(func() { a.palette.Move(1) }), "ctrl+n")
	return ui.Keys{Modal: true, Rows: [][]ui.Key{{run, back, up, down}}, Bar: []ui.Key{run, move, back}}
}

// tabName is the name of a screen's tab.
func (a *app) tabName(s session.Screen) string {
	if i := slices.Index(a.tabs(), s); i >= 0 {
		return tabNames[i]
	}
	return ""
}

// View implements [tea.Model].
func (a *app) View() string {
	if a.Size.TooSmall() {
		return a.Theme.Compose(a.Size, ui.Chrome{})
	}
	about, at := a.shown.Header()
	keys, own := a.keys()
	c := ui.Chrome{About: about, Right: a.times(at), Body: a.shown.View()}
	for i, s := range a.tabs() {
		c.Tabs = append(c.Tabs, ui.Tab{Name: tabNames[i], Shown: s != nil && s == a.shown, Off: s == nil, Do: func() tea.Cmd { return a.open(session.Page(i)) }})
	}
	if a.watch != nil {
		c.Tabs = []ui.Tab{{Name: "Watch", Shown: true}}
	}
	if b, ok := a.shown.(interface{ Beside() string }); ok {
		c.Beside = b.Beside()
	}
	room := a.Size.Body()
	p := ui.Pane{Lines: c.Body}
	p.Fill(room)
	c.Body = p.Lines[:room]
	switch {
	case a.help:
		c.Body = ui.Overlay(c.Body, a.helpBox(), a.Size.Width)
	case a.palette != nil:
		c.Body = ui.Overlay(c.Body, a.Theme.PaletteBox(a.palette, a.Size.Width, room), a.Size.Width)
	}
	if a.Size.Tiny() && len(own) > 2 {
		own = own[1:] // without the palette
	}
	c.Bar = a.Theme.KeyBar(keys.Bar, own, a.Size.Width)
	view := a.Theme.Compose(a.Size, c)
	if a.Theme.Zones != nil {
		return a.Theme.Zones.Scan(view)
	}
	return view
}

// helpPane is the help of the screen that it lies over.
func (a *app) helpPane() ui.Pane {
	keys := a.shown.Keys()
	rows, _ := a.ownKeys()
	keys.Rows = append(keys.Rows, rows[:len(rows)-1]...)
	return a.Theme.HelpPage(keys)
}

// helpMost is how far the help can be scrolled.
func (a *app) helpMost() int {
	return max(0, len(a.helpPane().Lines)-a.Size.Body()+2)
}

func (a *app) helpBox() []string {
	p := a.helpPane()
	edge := a.Theme.Accent
	p.Edge = &edge
	w, h := min(a.Size.Width-2, 76), min(a.Size.Body(), len(p.Lines)+2)
	if len(p.Lines) > h-2 {
		p.Lines, p.Foot, _ = a.helpAt.Window(p.Lines, h-2)
		p.Foot += ", up, down; esc closes"
	}
	return a.Theme.Box(w, h, p)
}

// times is the header's time: UTC, and the user's own where it differs.
func (a *app) times(at time.Time) string {
	if a.Size.Tiny() {
		return at.UTC().Format("15:04:05")
	}
	text := at.UTC().Format("15:04:05 UTC")
	if !a.Size.Framed() {
		return text
	}
	text = at.UTC().Format("2006-01-02 ") + text
	if here := at.In(a.Zone()); here.Format("15:04") != at.UTC().Format("15:04") {
		text += a.Theme.Quiet.Render(" · " + here.Format("15:04") + " here")
	}
	return text
}
