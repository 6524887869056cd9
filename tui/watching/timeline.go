package watching

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"rapport/knock/arrivals"
	"rapport/knock/gate/watch"
	"rapport/tui/session"
	"rapport/tui/ui"
)

// moment is a row of a time line: a packet, or a phase that was entered.
type moment struct {
	name, port string
	at         time.Time // zero: between two readings
	words      string    // what the rules made of it
	tone       ui.Style
}

// linePane is the time line of the chosen address, in w cells and h lines.
func (s *Screen) linePane(w, h int) ui.Pane {
	all := s.visits()
	if s.at >= len(all) {
		return ui.Pane{Title: "time line", Lines: []string{"", " " + s.waiting()}}
	}
	v, th := all[s.at], s.Theme
	p := ui.Pane{Title: v.Addr.String(), Note: "time line"}
	moments, told := s.phasesOf(v), []string{"rapport watch --clients shows each knock here, and what it was made with"}
	if seen := s.clientsOf(v); len(seen) > 0 {
		moments, told = s.knocksOf(seen[0]), verdictOf(seen[0])
		if len(seen) > 1 {
			p.Note = fmt.Sprintf("time line, the newest of %d", len(seen))
		}
	}
	var below []string
	for _, t := range told {
		below = append(below, ui.Paragraph(th.Quiet, t, " ", w-2)...)
	}
	below = ui.Cut(below, max(1, h/3))
	room := max(1, h-1-len(below)-1) // the ruler, and a line between
	if len(moments) > room {
		more := len(moments) - room + 1
		moments = append(moments[:room-1], moment{name: "...", words: fmt.Sprintf("and %d more", more), tone: th.Quiet})
	}
	p.Add(s.drawMoments(moments, w)...)
	p.Add("")
	p.Add(below...)
	return p
}

// drawMoments draws a ruler, and each moment at its place below it.
func (s *Screen) drawMoments(all []moment, w int) []string {
	const name, port = 5, 7
	th := s.Theme
	words := min(30, w/4+2)
	line := ui.Timeline{Theme: th, Width: w - 1 - name - port - words - 1}
	var first, last time.Time
	for _, m := range all {
		if m.at.IsZero() {
			continue
		}
		if first.IsZero() {
			first = m.at
		}
		last = m.at
	}
	line.Scale(last.Sub(first))
	out := []string{ui.Fit("", 1+name+port) + th.Faint.Render(line.Ruler())}
	for _, m := range all {
		mark := ""
		if !m.at.IsZero() {
			at := int(m.at.Sub(first) * time.Duration(max(0, line.Width-1)) / max(1, line.Total))
			mark = th.Faint.Render(strings.Repeat(th.Dash, at)) + m.tone.Render(th.Dot)
		}
		out = append(out, " "+th.Quiet.Render(ui.Fit(m.name, name))+ui.Fit(m.port, port)+ui.Fit(mark, line.Width)+" "+m.tone.Render(ansi.Truncate(m.words, words, "")))
	}
	return out
}

// clientsOf returns what SYNs of an address showed, the newest first.
func (s *Screen) clientsOf(v watch.Visit) (all []arrivals.Client) {
	for _, c := range s.seen.Clients {
		if c.Addr == v.Addr {
			all = append(all, c)
		}
	}
	return all
}

// phasesOf are the phases that an address entered, where no SYNs are seen.
func (s *Screen) phasesOf(v watch.Visit) (all []moment) {
	for k, name := range session.Ordinals() {
		switch {
		case k >= v.Phase:
			all = append(all, moment{name: name, words: "not entered", tone: s.Theme.Faint})
		case v.Entered[k].IsZero():
			all = append(all, moment{name: name, words: "between two readings", tone: s.Theme.Steps[k]})
		default:
			all = append(all, moment{name: name, at: v.Entered[k], words: fmt.Sprintf("phase %d", k+1), tone: s.Theme.Steps[k]})
		}
	}
	return all
}

// knocksOf are the SYNs of a client, in the order in which they came.
func (s *Screen) knocksOf(c arrivals.Client) (all []moment) {
	for _, k := range c.Knocks {
		m := moment{name: "-", port: s.Port(k.Port), at: k.Arrived, words: "no knock", tone: s.Theme.Faint}
		if k.Phase > 0 {
			m.name = session.Ordinals()[k.Phase-1]
			m.words, m.tone = "ignored", s.Theme.Warn
		}
		if k.Entered > 0 {
			m.words, m.tone = fmt.Sprintf("phase %d", k.Entered), s.Theme.Steps[k.Entered-1]
		}
		all = append(all, answered(m, k))
	}
	for _, k := range c.SSH {
		m := moment{name: "SSH", port: fmt.Sprint(k.Port), at: k.Arrived, words: "silent", tone: s.Theme.Warn}
		switch k.Answer {
		case arrivals.Accepted:
			m.words, m.tone = "got in", s.Theme.Open
		case arrivals.Refused, arrivals.Unreachable:
			m.words, m.tone = k.Answer.String(), s.Theme.Bad
		}
		all = append(all, m)
	}
	slices.SortStableFunc(all, func(a, b moment) int { return a.at.Compare(b.at) })
	return all
}

// answered adds what answered a knock.
func answered(m moment, k arrivals.Knock) moment {
	if k.Answer != arrivals.SYN {
		m.words += ", " + k.Answer.String()
	}
	if k.Repeats > 0 {
		m.words += fmt.Sprintf(", came %d times", k.Repeats+1)
	}
	return m
}

// verdictOf says what a client's knocks were made with, what went wrong, and the fix.
func verdictOf(c arrivals.Client) (all []string) {
	if c.Candidate != nil {
		all = append(all, "made with "+c.Candidate.Made())
	}
	all = append(all, c.Summary())
	for _, f := range c.Findings {
		if fix := "fix: " + f.Fix(); f.Fix() != "" && !slices.Contains(all, fix) {
			all = append(all, fix)
		}
	}
	return all
}
