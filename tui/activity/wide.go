package activity

import (
	"fmt"
	"slices"
	"strings"

	"rapport/knock/hosts/history"
	"rapport/tui/record"
	"rapport/tui/session"
	"rapport/tui/ui"
)

// Handshake is one that is stored, with the server's name.
type Handshake struct {
	Name string
	history.Handshake
}

// wide draws the log beside the stored handshakes, and below it how they ended and the
// last line of each server. The log has half of the height, however long it is.
func (s *Screen) wide() []string {
	w, body := s.Size.Width, s.Size.Body()
	side := 46 + max(0, w-120)/4
	last := s.lastOfEach(body/6 - 2)
	log, below := (body+1)/2, len(last.Lines)+2
	past := make([]history.Handshake, len(s.Past))
	for i, one := range s.Past {
		past[len(past)-1-i] = one.Handshake
	}
	left := slices.Concat(s.Theme.Box(w-side, log, s.pane(w-side-2, log-2)),
		record.Box(s.Theme, "all servers", past, s.Now, w-side, body-log-below),
		s.Theme.Box(w-side, below, last))
	return ui.Beside(left, s.Theme.Box(side, body, Stored(s.Theme, s.Past, side-2, body-2)), w-side)
}

// lastOfEach has the newest line of each server, the one that spoke last first.
func (s *Screen) lastOfEach(most int) ui.Pane {
	p := ui.Pane{Title: "the last of each server"}
	seen := map[string]bool{}
	for i := len(s.Log) - 1; i >= 0 && len(p.Lines) < most; i-- {
		e := s.Log[i]
		if e.Host == "" || seen[e.Host] {
			continue
		}
		seen[e.Host] = true
		ago := ui.Fit(session.Ago(s.Now.Sub(e.At)), 10)
		p.Add(" " + s.Theme.Strong.Render(ui.Fit(ui.Truncate(e.Host, 14), 16)) + s.Theme.Faint.Render(ago) + toneStyle(s.Theme, e.Tone).Render(e.Text))
	}
	p.Fill(1)
	return p
}

// Stored lists handshakes, the newest first, in h lines of w cells.
func Stored(th ui.Theme, all []Handshake, w, h int) ui.Pane {
	p := ui.Pane{Title: "handshakes"}
	if len(all) == 0 {
		p.Add(ui.Paragraph(th.Quiet, "none is stored yet: each handshake adds a line here, unless the hosts file says history = false", " ", w-1)...)
		return p
	}
	p.Note = fmt.Sprintf("the last of %d", len(all))
	day, name := "", 0
	for _, one := range all[:min(len(all), h)] {
		name = max(name, min(ui.Cells(one.Name), 14)+2)
	}
	for _, one := range all {
		at := one.At.UTC()
		if d := at.Format("Monday, 2006-01-02"); d != day {
			if day = d; len(p.Lines) > 0 {
				p.Add("")
			}
			if len(p.Lines)+1 >= h { // no day without a handshake
				break
			}
			p.Add(" " + th.Quiet.Render(d))
		}
		if len(p.Lines) >= h {
			break
		}
		mark, style, words := th.Yes, th.Open, strings.TrimSpace(ui.Millis(one.Duration()))
		switch {
		case !one.Opened:
			mark, style, words = th.No, th.Bad, string(one.State)
		case one.Took == 0:
			mark, style, words = th.Ring, th.Quiet, "was open"
		}
		if one.Attempts > 1 {
			words = ui.FirstThatFits(w-name-13-ui.Cells(th.Mark(mark)), fmt.Sprintf("%s, %d attempts", words, one.Attempts), words)
		}
		p.Add("  " + th.Faint.Render(at.Format("15:04:05")) + "  " + style.Render(th.Mark(mark)) + " " + ui.Fit(ui.Truncate(one.Name, name-2), name) + style.Render(words))
	}
	p.Lines = p.Lines[:min(len(p.Lines), h)]
	return p
}
