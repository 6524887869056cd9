package tui

import (
	"context"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"rapport/knock/gate/watch"
	"rapport/tui/session"
	"rapport/tui/ui"
	"rapport/tui/watching"
)

// WatchConfig is what Watch starts with.
type WatchConfig struct {
	// Run watches the gate until ctx ends, as [watch.Watcher] does.
	Run func(ctx context.Context, on func(watch.Snapshot)) error

	ASCII   bool // draw with ASCII alone
	NoColor bool // draw without colour

	clock func() time.Time // nil is time.Now
}

// Watch shows the Watch screen until the user quits, ctx ends or c.Run returns. Its
// errors are those of [Run], and that of c.Run.
func Watch(ctx context.Context, c WatchConfig) error {
	var a *app
	var s *watching.Screen
	err := ui.Program{ASCII: c.ASCII, NoColor: c.NoColor}.Run(ctx, func(ctx context.Context, t ui.Terminal) tea.Model {
		a, s = newWatchApp(ctx, c, t.Theme)
		a.Size = t.Size
		return a
	})
	if err = a.result(err); err == nil && s != nil {
		err = s.Err()
	}
	return err
}

// newWatchApp returns the root model with the Watch screen alone.
func newWatchApp(ctx context.Context, c WatchConfig, th ui.Theme) (*app, *watching.Screen) {
	if c.clock == nil {
		c.clock = time.Now
	}
	a := &app{Session: &session.Session{Ctx: ctx, Theme: th, Now: c.clock()}, clock: c.clock}
	s, begin := watching.New(a.Session, c.Run)
	a.screens, a.shown, a.begin = []session.Screen{s}, s, begin
	return a, s
}
