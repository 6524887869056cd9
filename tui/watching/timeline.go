package watching

import (
	"fmt"

	"rapport/knock/arrivals"
	"rapport/knock/gate/watch"
	"rapport/tui/session"
	"rapport/tui/timeline"
	"rapport/tui/ui"
)

// linePane is the time line of the chosen address, in w cells and h lines.
func (s *Screen) linePane(w, h int) ui.Pane {
	all := s.visits()
	if s.at >= len(all) {
		return ui.Pane{Title: "time line", Lines: []string{"", " " + s.waiting()}}
	}
	v, note := all[s.at], "time line"
	line := timeline.Line{Theme: s.Theme, Port: s.Port}
	moments := s.phasesOf(v)
	said := []timeline.Said{{Text: "rapport watch --clients shows each knock here, and what it was made with", Tone: s.Theme.Quiet}}
	if seen := s.clientsOf(v); len(seen) > 0 {
		moments, said = line.Knocks(seen[0]), line.Verdict(seen[0])
		if len(seen) > 1 {
			note = fmt.Sprintf("time line, the newest of %d", len(seen))
		}
	}
	p := line.Pane(moments, said, w, h)
	p.Title, p.Note = v.Addr.String(), note
	return p
}

// clientsOf returns what SYNs of an address showed, the newest first.
func (s *Screen) clientsOf(v watch.Visit) (all []arrivals.Client) {
	for _, c := range s.seen.Clients {
		if c.Addr == v.Addr {
			if s.Masked {
				c = c.Masked()
			}
			all = append(all, c)
		}
	}
	return all
}

// phasesOf are the phases that an address entered, where no SYNs are seen.
func (s *Screen) phasesOf(v watch.Visit) (all []timeline.Moment) {
	for k, name := range session.Ordinals() {
		switch {
		case k >= v.Phase:
			all = append(all, timeline.Moment{Name: name, Words: "not entered", Tone: s.Theme.Faint})
		case v.Entered[k].IsZero():
			all = append(all, timeline.Moment{Name: name, Words: "between two readings", Tone: s.Theme.Steps[k]})
		default:
			all = append(all, timeline.Moment{Name: name, At: v.Entered[k], Words: fmt.Sprintf("phase %d", k+1), Tone: s.Theme.Steps[k]})
		}
	}
	return all
}
