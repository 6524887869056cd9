package tui

import (
	"context"
	"net/netip"
	"slices"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/term"

	"rapport/knock/gate"
)

// WatchConfig is what the Watch screen starts with.
type WatchConfig struct {
	// Run watches the gate until ctx ends, as [gate.Watcher] does.
	Run func(ctx context.Context, on func(gate.Watched)) error

	ASCII   bool // draw with ASCII alone
	NoColor bool // draw without colour

	clock func() time.Time // nil is time.Now
}

// Watch shows the Watch screen until the user quits, ctx ends or c.Run fails.
// Its errors are those of Run, and c.Run's.
func Watch(ctx context.Context, c WatchConfig) error {
	if !HasTerminal() {
		return ErrNoTerminal
	}
	last, err := runProgram(ctx, c.NoColor, c.ASCII, func(ctx context.Context, th theme, out *terminal) tea.Model {
		a := newWatchApp(ctx, c, th)
		if w, h, err := term.GetSize(out.Fd()); err == nil {
			a.width, a.height = w, h
		}
		return a
	})
	m, ok := last.(watchApp)
	switch {
	case err != nil || !ok:
		return err
	case m.interrupted:
		return ErrInterrupted
	}
	return m.failed
}

// watchApp is the tea.Model of the Watch screen.
type watchApp struct {
	theme  theme
	keys   watchKeys
	clock  func() time.Time
	width  int
	height int
	now    time.Time
	help   bool
	// interrupted says that the user left with ctrl+c, failed why the watch ended
	// by itself.
	interrupted bool
	failed      error

	job    job
	run    tea.Cmd
	newest gate.Watched // zero until the first look
	paused *pausedWatch // what is shown in its place
	top    int          // the first row shown
	at     int          // the row that is chosen, and who is in it; the choice goes with them
	chosen netip.Addr
	fast   bool // a fast beat is on its way
}

// pausedWatch is a screen that stands still.
type pausedWatch struct {
	seen gate.Watched
	at   time.Time
}

func newWatchApp(ctx context.Context, c WatchConfig, th theme) watchApp {
	a := watchApp{theme: th, keys: newWatchKeys(), clock: c.clock}
	if a.clock == nil {
		a.clock = time.Now
	}
	a.now = a.clock()
	a.job, a.run = startJob(ctx, 1, func(ctx context.Context, emit func(any)) error {
		return c.Run(ctx, func(seen gate.Watched) { emit(seen) })
	})
	return a
}

// Init implements [tea.Model].
func (a watchApp) Init() tea.Cmd { return tea.Batch(a.run, everySecond()) }

// Update implements [tea.Model].
func (a watchApp) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	a.now = a.clock()
	var cmd tea.Cmd
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		a.width, a.height = msg.Width, msg.Height
	case beat:
		cmd = everySecond()
	case fastBeat:
		a.fast = false
	case jobEvent:
		if seen, ok := msg.event.(gate.Watched); ok {
			a.newest = seen
		}
		cmd = msg.next
	case jobDone:
		a.failed = msg.err
		return a, tea.Quit
	case tea.KeyMsg:
		cmd = a.keyed(msg)
	}
	a.settle()
	return a, tea.Batch(cmd, a.quicken())
}

// seen is what is shown, and when is the time at which it is.
func (a watchApp) seen() gate.Watched {
	if a.paused != nil {
		return a.paused.seen
	}
	return a.newest
}

func (a watchApp) when() time.Time {
	if a.paused != nil {
		return a.paused.at
	}
	return a.now
}

// settle keeps the choice on its address and on the screen. Until one is made it
// is the first row.
func (a *watchApp) settle() {
	visits := a.seen().Visits
	if a.chosen.IsValid() {
		if i := slices.IndexFunc(visits, func(v gate.Visit) bool { return v.Addr == a.chosen }); i >= 0 && i != a.at {
			a.top += i - a.at
			a.at = i
		}
	}
	a.at = max(0, min(a.at, len(visits)-1))
	a.top = max(0, min(a.top, len(visits)-a.rows()))
	a.top = max(min(a.top, a.at), a.at-a.rows()+1)
}

// choose moves the choice to a row.
func (a *watchApp) choose(row int) {
	visits := a.seen().Visits
	a.at = max(0, min(row, len(visits)-1))
	a.chosen = netip.Addr{}
	if a.at > 0 && a.at < len(visits) { // the first row is whoever is first
		a.chosen = visits[a.at].Addr
	}
}

// quicken arms the fast beat while tenths of seconds are shown.
func (a *watchApp) quicken() tea.Cmd {
	visits := a.seen().Visits
	if a.fast || a.paused != nil || len(visits) == 0 || a.now.Sub(visits[0].Changed) > 15*time.Second {
		return nil
	}
	a.fast = true
	return tea.Tick(100*time.Millisecond, func(t time.Time) tea.Msg { return fastBeat(t) })
}
