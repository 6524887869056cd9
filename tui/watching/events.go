package watching

import (
	"slices"
	"time"

	"rapport/knock/gate/watch"
	"rapport/tui/ui"
)

const (
	maxEvents = 200 // that are kept
	// eventsRoom is how many lines must be free for the events to take half of them.
	eventsRoom = 24
)

// remember keeps what happened. The phases show in the rows.
func (s *Screen) remember(events []watch.Event) {
	for _, e := range events {
		if e.Kind != watch.PhaseEntered {
			s.events = append(s.events, e)
		}
	}
	s.events = s.events[max(0, len(s.events)-maxEvents):]
}

// eventsBox lists what happened in w cells and h lines, the latest first.
func (s *Screen) eventsBox(w, h int) ui.Pane {
	th := s.Theme
	p := ui.Pane{Title: "events", Note: "the latest first"}
	for _, e := range slices.Backward(s.events) {
		if len(p.Lines) == h || e.Time.After(s.when()) { // paused
			continue
		}
		if s.Masked {
			e = e.Masked()
		}
		tone := th.Ink
		switch e.Kind {
		case watch.GotIn:
			tone = th.Open
		case watch.Stuck, watch.GuardRefused, watch.GateLost, watch.SSHDown, watch.SSHSilent, watch.Sweep:
			tone = th.Warn
		}
		p.Add(" " + th.Quiet.Render(e.Time.UTC().Format(time.TimeOnly)) + "  " + tone.Render(ui.Truncate(e.Summary(), w-12)))
	}
	if len(p.Lines) == 0 {
		p.Add(" " + th.Quiet.Render("none since the watch began"))
	}
	return p
}
