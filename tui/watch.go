package tui

import (
	"context"
	"net/netip"
	"slices"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"rapport/knock/gate/watch"
	"rapport/tui/ui"
)

// WatchConfig is what the Watch screen starts with.
type WatchConfig struct {
	// Run watches the gate until ctx ends, as [gate.Watcher] does.
	Run func(ctx context.Context, on func(watch.Snapshot)) error

	ASCII   bool // draw with ASCII alone
	NoColor bool // draw without colour

	clock func() time.Time // nil is time.Now
}

// Watch shows the Watch screen until the user quits, ctx ends or c.Run fails.
// Its errors are those of Run, and c.Run's.
func Watch(ctx context.Context, c WatchConfig) error {
	var a *app
	var s *watchScreen
	err := ui.Program{ASCII: c.ASCII, NoColor: c.NoColor}.Run(ctx, func(ctx context.Context, t ui.Terminal) tea.Model {
		a, s = newWatchApp(ctx, c, t.Theme)
		a.size = t.Size
		return a
	})
	if err = a.result(err); err == nil && s != nil {
		err = s.failed
	}
	return err
}

// newWatchApp returns the root with the Watch screen alone.
func newWatchApp(ctx context.Context, c WatchConfig, th ui.Theme) (*app, *watchScreen) {
	if c.clock == nil {
		c.clock = time.Now
	}
	s := &watchScreen{session: &session{ctx: ctx, clock: c.clock, theme: th, now: c.clock()}}
	a := &app{session: s.session, screens: []screen{s}, shown: s}
	s.job, a.begin = ui.StartJob(ctx, func(ctx context.Context, emit func(any)) error {
		return c.Run(ctx, func(seen watch.Snapshot) { emit(seen) })
	})
	return a, s
}

// watchScreen shows who moves through the gate of this machine.
type watchScreen struct {
	*session
	job    *ui.Job
	failed error         // why the watch ended by itself
	newest watch.Snapshot // zero until the first reading
	paused *pausedWatch  // what is shown in its place
	top    int           // the first row shown
	at     int           // the row that is chosen, and who is in it; the choice goes with them
	chosen netip.Addr
}

// pausedWatch is a screen that stands still.
type pausedWatch struct {
	seen watch.Snapshot
	at   time.Time
}

func (s *watchScreen) keys() ui.Keys {
	move := ui.MoveKeys("choose", max(1, s.rows()-1), func(by int) { s.choose(s.at + by); s.follow() })
	pause := ui.NewKey("p", "pause", "pause the screen", ui.Act(s.pause), " ")
	if s.paused != nil {
		pause = pause.As("go on")
	}
	updown := ui.NewKey("up down", "choose", "", nil)
	k := ui.Keys{Rows: [][]ui.Key{move, {pause}}, Bar: []ui.Key{pause, updown}}
	k.Legend = [][2]string{
		{"1st 2nd ...", "how long ago it entered that phase"},
		{"a mark alone", "it passed that phase between two readings"},
		{"stuck at 2", "the window passed without a third knock"},
		{"stuck at 5", "the gate was open and nobody connected"},
		{"refused", "at 4, by a replay guard that is full"},
		{"nothing listens", "the gate was open; no SSH server behind it"},
		{"got in", "seen up to 1 s late, where no rule notes it"},
		{"opened before", "before the watch: got in or not, unknown"},
		{"gate changed", "in between: what came of it is unknown"},
		{"shared?", "perhaps one client by two addresses"},
	}
	if g := s.seen().Gate; g.Kind != "" {
		if !g.Ended {
			k.Legend = append(k.Legend, [2]string{"here", "connections of under a second may be missed"})
		}
		if !g.Counted {
			k.Legend = append(k.Legend, [2]string{"here", "no rule counts attempts that are dropped"})
		}
	}
	return k
}

func (s *watchScreen) update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case ui.JobEvent:
		if seen, ok := msg.Event.(watch.Snapshot); ok {
			s.newest = seen
		}
	case ui.JobDone:
		s.failed = msg.Err
		return tea.Quit
	}
	s.follow()
	return nil
}

// Tenths of seconds are shown of what is new.
func (s *watchScreen) moving() bool {
	visits := s.seen().Visits
	return s.paused == nil && len(visits) > 0 && s.now.Sub(visits[0].Changed) <= 15*time.Second
}

// pause lets the screen stand still, or go on.
func (s *watchScreen) pause() {
	if s.paused != nil {
		s.paused = nil
	} else {
		s.paused = &pausedWatch{s.newest, s.now}
	}
	s.follow()
}

// seen is what is shown, and when is the time at which it is.
func (s *watchScreen) seen() watch.Snapshot {
	if s.paused != nil {
		return s.paused.seen
	}
	return s.newest
}

func (s *watchScreen) when() time.Time {
	if s.paused != nil {
		return s.paused.at
	}
	return s.now
}

// follow keeps the choice on its address and on the screen. Until one is made it
// is the first row.
func (s *watchScreen) follow() {
	visits := s.seen().Visits
	if s.chosen.IsValid() {
		if i := slices.IndexFunc(visits, func(v watch.Visit) bool { return v.Addr == s.chosen }); i >= 0 && i != s.at {
			s.top += i - s.at
			s.at = i
		}
	}
	s.at = max(0, min(s.at, len(visits)-1))
	s.top = max(0, min(s.top, len(visits)-s.rows()))
	s.top = max(min(s.top, s.at), s.at-s.rows()+1)
}

// choose moves the choice to a row.
func (s *watchScreen) choose(row int) {
	visits := s.seen().Visits
	s.at = max(0, min(row, len(visits)-1))
	s.chosen = netip.Addr{}
	if s.at > 0 && s.at < len(visits) { // the first row is whoever is first
		s.chosen = visits[s.at].Addr
	}
}
