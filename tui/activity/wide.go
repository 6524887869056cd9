package activity

import (
	"fmt"
	"strings"

	"rapport/knock/hosts/history"
	"rapport/tui/session"
	"rapport/tui/ui"
)

// Handshake is one that is stored, with the server's name.
type Handshake struct {
	Name string
	history.Handshake
}

// wide draws the log beside the stored handshakes, and below it the last line of
// each server.
func (s *Screen) wide() []string {
	w, body := s.Size.Width, s.Size.Body()
	side := 46 + max(0, w-120)/4
	last := s.lastOfEach(body/3 - 2)
	below := len(last.Lines) + 2
	left := append(s.Theme.Box(w-side, body-below, s.pane(w-side-2, body-below-2)), s.Theme.Box(w-side, below, last)...)
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
	day := ""
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
			words += fmt.Sprintf(", %d attempts", one.Attempts)
		}
		p.Add("  " + th.Faint.Render(at.Format("15:04:05")) + "  " + style.Render(th.Mark(mark)) + " " + ui.Fit(ui.Truncate(one.Name, 14), 16) + style.Render(words))
	}
	p.Lines = p.Lines[:min(len(p.Lines), h)]
	return p
}
