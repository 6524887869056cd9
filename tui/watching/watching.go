// Package watching is the Watch screen, for use on the server: the addresses that
// move through the gate's phases, how long ago they entered each, and totals.
package watching

import (
	"context"
	"net/netip"
	"slices"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"rapport/knock/gate/watch"
	"rapport/tui/session"
	"rapport/tui/ui"
)

// Screen shows who moves through the gate of this machine.
type Screen struct {
	*session.Session
	newest watch.Snapshot // zero until the first reading
	seen   watch.Snapshot // what is shown: the newest, but while paused an older one
	paused time.Time      // when the screen was paused; zero while it is not
	top    int            // the first row shown
	at     int            // the chosen row, and its address, which the choice follows
	chosen netip.Addr
	line   bool          // the time line of the chosen address is shown
	events []watch.Event // the latest last
}

// New returns the screen and the command that starts run, which reports what it
// watches until its context ends, as [watch.Watcher] does.
func New(s *session.Session, run func(ctx context.Context, on func(watch.Snapshot)) error) (*Screen, tea.Cmd) {
	_, begin := ui.StartJob(s.Ctx, func(ctx context.Context, emit func(any)) error {
		return run(ctx, func(seen watch.Snapshot) { emit(seen) })
	})
	return &Screen{Session: s}, begin
}

// Keys implements [session.Screen].
func (s *Screen) Keys() ui.Keys {
	move := ui.MoveKeys("choose", max(1, s.rows()-1), func(by int) { s.choose(s.at + by); s.follow() })
	pause := ui.NewKey("p", ui.Either(!s.paused.IsZero(), "resume", "pause"), "pause the screen", ui.Act(s.pause), " ")
	updown := ui.NewKey("up down", "choose", "", nil)
	line := ui.NewKey("t", "time line", "when the knocks of the address came", ui.Act(func() { s.line = !s.line }), "enter")
	k := ui.Keys{Rows: [][]ui.Key{move, {pause, line}}, Bar: []ui.Key{pause, line, updown}}
	if s.line {
		k.Rows = append(k.Rows, []ui.Key{s.Mask("mask the ports of knocks")})
	}
	k.Legend = [][2]string{
		{"1st 2nd ...", "how long ago it entered that phase"},
		{"a mark alone", "it passed that phase between two readings"},
		{"stuck at 2", "the window passed without a third knock"},
		{"stuck at 5", "the gate was open and nobody connected"},
		{"refused", "at 4, by a replay guard that is full"},
		{"nothing listens", "the gate was open; no SSH server behind it"},
		{"got in", "seen up to 1 s late if no rule records it"},
		{"opened before", "before the watch: got in or not, unknown"},
		{"gate changed", "meanwhile: how it ended is unknown"},
		{"shared?", "perhaps one client by two addresses"},
	}
	if g := s.seen.Gate; g.Kind != "" {
		if !g.Ended {
			k.Legend = append(k.Legend, [2]string{"here", "connections of under a second may be missed"})
		}
		if !g.Counted {
			k.Legend = append(k.Legend, [2]string{"here", "no rule counts dropped attempts"})
		}
	}
	return k
}

// Update implements [session.Screen].
func (s *Screen) Update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case ui.JobEvent:
		if seen, ok := msg.Event.(watch.Snapshot); ok {
			s.remember(seen.Events)
			if s.newest = seen; s.paused.IsZero() {
				s.seen = seen
			}
		}
	case ui.JobDone:
		s.Err = msg.Err
		return tea.Quit
	}
	s.follow()
	return nil
}

// Moving reports whether tenths of seconds are shown, as of recent changes.
func (s *Screen) Moving() bool {
	visits := s.seen.Visits
	return s.paused.IsZero() && len(visits) > 0 && s.Now.Sub(visits[0].Changed) <= 15*time.Second
}

func (s *Screen) pause() {
	if s.paused.IsZero() {
		s.paused = s.Now
	} else {
		s.paused, s.seen = time.Time{}, s.newest
	}
	s.follow()
}

// when is the time of what is shown.
func (s *Screen) when() time.Time {
	if s.paused.IsZero() {
		return s.Now
	}
	return s.paused
}

// follow keeps the choice on its address and within the rows shown. Without a choice
// it is the first row.
func (s *Screen) follow() {
	visits := s.visits()
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

func (s *Screen) choose(row int) {
	visits := s.visits()
	s.at = max(0, min(row, len(visits)-1))
	s.chosen = netip.Addr{}
	if s.at > 0 && s.at < len(visits) { // the first row is no address in particular
		s.chosen = visits[s.at].Addr
	}
}
