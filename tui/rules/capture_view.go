package rules

import (
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"rapport/knock"
	"rapport/knock/arrivals"
	"rapport/knock/pcap"
	"rapport/knock/phrase"
	"rapport/tui/timeline"
	"rapport/tui/ui"
)

// captureLines draws what captures show.
func (s *Screen) captureLines() []string {
	w, body, th := s.Size.Width, s.Size.Body(), s.Theme
	switch {
	case s.Size.Tiny():
		return s.captureTiny()
	case !s.Size.Framed():
		return s.captureSmall()
	}
	files := s.capturesPane(w - 2)
	files.Lines = ui.Cut(files.Lines, body/3)
	lines := th.Box(w, len(files.Lines)+2, files)
	room := body - len(lines)
	if !s.Size.Wide() {
		return append(lines, th.Box(w, room, s.clientPane(w-2, room-2))...)
	}
	legend := s.captureLegend()
	side, below := auditSide(w), len(legend)+2
	words := ui.Pane{Title: "marks"}
	for _, l := range legend {
		words.Add(" " + th.Quiet.Render(ui.Fit(l[0], 16)) + l[1])
	}
	client := th.Box(w-side, room-below, s.clientPane(w-side-2, room-below-2))
	list := th.Box(side, room-below, s.clientsPane(side-2, room-below-2))
	return append(append(lines, ui.Beside(client, list, w-side)...), th.Box(w, below, words)...)
}

// captureSmall draws them without frames.
func (s *Screen) captureSmall() []string {
	w, th, r := s.Size.Width, s.Theme, s.capture.report
	names, clocks := "", ""
	for _, c := range r.Captures {
		names += " " + th.Accent.Render(string(c.Side)) + " " + captureName(c)
	}
	if r.Clock != nil {
		clocks = "clocks " + phrase.Offset(time.Duration(r.Clock.Offset)) + " "
	}
	client := s.clientPane(w, s.Size.Body()-2, append(slices.Clone(r.Notes), s.Notice)...)
	lines := []string{ui.Ends(names, th.Quiet.Render(clocks), w), ui.Ends(" "+th.Strong.Render(client.Title), th.Quiet.Render(client.Note)+" ", w)}
	return append(lines, client.Lines...)
}

// captureName is the name of a capture's file.
func captureName(c pcap.CaptureReport) string { return knock.Clean(filepath.Base(c.File), 200) }

// capturesPane describes the captures in w cells, and compares their clocks.
func (s *Screen) capturesPane(w int) ui.Pane {
	th, r := s.Theme, s.capture.report
	p := ui.Pane{Title: "captures", Note: "nothing is sent"}
	add := func(style ui.Style, text string) { p.Add(s.within(w+2).paragraph(style, text)...) }
	for _, c := range r.Captures {
		name := " " + th.Accent.Render(ui.Fit(string(c.Side), 8)) + captureName(c)
		counts := phrase.Plural(c.Packets, "packet") + ", " + phrase.Plural(c.SYNs, "SYN")
		p.Add(ui.Ends(name, th.Quiet.Render(counts)+" ", w))
	}
	if r.Clock != nil {
		add(th.Ink, r.Clock.Words())
	}
	add(th.Strong, s.Notice)
	for _, n := range r.Notes {
		add(th.Warn, n)
	}
	if len(r.Captures) == 1 {
		add(th.Quiet, "a capture of the other side too says what left and what arrived")
	}
	if r.Others > 0 {
		add(th.Quiet, phrase.Plural(r.Others, "other source")+" sent SYNs that are no handshake")
	}
	return p
}

// chosenClient is the client that is shown.
func (s *Screen) chosenClient() arrivals.Client { return s.capture.report.Clients[s.capture.chosen] }

// line draws time lines.
func (s *Screen) line() timeline.Line { return timeline.Line{Theme: s.Theme, Port: s.Port} }

// clientPane is the time line of the chosen client, in w cells and h lines; notes are said
// below it.
func (s *Screen) clientPane(w, h int, notes ...string) ui.Pane {
	c, line := s.chosenClient(), s.line()
	said := line.Verdict(c)
	for _, n := range notes {
		said = append(said, timeline.Said{Text: knock.Clean(n, 300), Tone: s.Theme.Warn})
	}
	p := line.Pane(line.Knocks(c), said, w, h)
	p.Title = fmt.Sprintf("%v to %v, %s", c.Addr, c.Server, c.First.UTC().Format("15:04:05"))
	p.Note = "time line"
	if n := len(s.capture.report.Clients); n > 1 {
		p.Note = fmt.Sprintf("%d of %d", s.capture.chosen+1, n)
	}
	return p
}

// clientsPane lists the clients that were found, in w cells and h lines.
func (s *Screen) clientsPane(w, h int) ui.Pane {
	const addr, least = 15, 12 // cells of an address, and of what was found
	th, r := s.Theme, s.capture.report
	p := ui.Pane{Title: "handshakes", Note: fmt.Sprint(len(r.Clients))}
	at, room := int(s.capture.chosen), max(1, h)
	first := max(0, min(at-room/2, len(r.Clients)-room))
	for i, c := range r.Clients[first:min(len(r.Clients), first+room)] {
		tone, sign := th.Quiet, th.Wait
		switch {
		case c.In:
			tone, sign = th.Open, th.Yes
		case len(c.Findings) > 0:
			tone, sign = th.Warn, th.No
		}
		row := tone.Render(ui.Fit(sign, 3)) + ui.Fit(c.Addr.String(), addr) + " " + c.First.UTC().Format("15:04:05")
		if rest := w - 2 - ui.Cells(row); rest >= least {
			row += " " + th.Quiet.Render(s.cut(knock.Clean(c.Summary(), 400), rest))
		}
		if first+i == at {
			p.Add(th.Choose(th.Accent.Render(">")+row, w))
			continue
		}
		p.Add(" " + row)
	}
	if len(r.Clients) > room {
		p.Foot = fmt.Sprintf("%d-%d of %d", first+1, first+room, len(r.Clients))
	}
	return p
}

// captureTiny draws the least: whose handshake it is, and what was found.
func (s *Screen) captureTiny() []string {
	c, th := s.chosenClient(), s.Theme
	p := ui.Pane{}
	which := fmt.Sprintf("%d of %d ", s.capture.chosen+1, len(s.capture.report.Clients))
	p.Add(ui.Ends(" "+th.Strong.Render(c.Addr.String()), which, s.Size.Width))
	said := s.line().Verdict(c)
	if c.Candidate != nil && len(c.Findings) > 0 {
		said = said[1:] // what was found says more than what the knocks were made with
	}
	for _, one := range said {
		p.Add(s.paragraph(one.Tone, one.Text)...)
	}
	return ui.Cut(p.Lines, s.Size.Body())
}
