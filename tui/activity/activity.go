// Package activity is the Log screen: what happened on all servers in this run.
package activity

import (
	"fmt"
	"strings"
	"time"

	"github.com/charmbracelet/bubbles/textinput"
	tea "github.com/charmbracelet/bubbletea"

	"rapport/tui/record"
	"rapport/tui/session"
	"rapport/tui/ui"
)

// Screen shows the log of all servers, the newest line last.
type Screen struct {
	*session.Shared
	Past   []Handshake     // those that are stored, the newest first
	input  textinput.Model // of the filter, while it is typed
	typing bool
	filter string
	above  int // lines below the last one shown
}

// Header implements [session.Screen].
func (s *Screen) Header() (about string, at time.Time) { return s.Theme.Strong.Render("log"), s.Now }

// Beside says at the right of the tabs how many lines are shown.
func (s *Screen) Beside() string {
	n := len(s.matching())
	if n == len(s.Log) {
		return fmt.Sprintf("%d lines", n)
	}
	return fmt.Sprintf("%d of %d lines", n, len(s.Log))
}

// Keys implements [session.Screen].
func (s *Screen) Keys() ui.Keys {
	if s.typing {
		use := ui.NewKey("enter", "use the filter", "", ui.Act(func() { s.typing = false }))
		clear := ui.NewKey("esc", "clear", "", ui.Act(func() { s.typing, s.filter, s.above = false, "", 0 }))
		return ui.ModalKeys(use, clear)
	}
	find := ui.NewKey("/", "find", "show the lines with a text", func() tea.Cmd {
		s.input, s.typing = ui.NewInput(40, 80), true
		s.input.SetValue(s.filter)
		return s.input.Focus()
	})
	copies := ui.NewKey("y", "copy", "copy the lines", func() tea.Cmd { return s.CopyText(s.text()) }).If(len(s.Log) > 0)
	esc := ui.NewKey("esc", "back", "clear the filter; back to the Knock screen", func() tea.Cmd {
		if s.filter == "" {
			return s.Open(session.ToKnock)
		}
		s.filter, s.above = "", 0
		return nil
	})
	move := ui.MoveKeys("scroll", max(1, s.Size.Body()-3), func(by int) {
		s.above = max(0, min(s.above-by, len(s.matching())-1))
	})
	return ui.Keys{Rows: [][]ui.Key{{find}, {copies}, move, {esc}}, Bar: []ui.Key{find, copies, esc}}
}

// Update implements [session.Screen].
func (s *Screen) Update(msg tea.Msg) (cmd tea.Cmd) {
	if s.typing {
		s.input, cmd = s.input.Update(msg)
		s.filter = s.input.Value()
	}
	return cmd
}

func (s *Screen) matching() (out []session.Entry) {
	filter := strings.ToLower(s.filter)
	for _, e := range s.Log {
		if strings.Contains(strings.ToLower(e.Host+" "+e.Text), filter) {
			out = append(out, e)
		}
	}
	return out
}

func (s *Screen) text() string {
	var b strings.Builder
	for _, e := range s.matching() {
		fmt.Fprintf(&b, "%s %s %s\n", e.At.UTC().Format(time.RFC3339), e.Host, e.Text)
	}
	return b.String()
}

// View implements [session.Screen].
func (s *Screen) View() []string {
	if s.Size.Wide() {
		return s.wide()
	}
	w, body := s.Size.Width, s.Size.Body()
	if !s.Size.Framed() {
		return s.small(w, body)
	}
	const chart = 7
	log := s.Theme.Box(w, body-chart, s.pane(w-2, body-chart-2))
	return append(log, record.Box(s.Theme, "all servers", OldestFirst(s.Past), s.Now, w, chart)...)
}

// small draws the log without frames, and the last handshakes below it where there is room.
func (s *Screen) small(w, body int) []string {
	const chart = 4
	p := s.pane(w, body)
	if s.Size.Tiny() || len(s.Past) == 0 || body-len(p.Lines) < chart+2 {
		return p.Lines
	}
	past := record.Pane(s.Theme, OldestFirst(s.Past), s.Now, w, chart)
	p.Fill(body - chart - 1)
	p.Add(ui.Ends(" "+s.Theme.Strong.Render("all servers"), s.Theme.Quiet.Render(past.Note)+" ", w))
	p.Add(past.Lines...)
	return p.Lines
}

// pane is the log in room lines of w cells.
func (s *Screen) pane(w, room int) ui.Pane {
	p := ui.Pane{Title: "log", Note: "times are UTC"}
	if s.typing {
		p.Add(" " + s.Theme.Accent.Render("/") + " " + s.input.View())
	} else if s.filter != "" {
		p.Add(" " + s.Theme.Accent.Render("/ ") + s.filter)
	}
	room -= len(p.Lines)
	all := s.matching()
	if s.above > 0 {
		p.Foot = fmt.Sprintf("%d newer below", s.above)
	}
	p.Add(Lines(s.Theme, all[:max(0, len(all)-s.above)], w-1, room, true)...)
	return p
}

// toneStyle is that of a line of the log.
func toneStyle(th ui.Theme, t session.Tone) ui.Style {
	return map[session.Tone]ui.Style{session.Good: th.Open, session.Bad: th.Bad, session.Plain: th.Ink}[t]
}

// Lines draws the last of entries in at most n lines of w cells, the oldest first, with
// long texts wrapped; named says whose they are.
func Lines(th ui.Theme, all []session.Entry, w, n int, named bool) (out []string) {
	if len(all) == 0 && n > 0 {
		return []string{" " + th.Quiet.Render("nothing yet: what is sent, and what came of it, shows here")}
	}
	at, column := 10, 0
	if named && w >= ui.SmallWidth {
		column = 14
	}
	if w < 50 {
		at = 7
	}
	var parts [][]string
	for i, lines := len(all)-1, 0; i >= 0 && lines < n; i-- {
		e := all[i]
		text := ui.Cut(ui.Wrap(e.Text, w-at-column-1), n-lines) // an entry without room for all of it keeps its beginning
		stamp := e.At.UTC().Format("15:04:05")
		if at < 10 {
			stamp = stamp[:5]
		}
		for j, l := range text {
			name := ""
			if column > 0 {
				name = th.Quiet.Render(ui.Fit(e.Host, column-2)) + "  "
			}
			text[j] = " " + th.Faint.Render(ui.Fit(stamp, at)) + name + toneStyle(th, e.Tone).Render(l)
			stamp, e.Host = "", ""
		}
		lines += len(text)
		parts = append(parts, text)
	}
	for i := len(parts) - 1; i >= 0; i-- {
		out = append(out, parts[i]...)
	}
	return out
}
