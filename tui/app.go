package tui

import (
	"context"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"rapport/knock"
	"rapport/knock/gate/watch"
	"rapport/knock/hosts"
	"rapport/tui/diagnose"
	"rapport/tui/hostlist"
	"rapport/tui/knocking"
	"rapport/tui/rules"
	"rapport/tui/session"
	"rapport/tui/ui"
	"rapport/tui/watching"
)

// app is the root model: it routes messages, and draws header, screen and key bar.
type app struct {
	*session.Session
	screens []session.Screen
	shown   session.Screen
	help    bool // the help is shown in its place
	fast    bool // a FastBeat is on its way
	begin   tea.Cmd

	hosts    *hostlist.Screen
	knock    *knocking.Screen
	diagnose *diagnose.Screen
	rules    *rules.Screen
}

// newRoot returns the root model without a screen.
func newRoot(ctx context.Context, c Config, th ui.Theme) *app {
	if c.Client == nil {
		c.Client = &knock.Client{}
	}
	return &app{Session: &session.Session{Ctx: ctx, Config: c, Theme: th, Now: c.Client.Clock.Now()}}
}

// newWatchApp returns the root model with the Watch screen alone.
func newWatchApp(ctx context.Context, c Config, th ui.Theme, run func(context.Context, func(watch.Snapshot)) error) *app {
	a := newRoot(ctx, c, th)
	a.shown, a.begin = watching.New(a.Session, run)
	a.screens = []session.Screen{a.shown}
	return a
}

// newApp returns the client's screens, on a server or on the list of servers.
func newApp(ctx context.Context, c Config, th ui.Theme) *app {
	a := newRoot(ctx, c, th)
	a.Open = a.open
	a.Use = func(h hosts.Host, secret knock.Secret) tea.Cmd {
		a.onServer(h, secret)
		return a.knock.Start(knocking.Resolving)
	}
	a.hosts = &hostlist.Screen{Session: a.Session}
	if c.Host == nil {
		a.open(session.ToHosts)
		a.hosts.Begin()
		return a
	}
	a.onServer(*c.Host, c.Secret)
	for _, n := range c.Notes {
		a.Note("%s", n)
	}
	a.begin = tea.Batch(a.knock.Start(knocking.Resolving), a.listen())
	return a
}

// onServer changes the screens to a server.
func (a *app) onServer(h hosts.Host, secret knock.Secret) {
	a.Wire.Leave()
	if a.rules != nil {
		a.rules.Forget()
	}
	a.Server = session.Server{Host: h, Target: h.Target()}
	a.Target.Secret = secret
	a.knock = &knocking.Screen{Session: a.Session}
	a.diagnose = &diagnose.Screen{Session: a.Session}
	a.rules = &rules.Screen{Session: a.Session}
	a.screens = []session.Screen{a.hosts, a.knock, a.diagnose, a.rules}
	a.shown, a.help = a.knock, false
}

func (a *app) open(p session.Page) tea.Cmd {
	a.help = false
	switch p {
	case session.ToKnock:
		a.shown = a.knock
	case session.ToHandshake:
		a.shown = a.knock
		return a.knock.Start(knocking.Knocking)
	case session.ToDiagnose:
		a.shown = a.diagnose
		return a.diagnose.Start(0)
	case session.ToRules:
		a.shown = a.rules
	case session.ToHosts:
		a.onServer(hosts.Host{}, knock.Secret{})
		a.hosts.Reload()
		a.shown = a.hosts
	}
	return nil
}

// Init implements [tea.Model].
func (a *app) Init() tea.Cmd { return tea.Batch(nextBeat(), a.begin) }

// nextBeat waits for the next full second.
func nextBeat() tea.Cmd {
	return tea.Every(time.Second, func(t time.Time) tea.Msg { return ui.Beat(t) })
}

// Update implements [tea.Model].
func (a *app) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	a.Now = a.Config.Client.Clock.Now()
	var cmd tea.Cmd
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		a.Size = ui.Size{Width: msg.Width, Height: msg.Height}
	case tea.KeyMsg:
		cmd = a.keyed(msg)
	case ui.FastBeat:
		a.fast = false
	case ui.Beat:
		cmd = tea.Batch(nextBeat(), a.broadcast(msg))
	case ui.JobEvent:
		cmd = tea.Batch(msg.Next, a.Wire.Event(msg), a.broadcast(msg))
	case ui.JobDone:
		cmd = tea.Batch(a.Wire.Done(a.Ctx, msg), a.broadcast(msg))
	case noted:
		a.Note("%s", string(msg))
		cmd = a.listen()
	default:
		cmd = a.broadcast(msg)
	}
	if !a.fast && a.shown.Moving() {
		a.fast = true
		cmd = tea.Batch(cmd, tea.Tick(time.Second/10, func(t time.Time) tea.Msg { return ui.FastBeat(t) }))
	}
	return a, cmd
}

func (a *app) broadcast(msg tea.Msg) tea.Cmd {
	var cmds []tea.Cmd
	for _, s := range a.screens {
		cmds = append(cmds, s.Update(msg))
	}
	return tea.Batch(cmds...)
}

// noted is a line for the log that comes from outside.
type noted string

func (a *app) listen() tea.Cmd {
	if a.Config.Events == nil {
		return nil
	}
	return func() tea.Msg { return noted(<-a.Config.Events) }
}

// ownKeys are the root's: those that leave the program, and those that open and
// close the help.
func (a *app) ownKeys() (leave []ui.Key, help, back ui.Key) {
	quit := ui.NewKey("q", "quit", "quit", func() tea.Cmd { return tea.Quit })
	suspend := ui.NewKey("ctrl+z", "suspend", "suspend; fg resumes", func() tea.Cmd {
		a.Wire.Cancel() // the kernel would repeat knocks whose sockets nobody closes
		return tea.Suspend
	})
	toggle := ui.Act(func() { a.help = !a.help })
	return []ui.Key{quit, suspend}, ui.NewKey("?", "help", "", toggle), ui.NewKey("esc", "back", "", toggle, "?")
}

// keys are those of the screen or of the help, and the root's own.
func (a *app) keys() ui.Keys {
	leave, help, back := a.ownKeys()
	if a.help {
		return ui.Keys{Rows: [][]ui.Key{leave, {back}}, Bar: []ui.Key{back, leave[0]}}
	}
	keys := a.shown.Keys()
	if keys.Modal {
		keys.Rows = append(keys.Rows, leave[1:])
		return keys
	}
	keys.Rows = append(keys.Rows, leave, []ui.Key{help})
	keys.Bar = append(keys.Bar, help, leave[0])
	return keys
}

// keyed handles a key. Keys that were read together arrive as one message, and are
// handled one by one.
func (a *app) keyed(msg tea.KeyMsg) tea.Cmd {
	keys := a.keys()
	switch {
	case msg.Type == tea.KeyCtrlC:
		a.Err = ErrInterrupted
		return tea.Quit
	case msg.Paste && !a.help:
		return a.shown.Update(msg)
	case keys.Ignore != nil && keys.Ignore(msg):
		return nil
	case msg.Type == tea.KeyRunes && len(msg.Runes) > 1 && !keys.Modal:
		var cmds []tea.Cmd
		for _, r := range msg.Runes {
			cmds = append(cmds, a.keyed(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune{r}}))
		}
		return tea.Batch(cmds...)
	}
	switch k, ok := keys.Find(msg); {
	case ok:
		return k.Do()
	case a.help:
		return nil
	}
	return a.shown.Update(msg)
}

// View implements [tea.Model].
func (a *app) View() string {
	if a.Size.TooSmall() {
		return a.Theme.Compose(a.Size, "", a.Now, nil, "")
	}
	about, at := a.shown.Header()
	body := a.shown.View()
	if a.help {
		keys := a.shown.Keys()
		leave, _, _ := a.ownKeys()
		keys.Rows = append(keys.Rows, leave)
		body = a.Frame(a.Theme.HelpPage(keys))
	}
	return a.Theme.Compose(a.Size, about, at, body, a.Theme.KeyBar(a.keys(), a.Size.Width))
}
