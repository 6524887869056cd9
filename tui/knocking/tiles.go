package knocking

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"rapport/knock"
	"rapport/tui/ui"
)

// replayStep is how long each tile takes when a handshake is drawn: the knocks
// themselves are too fast to see.
const replayStep = 60 * time.Millisecond

// tile is one knock as it is drawn.
type tile struct {
	port, mark, time, answer string
	brief                    string   // the answer in at most seven cells
	tone, word               ui.Style // of the tile, and of its answer
	sent                     bool
}

// replayed is how many knocks of the handshake are drawn.
func (s *Screen) replayed() int {
	if s.Config.NoMotion || !s.Theme.Colour || s.Report == nil || len(s.Report.Attempts) > 1 {
		return knock.Knocks
	}
	return int(s.Now.Sub(s.began)/replayStep) + 1
}

// tiles are the knocks of the newest attempt, or those that would be sent now.
func (s *Screen) tiles() (out [knock.Knocks]tile) {
	var knocks []knock.SentKnock
	var started knock.Millis
	hour := s.Hour()
	if s.Report != nil {
		hour = s.Report.Hour
	}
	if s.Report != nil && len(s.Report.Attempts) > 0 {
		knocks, started, hour, _ = s.attempt()
	}
	seq, drawn := s.Sequence(hour), s.replayed()
	for i, port := range seq.Ports() {
		out[i] = tile{port: s.Port(port), mark: s.Theme.Wait, tone: s.Theme.Faint}
		if seq.RepeatsAt(i) {
			out[i].port += "="
		}
		if i >= len(knocks) || i >= drawn {
			continue
		}
		k := knocks[i]
		t := &out[i]
		t.sent, t.mark, t.time = true, s.Theme.Yes, ui.Millis(time.Duration(k.Sent-started))
		t.answer, t.tone = s.answer(k)
		t.brief = strings.Replace(t.answer, "received", "rcvd", 1)
		if t.word = t.tone; k.Answer == knock.Silent || k.Answer == knock.Pending {
			t.tone = s.Theme.Steps[i]
		}
		if k.Answer == knock.Refused || k.Answer == knock.Unreachable {
			t.mark = s.Theme.No
		}
	}
	return out
}

// answer says in a word what a port answered.
func (s *Screen) answer(k knock.SentKnock) (string, ui.Style) {
	switch k.Answer {
	case knock.Pending, knock.Silent:
		return "silent", s.Theme.Quiet
	case knock.Open:
		if s.Config.Demo {
			return "received", s.Theme.Open
		}
		return "open", s.Theme.Warn
	case knock.Unreachable:
		return "ICMP", s.Theme.Bad
	}
	return string(k.Answer), s.Theme.Bad
}

// door is SSH behind the gate as it is drawn.
type door struct {
	headline, mark, time, note string
	tone                       ui.Style
	open                       bool
}

func (s *Screen) door() (d door) {
	d.headline, d.tone, _ = s.sshState()
	r := s.Report
	d.open = d.headline == stateHeadline(knock.SSHOpen)
	if r == nil {
		return d
	}
	if r.Before.State != knock.SSHUnknown {
		d.note = "was " + string(r.Before.State)
	}
	if end := max(r.SSH.Connect, r.SSH.Read); end > 0 && len(r.Attempts) > 0 && s.probe == nil {
		_, started, _, _ := s.attempt()
		d.mark, d.time = s.Theme.Yes, ui.Millis(time.Duration(end)-time.Duration(started))
	}
	return d
}

// wideTiles draw the five knocks as tiles that lead to the door, in 76 cells and five
// lines, and the attempts below.
func (s *Screen) wideTiles() []string {
	th, b := s.Theme, s.Theme.Border
	rows := [5]string{"  ", "  ", "  ", "  ", "  "}
	for i, t := range s.tiles() {
		edge := t.tone.Render
		text := fmt.Sprintf(" %-6s", t.port)
		if t.sent {
			text = th.Strong.Render(text)
		} else {
			text = th.Quiet.Render(text)
		}
		gap, link := "  ", t.tone.Render(strings.Repeat(th.Link, 2))
		if i == knock.Knocks-1 {
			gap, link = "   ", t.tone.Render(th.Link+th.Arrow)+" "
		}
		rows[0] += edge(b.TopLeft+strings.Repeat(b.Top, 7)+b.TopRight) + gap
		rows[1] += edge(b.Left) + text + edge(b.Right) + link
		rows[2] += edge(b.BottomLeft+strings.Repeat(b.Top, 7)+b.BottomRight) + gap
		rows[3] += ui.Fit(" "+t.tone.Render(t.mark)+" "+t.time, 10) + gap[1:]
		rows[4] += ui.Fit(" "+t.word.Render(t.answer), 10) + gap[1:]
	}
	const w = 16 // within the door
	d := s.door()
	text := ui.Fit("  "+d.headline, w)
	if d.open && th.Colour && !th.ASCII {
		rows[0] += d.tone.Reverse(false).Render(strings.Repeat("▄", w+2))
		rows[1] += d.tone.Reverse(true).Bold(true).Render(" " + text + " ")
		rows[2] += d.tone.Reverse(false).Render(strings.Repeat("▀", w+2))
	} else {
		edge := d.tone.Reverse(false).Render
		rows[0] += edge(b.TopLeft + strings.Repeat(b.Top, w) + b.TopRight)
		rows[1] += edge(b.Left) + d.tone.Reverse(false).Bold(true).Render(text) + edge(b.Right)
		rows[2] += edge(b.BottomLeft + strings.Repeat(b.Top, w) + b.BottomRight)
	}
	rows[3] += "  " + th.Open.Render(d.mark) + " " + d.time
	rows[4] += "  " + th.Quiet.Render(d.note)
	return append(rows[:], s.attemptLine())
}

// compactTiles draw the same in 58 cells and four lines.
func (s *Screen) compactTiles() []string {
	th := s.Theme
	rows := [3]string{" ", " ", " "}
	tiles := s.tiles()
	for i, t := range tiles {
		link := " " + th.Link + " "
		if i == knock.Knocks-1 {
			link = " " + th.Link + th.Arrow + " "
		}
		style := th.Quiet
		if t.sent {
			style = th.Strong
		}
		rows[0] += style.Render(ui.Fit(t.port, 5)) + t.tone.Render(link)
		rows[1] += ui.Fit(t.tone.Render(t.mark)+" "+strings.TrimSuffix(t.time, " ms"), 8)
		rows[2] += ui.Fit(t.word.Render(ui.FirstThatFits(7, t.answer, t.brief)), 8)
	}
	if t := tiles[0]; len(t.answer) > 7 && !slices.ContainsFunc(tiles[:], func(o tile) bool { return o.answer != t.answer }) {
		rows[2] = ui.Fit(" "+t.word.Render("all five "+t.answer), 41)
	}
	d := s.door()
	rows[0] += d.tone.Reverse(d.open).Bold(true).Render(d.headline)
	rows[1] += " " + th.Open.Render(d.mark) + " " + d.time
	rows[2] += " " + th.Quiet.Render(d.note)
	return append(rows[:], s.attemptLine())
}

// attemptDots are the attempts in a row: shut, opened, under way, and those left.
func (s *Screen) attemptDots() (out string) {
	n, all := 0, s.attemptsPlanned()
	if s.Report != nil {
		n = len(s.Report.Attempts)
	}
	for i := range max(n, all) {
		switch {
		case i >= n:
			out += s.Theme.Faint.Render(s.Theme.Ring)
		case s.Report.Opened && i >= s.Report.OpenedBy:
			out += s.Theme.Open.Render(s.Theme.Yes)
		case i == n-1 && s.knocking():
			out += s.Theme.Accent.Render(s.Theme.Dot)
		default:
			out += s.Theme.Bad.Render(s.Theme.No)
		}
		if s.Size.Framed() {
			out += " "
		}
	}
	return out
}

func (s *Screen) attemptsPlanned() int {
	if s.Config.Options.Gaps != nil {
		return len(s.Config.Options.Gaps)
	}
	return len(knock.DefaultGaps())
}

func (s *Screen) attemptLine() string {
	lead := "  "
	if !s.Size.Framed() {
		lead = " "
	}
	return lead + s.Theme.Quiet.Render("attempts ") + s.attemptDots()
}

// attemptNote says which attempt is the newest, for the frame.
func (s *Screen) attemptNote() string {
	if s.Report == nil || len(s.Report.Attempts) == 0 {
		if !s.sshEndedAt.IsZero() {
			return "ssh knocked by itself"
		}
		return "not sent yet"
	}
	_, _, _, note := s.attempt()
	return note
}

// edge is the colour of the frame around the tiles.
func (s *Screen) edge() ui.Style {
	switch r := s.Report; {
	case s.Stage != Idle:
		return s.Theme.Accent
	case s.windowLeft() > 0:
		return s.Theme.Open
	case s.Failure != nil || r != nil && !r.Opened && s.probe == nil:
		return s.Theme.Bad
	}
	return s.Theme.Faint
}
