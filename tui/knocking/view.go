package knocking

import (
	"fmt"
	"slices"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"rapport/diag"
	"rapport/knock"
	"rapport/knock/phrase"
	"rapport/tui/activity"
	"rapport/tui/record"
	"rapport/tui/session"
	"rapport/tui/ui"
)

// Widths of the left column of a wide screen: the tiles need the first.
const (
	leftWidth  = 78
	leftWidest = 110
)

// View implements [session.Screen]. Each size has its own layout.
func (s *Screen) View() []string {
	switch size := s.Size; {
	case size.Tiny():
		return s.tinyView()
	case !size.Framed():
		return s.smallView()
	case size.Wide():
		return s.wideView()
	}
	return s.framedView()
}

// tinyView is the least: the state, the ports, the hour.
func (s *Screen) tinyView() []string {
	w := s.Size.Width
	headline, tone, about := s.sshState()
	first := " " + tone.Bold(true).Render(headline)
	if left := s.windowLeft(); left > 0 {
		first += fmt.Sprintf("  shuts in %3.1f s ", left.Seconds())
		first += s.Theme.TimeLeft(s.share(left), w-ui.Cells(first)-1)
	}
	var marks string
	for _, t := range s.tiles() {
		marks += t.tone.Render(s.Theme.Mark(t.mark)) + " "
	}
	p := ui.Pane{Lines: []string{first, " " + ui.Truncate(about, w-2), s.hourLine(0, w), s.hourLine(1, w), " " + marks + " " + s.attemptDots()}}
	p.Add(activity.Lines(s.Theme, s.OwnLog(9), w, s.Size.Body()-len(p.Lines), false)...)
	return p.Lines
}

// smallView has no frames.
func (s *Screen) smallView() []string {
	w := s.Size.Width
	p := ui.Pane{Lines: s.compactTiles()}
	p.Add(s.countdown(w)...)
	p.Fill(7)
	p.Lines = p.Lines[:7]
	for k := -1; k <= 1; k++ {
		p.Add(s.hourLine(k, w))
	}
	if note := s.rangeNote(); s.Target.Range != knock.DefaultRange || s.Target.Skew != 0 {
		p.Add(" " + s.Theme.Quiet.Render(note))
	}
	p.Add(activity.Lines(s.Theme, s.OwnLog(9), w, s.Size.Body()-len(p.Lines), false)...)
	return p.Lines
}

// framedView is one column.
func (s *Screen) framedView() (out []string) {
	w, room := s.Size.Width, s.Size.Body()
	edge := s.edge()
	p := ui.Pane{Title: "handshake", Note: s.attemptNote(), Edge: &edge, Lines: append(s.wideTiles(), s.countdown(w-2)...)}
	out = s.Theme.Box(w, 11, p)
	hours := 3
	if room > 30 {
		hours = 6
	}
	out = append(out, s.hoursBox(w, hours+2)...)
	if room-len(out) >= 15 {
		out = append(out, s.timelineBox(w, 10)...)
	}
	if room-len(out) >= 11 {
		out = append(out, record.Box(s.Theme, "history", s.History, s.Now, w, 6)...)
	}
	return append(out, s.logBox(w, room-len(out))...)
}

// wideView is two columns.
func (s *Screen) wideView() []string {
	w, room := s.Size.Width, s.Size.Body()
	lw := leftWidth
	if w > 160 {
		lw = leftWidest
	}
	edge := s.edge()
	tiles := append([]string{""}, s.wideTiles()...)
	p := ui.Pane{Title: "handshake", Note: s.attemptNote(), Edge: &edge, Lines: append(append(tiles, ""), s.countdown(lw-2)...)}
	left := s.Theme.Box(lw, 13, p)
	left = append(left, s.timelineBox(lw, 10)...)
	const log, least, most = 9, 6, 16
	history := max(least, min(room-len(left)-log, most))
	left = append(left, record.Box(s.Theme, "history", s.History, s.Now, lw, history)...)
	left = append(left, s.logBox(lw, room-len(left))...)
	rw := w - lw
	below := 7
	if room > 44 {
		below = 11
	}
	right := s.hoursBox(rw, room-below)
	if rw >= 80 {
		right = append(right, ui.Beside(s.nextBox(rw/2, below), s.serverBox(rw-rw/2, below), rw/2)...)
	} else {
		right = append(right, s.nextBox(rw, below)...)
	}
	return ui.Beside(left, right, lw)
}

func (s *Screen) rangeNote() string {
	note := "range " + s.Target.Range.String()
	if s.Target.Range.IsNarrow() {
		note += fmt.Sprintf(", narrow: %d ports", s.Target.Range.Size())
	}
	if s.Target.Skew != 0 {
		note += ", server's clock " + ui.Signed(s.Target.Skew)
	}
	return note
}

// hoursBox shows the sequences from the hour before on, as many as fit.
func (s *Screen) hoursBox(w, h int) []string {
	p := ui.Pane{Title: "hours", Note: s.rangeNote()}
	if s.Target.Skew != 0 {
		p.Note = ui.FirstThatFits(w-16, p.Note, fmt.Sprintf("%s, skew %s", s.Target.Range, ui.Signed(s.Target.Skew)))
	}
	rows := h - 2
	withBar := w < 60 // else the bar stands beside the ports
	for k := -1; len(p.Lines) < rows; k++ {
		p.Add(s.hourLine(k, w-2))
		if k == 0 && withBar && rows > 3 {
			left := s.hourLeft()
			p.Add("      " + s.Theme.Bar(s.Theme.Accent, s.hourGone(), w-17) + " " + s.Theme.Strong.Render(minutes(left)))
		}
	}
	if rows > 6 {
		p.Lines[rows-1] = "   " + s.Theme.Quiet.Render("3 shows any hour")
	}
	return s.Theme.Box(w, h, p)
}

func (s *Screen) hourLeft() time.Duration {
	server := s.Now.Add(s.Target.Skew)
	return s.Hour().End().Sub(server)
}

// hourGone is the part of the server's hour that is over.
func (s *Screen) hourGone() float64 { return 1 - float64(s.hourLeft())/float64(time.Hour) }

// stripRoom are the cells right of the ports from which they are drawn in the range.
const stripRoom = 46

// hourLine is the hour so many after this one, with its ports, in w cells.
func (s *Screen) hourLine(offset, w int) string {
	th, h := s.Theme, s.Hour().Add(offset)
	mark, style := "  ", th.Quiet
	knockedToo := slices.Contains(knock.HoursAt(s.Now.Add(s.Target.Skew)), h)
	if knockedToo {
		mark = th.Accent.Render(th.Arrow) + " "
	}
	label := map[int]string{-1: "previous", 0: "now", 1: "next"}[offset]
	switch offset {
	case -1:
		style = th.Past
	case 0:
		style = th.Strong
	case 1:
		style = th.Next
	}
	ports := session.ClockHour(h)
	seq := s.Sequence(h)
	for k, port := range seq.Ports() {
		repeat := " "
		if seq.RepeatsAt(k) {
			repeat = "="
		}
		ports += " " + fmt.Sprintf("%5s", s.Port(port)) + strings.TrimRight(repeat, " ")
	}
	lead := " "
	if w < 40 {
		lead, label = "", map[int]string{0: "now"}[offset]
	}
	line := lead + mark + s.Theme.Zone(func() tea.Cmd {
		s.Offset = offset
		return s.Open(session.ToSequences)
	}, style.Render(ports))
	rest := w - ui.Cells(line)
	switch {
	case rest >= stripRoom: // where the ports lie
		line += "  " + style.Render(ui.Fit(label, 10)) + seqStrip(s, seq, rest-25)
		if offset == 0 {
			line += "  " + minutes(s.hourLeft()) + " left"
		}
	case offset == 0 && rest >= 26:
		line += "  " + style.Render(ui.Fit(label, 10)) + th.Bar(th.Accent, s.hourGone(), min(rest-20, 24)) + " " + minutes(s.hourLeft())
	case knockedToo && offset != 0 && rest >= 26:
		line += "  " + style.Render(ui.Fit(label, 10)) + th.Quiet.Render("is knocked too")
	case rest >= len(label)+1:
		line += " " + style.Render(label)
	}
	if offset == 0 && w < 60 || offset == 0 && rest >= stripRoom {
		line = th.Choose(line, w)
	}
	return line
}

// seqStrip shows where the ports of a sequence lie in the range, in w cells.
func seqStrip(s *Screen, seq knock.Sequence, w int) string {
	if s.Masked {
		return s.Theme.Faint.Render(strings.Repeat(s.Theme.Untried, w))
	}
	return s.Theme.Strip(s.Theme.Accent, session.Positions(seq, s.Target.Range), w)
}

// ms writes a span of a handshake: tenths of a millisecond below ten seconds.
func ms(d time.Duration) string {
	if d < 10*time.Second {
		return phrase.Millis(d)
	}
	return phrase.Seconds(d)
}

func minutes(d time.Duration) string {
	return fmt.Sprintf("%02d:%02d", int(d.Minutes()), int(d.Seconds())%60)
}

// logBox shows the end of the server's log.
func (s *Screen) logBox(w, h int) []string {
	return s.Theme.Box(w, h, ui.Pane{Title: "log", Lines: activity.Lines(s.Theme, s.OwnLog(h), w-3, h-2, false)})
}

// nextBox says what to do next.
func (s *Screen) nextBox(w, h int) []string {
	p := ui.Pane{Title: "next"}
	for _, n := range s.nextSteps() {
		p.Add("  " + s.Theme.Accent.Render(n[0]) + "  " + n[1])
	}
	return s.Theme.Box(w, h, p)
}

// nextSteps are keys with what they would do now.
func (s *Screen) nextSteps() (steps [][2]string) {
	add := func(key, text string) { steps = append(steps, [2]string{key, text}) }
	next := session.ClockHour(s.Hour().Add(1))
	r := s.Report
	under := s.Stage != Idle || s.WaitFor != nil
	if !s.Fix.IsZero() && !under {
		add("f", "apply "+s.Fix.String()+", and knock")
	}
	switch {
	case under:
		add("esc", "cancel")
	case s.windowLeft() > 0:
		if s.Config.SSH != nil {
			add("s", "log in now")
		}
		add("k", "knock again, for a new window")
	case r != nil && !r.Opened:
		add("d", s.whyWords())
		add("p", "probe SSH without knocking")
		add("k", "knock again")
	case r != nil:
		add("k", "knock again")
		add("p", "probe whether SSH is shut")
	default:
		add("k", "knock, then probe SSH")
		add("p", "probe SSH without knocking")
	}
	add("w", fmt.Sprintf("knock when %s begins, in %s", next, minutes(s.hourLeft())))
	add("3", "see the ports of any hour")
	add("4", "compare the clocks")
	return steps
}

// whyWords say what d shows: what a diagnosis found since the handshake, or will find.
func (s *Screen) whyWords() string {
	if v := diag.Code(s.Judged().Verdict); v != "" && !v.Works() && !s.Judged().At.Before(s.ended.Round(0)) {
		return "the verdict: " + string(v)
	}
	return "find out why SSH does not open"
}

// serverBox says what is known of the server.
func (s *Screen) serverBox(w, h int) []string {
	p := ui.Pane{Title: "server"}
	add := func(what, text string) {
		for _, l := range ui.Cut(ui.Wrap(text, w-14), 3) {
			p.Add("  " + s.Theme.Quiet.Render(ui.Fit(what, 9)) + l)
			what = ""
		}
	}
	add("address", s.Target.Addr.String())
	add("range", fmt.Sprintf("%s, %d ports", s.Target.Range, s.Target.Range.Size()))
	add("window", ui.Duration(s.Window()))
	add("skew", phrase.Offset(s.Target.Skew))
	add("secret", s.secretWords())
	if s.Report != nil && s.Report.SSH.Banner != "" {
		add("banner", s.Report.SSH.Banner)
	}
	return s.Theme.Box(w, h, p)
}
