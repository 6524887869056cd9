package activity

import (
	"fmt"
	"slices"
	"strings"
	"time"

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
// last line of each server. The log has half of the height, however long it is, or what
// the last day and a chart leave where there is room for both.
func (s *Screen) wide() []string {
	w, body := s.Size.Width, s.Size.Body()
	side := 46 + max(0, w-120)/4
	last := s.lastOfEach(body/6 - 2)
	log, below := (body+1)/2, len(last.Lines)+2
	var day []string
	if w-side >= record.DayWidth && body >= ui.RoomyHeight {
		servers := s.servers(body / 8)
		day = record.Day(s.Theme, servers, len(servers), s.Now, w-side, len(servers)+3)
		log = max(log, body-below-len(day)-roomyChart)
	}
	left := slices.Concat(s.Theme.Box(w-side, log, s.pane(w-side-2, log-2)), day,
		record.Box(s.Theme, "all servers", OldestFirst(s.Past), s.Now, w-side, body-log-below-len(day)),
		s.Theme.Box(w-side, below, last))
	var words []string
	if side >= wordsWide && body >= wordsHigh {
		p := s.words()
		words = s.Theme.Box(side, len(p.Lines)+2, p)
	}
	list := body - len(words)
	right := append(s.Theme.Box(side, list, Stored(s.Theme, s.Past, side-2, list-2)), words...)
	return ui.Beside(left, right, w-side)
}

// roomyChart is the height of a chart that is read well.
const roomyChart = 12

// wordsWide and wordsHigh are the size of a right column that has room for the words.
const wordsWide, wordsHigh = 62, 44

// words explain the marks, and what is stored.
func (s *Screen) words() ui.Pane {
	th := s.Theme
	p := ui.Pane{Title: "words"}
	for _, l := range [][2]string{
		{th.Yes, "SSH opened"},
		{th.No, "it stayed shut"},
		{th.Ring, "it was open before the first knock"},
		{"time to banner", "from the first knock to SSH's first line"},
		{"amber", "more than twice the median"},
		{"log", "of this run; y copies it"},
		{"handshakes", "stored for you alone, without ports or secret"},
		{"not stored", "in the demo, and with history = false"},
	} {
		p.Add(" " + th.Quiet.Render(ui.Fit(th.Mark(l[0]), 16)) + l[1])
	}
	return p
}

// OldestFirst are handshakes in the order of a chart.
func OldestFirst(newestFirst []Handshake) (all []history.Handshake) {
	for _, one := range slices.Backward(newestFirst) {
		all = append(all, one.Handshake)
	}
	return all
}

// servers are those of the stored handshakes, at most n, the one of the newest first, with
// what happened in the last day.
func (s *Screen) servers(n int) (all []record.Server) {
	at := map[string]int{}
	for _, one := range s.Past {
		i, known := at[one.Name]
		if !known {
			if len(all) == n {
				continue
			}
			i, at[one.Name] = len(all), len(all)
			all = append(all, record.Server{Name: one.Name})
		}
		if s.Now.Sub(one.At) < 25*time.Hour { // a day, and the hour under way
			all[i].Past = append(all[i].Past, one.Handshake)
		}
	}
	return all
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
