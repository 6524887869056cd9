package tui

import (
	"context"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"rapport/knock"
	"rapport/knock/gate/watch"
	"rapport/knock/hosts"
	"rapport/tui/activity"
	"rapport/tui/hostlist"
	"rapport/tui/knocking"
	"rapport/tui/session"
	"rapport/tui/ui"
	"rapport/tui/watching"
)

// app is the root model: it routes messages, and draws the frame around the screen
// that is shown.
type app struct {
	*place // the server that is shown
	places map[string]*place
	hosts  *hostlist.Screen
	log    *activity.Screen
	watch  *watching.Screen // alone where it is there
	shown  session.Screen

	help    bool        // the help lies over the screen
	helpAt  ui.Scroll   // its first line shown
	palette *ui.Palette // lies over the screen; nil: closed
	stale   bool        // a job has ended since the stored handshakes were read
	fast    bool        // a FastBeat is on its way
	begin   tea.Cmd
}

// newRoot returns the root model without a screen.
func newRoot(ctx context.Context, c Config, th ui.Theme) *app {
	if c.Client == nil {
		c.Client = &knock.Client{}
	}
	shared := &session.Shared{Ctx: ctx, Config: c, Theme: th, Now: c.Client.Clock.Now()}
	return &app{place: &place{Session: &session.Session{Shared: shared}}, places: map[string]*place{}}
}

// newWatchApp returns the root model with the Watch screen alone.
func newWatchApp(ctx context.Context, c Config, th ui.Theme, run func(context.Context, func(watch.Snapshot)) error) *app {
	a := newRoot(ctx, c, th)
	a.watch, a.begin = watching.New(a.Session, run)
	a.shown = a.watch
	return a
}

// newApp returns the client's screens, on a server or on the list of servers; where it has
// one server, that is opened.
func newApp(ctx context.Context, c Config, th ui.Theme) *app {
	a := newRoot(ctx, c, th)
	a.Open, a.Use = a.open, a.use
	server := func(h hosts.Host, secret knock.Secret) hostlist.Server { return a.find(h, secret).knock }
	a.hosts = &hostlist.Screen{Session: a.Session, Find: server, At: a.at}
	a.log = &activity.Screen{Shared: a.Shared}
	if c.Host == nil {
		a.hosts.Reload()
		a.shown = a.hosts
		a.hosts.Stored = a.stored()
		a.begin = a.hosts.Begin()
		return a
	}
	a.place = a.find(*c.Host, c.Secret)
	a.shown = a.knock
	for _, n := range c.Notes {
		a.Note("%s", n)
	}
	a.begin = tea.Batch(a.knock.Start(knocking.Resolving), a.listen())
	return a
}

// use shows a server. Where it was shown before, all is as it was.
func (a *app) use(h hosts.Host, secret knock.Secret) tea.Cmd {
	a.place = a.find(h, secret)
	a.shown, a.help = a.knock, false
	if a.Target.Addr.Addr().IsValid() || a.Wire.Job != nil {
		return nil
	}
	return a.knock.Start(knocking.Resolving)
}

// tabs are the screens, in the order of their pages.
func (a *app) tabs() []session.Screen {
	if a.watch != nil {
		return nil
	}
	all := []session.Screen{a.hosts, nil, nil, nil, nil, nil, a.log}
	if a.Config.HostsPath == "" {
		all[session.ToOverview] = nil
	}
	if a.knock != nil {
		all[session.ToKnock], all[session.ToSequences], all[session.ToClocks] = a.knock, a.sequences, a.clocks
		all[session.ToDiagnose], all[session.ToRules] = a.diagnose, a.rules
	}
	return all
}

// open shows a page, where there is something to show.
func (a *app) open(p session.Page) tea.Cmd {
	var then func() tea.Cmd
	switch p {
	case session.ToHandshake:
		p, then = session.ToKnock, func() tea.Cmd { return a.knock.Start(knocking.Knocking) }
	case session.ToDiagnosis:
		p, then = session.ToDiagnose, func() tea.Cmd { return a.diagnose.Begin(a.knock.Ended()) }
	case session.ToClocks:
		then = func() tea.Cmd { return a.clocks.Begin() }
	case session.ToOverview:
		a.hosts.Stored = a.stored()
		then = ui.Act(a.hosts.Reload)
	case session.ToLog:
		a.log.Past = a.stored()
	}
	s := a.tabs()[p]
	if s == nil {
		return nil
	}
	a.shown, a.help = s, false
	if then == nil {
		return nil
	}
	return then()
}

// Init implements [tea.Model].
func (a *app) Init() tea.Cmd {
	if a.Config.Mouse {
		return tea.Batch(nextBeat(), a.begin, a.useMouse(true))
	}
	return tea.Batch(nextBeat(), a.begin)
}

// nextBeat waits for the next full second.
func nextBeat() tea.Cmd {
	return tea.Every(time.Second, func(t time.Time) tea.Msg { return ui.Beat(t) })
}

// fastBeat is the time between two frames while something moves.
const fastBeat = time.Second / 16

// Update implements [tea.Model].
func (a *app) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	a.Now = a.Config.Client.Clock.Now()
	var cmd tea.Cmd
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		a.Size = ui.Size{Width: msg.Width, Height: msg.Height}
		if a.Theme.Zones != nil { // after ssh and fg it is off
			cmd = tea.EnableMouseCellMotion
		}
	case tea.KeyMsg:
		cmd = a.keyed(msg)
	case tea.MouseMsg:
		cmd = a.moused(msg)
	case ui.FastBeat:
		a.fast = false
	case ui.Beat:
		a.refresh()
		cmd = tea.Batch(nextBeat(), a.broadcast(msg))
	case ui.JobEvent:
		cmd = tea.Batch(msg.Next, a.onWire(func(w *session.Wire) tea.Cmd { return w.Event(msg) }), a.broadcast(msg))
	case ui.JobDone:
		a.stale = true
		cmd = tea.Batch(a.onWire(func(w *session.Wire) tea.Cmd { return w.Done(a.Ctx, msg) }), a.broadcast(msg))
	case noted:
		a.Note("%s", string(msg))
		cmd = a.listen()
	case session.Undone:
		a.undone(msg)
	default:
		cmd = a.broadcast(msg)
	}
	a.Front = a.shown
	if !a.fast && a.shown.Moving() {
		a.fast = true
		cmd = tea.Batch(cmd, tea.Tick(fastBeat, func(t time.Time) tea.Msg { return ui.FastBeat(t) }))
	}
	return a, cmd
}

// onWire calls f with the wire of every server.
func (a *app) onWire(f func(*session.Wire) tea.Cmd) tea.Cmd {
	var cmds []tea.Cmd
	for _, p := range a.places {
		cmds = append(cmds, f(&p.Wire))
	}
	return tea.Batch(cmds...)
}

// broadcast sends a message to every screen of every server: what is not shown goes on.
func (a *app) broadcast(msg tea.Msg) tea.Cmd {
	if a.watch != nil {
		return a.watch.Update(msg)
	}
	cmds := []tea.Cmd{a.hosts.Update(msg), a.log.Update(msg)}
	if a.palette != nil {
		cmds = append(cmds, a.palette.Update(msg))
	}
	for _, p := range a.places {
		for _, s := range p.screens() {
			cmds = append(cmds, s.Update(msg))
		}
	}
	return tea.Batch(cmds...)
}

// undone says that a change of the hosts file was taken back.
func (a *app) undone(msg session.Undone) {
	if msg.Err != nil {
		a.NoteAs(session.Bad, "not undone in the hosts file: %v", msg.Err)
	} else {
		a.Note("undone: %s", msg.What)
	}
	a.hosts.Undone(msg)
}

// noted is a line for the log that comes from outside.
type noted string

func (a *app) listen() tea.Cmd {
	if a.Config.Events == nil {
		return nil
	}
	return func() tea.Msg { return noted(<-a.Config.Events) }
}
