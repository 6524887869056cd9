package sequences

import (
	"fmt"
	"slices"
	"strings"
	"time"

	qrcode "github.com/skip2/go-qrcode"

	"rapport/knock"
	"rapport/knock/phrase"
	"rapport/tui/session"
	"rapport/tui/ui"
)

// Beside says at the right of the tabs what was just done.
func (s *Screen) Beside() string { return s.notice }

// View implements [session.Screen].
func (s *Screen) View() []string {
	w, h := s.Size.Width, s.Size.Body()
	if !s.Size.Framed() {
		lines := s.rows(w, h-s.detailHeight())
		return s.over(append(lines, s.detail(w, s.detailHeight())...), w)
	}
	if s.Size.Wide() && w < 180 || !s.Size.Wide() {
		below := s.detailHeight() + 2
		list := s.Theme.Box(w, h-below, s.listPane(w-2, h-below-2))
		return s.over(append(list, s.Theme.Box(w, below, ui.Pane{Title: s.chosen().String(), Lines: s.detail(w-2, s.detailHeight())})...), w)
	}
	const right = 66
	list := s.Theme.Box(w-right, h, s.listPane(w-right-2, h-2))
	p := ui.Pane{Title: s.chosen().String(), Lines: append(s.detail(right-2, s.detailHeight()+1), "")}
	if s.step != showing { // else it lies over the list
		p.Add(centred(s.qr(right-2), right-2)...)
	}
	return s.over(ui.Beside(list, s.Theme.Box(right, h, p), w-right), w)
}

func (s *Screen) listPane(w, h int) ui.Pane {
	p := ui.Pane{Title: "sequences", Note: fmt.Sprintf("range %s, %d ports", s.Target.Range, s.Target.Range.Size()), Lines: s.rows(w, h)}
	if s.Target.Skew != 0 {
		p.Note += ", server's clock " + ui.Signed(s.Target.Skew)
	}
	p.Foot = "up, down an hour; left, right a day"
	return p
}

// over puts what is asked or shown over the list.
func (s *Screen) over(lines []string, w int) []string {
	edge := s.Theme.Accent
	switch s.step {
	case going, exporting:
		p := ui.Pane{Title: "go to", Edge: &edge, Lines: []string{" " + s.Theme.Accent.Render(">") + " " + s.input.View()}}
		bw := min(w-2, 58)
		if s.step == exporting {
			s.path.Width = bw - 7
			p.Title, p.Foot = "write the day to", "a new file, for you alone"
			p.Lines = []string{" " + s.Theme.Accent.Render(">") + " " + s.path.View()}
		}
		failure := ui.Paragraph(s.Theme.Bad, s.failure, " ", bw-3)
		p.Add(failure...)
		return ui.Overlay(lines, s.Theme.Box(bw, len(p.Lines)+2, p), w)
	case showing:
		code := s.qr(w - 4)
		bw := max(ui.Cells(code[0])+4, min(44, w-2))
		p := ui.Pane{Title: "for a phone", Edge: &edge, Foot: "esc closes"}
		p.Add(centred(code, bw-2)...)
		return ui.Overlay(lines, s.Theme.Box(bw, min(len(p.Lines)+2, len(lines)), p), w)
	}
	return lines
}

// centred puts lines of the same width in the middle of w cells.
func centred(lines []string, w int) (out []string) {
	lead := strings.Repeat(" ", max(0, (w-ui.Cells(lines[0]))/2))
	for _, l := range lines {
		out = append(out, lead+l)
	}
	return out
}

// qr draws the shell line of the chosen hour as a QR code, or its ports alone where that
// has no room; two rows of it a line.
func (s *Screen) qr(w int) []string {
	fits := func(bits [][]bool) bool { return (len(bits)+1)/2+2 <= s.Size.Body() && len(bits) <= w }
	bits := s.code.of(s.shellLine())
	if !fits(bits) {
		bits = s.short.of(s.portText())
	}
	why := ""
	switch {
	case s.Masked:
		why = "the ports are masked"
	case s.Theme.ASCII:
		why = "a QR code needs more than ASCII"
	case len(bits) == 0 || !fits(bits):
		why = "the window is too small for the QR code"
	}
	if why != "" {
		return []string{s.Theme.Quiet.Render(why)}
	}
	var out []string
	for y := 0; y < len(bits); y += 2 {
		var b strings.Builder
		for x := range bits[y] {
			// Dark modules are drawn as gaps: the paper is drawn.
			switch top, bottom := bits[y][x], y+1 < len(bits) && bits[y+1][x]; {
			case top && bottom:
				b.WriteByte(' ')
			case top:
				b.WriteString("▄")
			case bottom:
				b.WriteString("▀")
			default:
				b.WriteString("█")
			}
		}
		out = append(out, s.Theme.Paper.Render(b.String()))
	}
	return out
}

// of returns the modules of a line's code; none where it is too long for one.
func (c *code) of(line string) [][]bool {
	if c.line != line {
		c.line, c.bits = line, nil
		if made, err := qrcode.New(line, qrcode.Low); err == nil {
			c.bits = made.Bitmap()
		}
	}
	return c.bits
}

// columns say which parts of a row there is room for.
type columns struct {
	date, local, utc, when bool
	strip                  int
}

func columnsFor(w int) (c columns) {
	c.local, c.when = w >= 52, w >= 76
	c.utc, c.date = w >= 66, w >= 112
	used := 42
	for _, part := range []struct {
		on bool
		w  int
	}{{c.date, 12}, {c.local, 8}, {c.utc, 8}, {c.when, 12}} {
		if part.on {
			used += part.w
		}
	}
	if c.strip = w - used - 4; c.strip < 10 {
		c.strip = 0
	}
	return c
}

// rows draw the hours around the chosen one, with heads, in h lines.
func (s *Screen) rows(w, h int) []string {
	c, th := columnsFor(w), s.Theme
	head := "   " + ui.Fit("server", 8)
	if c.date {
		head = "   " + ui.Fit("date", 12) + ui.Fit("server", 8)
	}
	if c.utc {
		head += ui.Fit("UTC", 8)
	}
	if c.local {
		head += ui.Fit("here", 8)
	}
	head += ui.Fit("ports", 31)
	if c.when {
		head += "  " + ui.Fit("when", 10)
	}
	if c.strip > 0 {
		low, high := fmt.Sprint(s.Target.Range.Bottom()), fmt.Sprint(s.Target.Range.Top())
		head += ui.Ends(low, high, c.strip)
	}
	out := []string{th.Quiet.Render(head)}
	rows := max(1, h-1)
	first := s.Offset - rows/3
	if s.Offset >= 0 && s.Offset < rows-2 {
		first = -1
	}
	for k := first; k < first+rows; k++ {
		out = append(out, s.Theme.Zone(ui.Act(func() { s.move(k - s.Offset) }), s.row(k, c, w)))
	}
	return out
}

// row draws the hour so many after this one.
func (s *Screen) row(offset int, c columns, w int) string {
	th, h := s.Theme, s.Hour().Add(offset)
	style := th.Ink
	switch {
	case offset < 0:
		style = th.Past
	case offset == 0:
		style = th.Strong
	case offset == 1:
		style = th.Next
	case h.Start().Hour()%6 != 0 && offset > 1 && offset != s.Offset:
		style = th.Quiet
	}
	mark := "   "
	if offset == s.Offset {
		style = style.Bold(true)
		mark = " " + th.Accent.Render(th.Arrow) + " "
	}
	// When the hour begins by this machine's clock: the server's may be off.
	begins := h.Start().Add(-s.Target.Skew)
	line := ""
	if c.date {
		line += ui.Fit(h.Start().Format("Mon 01-02"), 12)
	}
	line += ui.Fit(session.ClockHour(h), 8)
	if c.utc {
		line += ui.Fit(begins.UTC().Format("15:04"), 8)
	}
	if c.local {
		line += ui.Fit(begins.In(s.Zone()).Format("15:04"), 8)
	}
	seq := s.Sequence(h)
	line = style.Render(line + s.ports(seq))
	if c.when {
		line += "  " + ui.Fit(th.Quiet.Render(when(offset)), 10)
	}
	if c.strip > 0 {
		line += s.strip(seq, style, c.strip)
	}
	line = mark + line
	if offset == s.Offset {
		return th.Choose(line, w)
	}
	return line
}

// ports writes the ports in 31 cells, with their marks.
func (s *Screen) ports(seq knock.Sequence) (out string) {
	all := seq.Ports()
	for k, p := range all {
		mark := " "
		if seq.RepeatsAt(k) {
			mark = "="
		}
		out += fmt.Sprintf("%5s%s", s.Port(p), mark)
	}
	if ascending(all[:]) {
		out = out[:len(out)-1] + "<"
	}
	return ui.Fit(out, 31)
}

func ascending(ports []uint16) bool {
	return slices.IsSortedFunc(ports, func(a, b uint16) int {
		if a < b {
			return -1
		}
		return 1
	})
}

func (s *Screen) strip(seq knock.Sequence, style ui.Style, w int) string {
	if s.Masked {
		return s.Theme.Faint.Render(strings.Repeat(s.Theme.Untried, w))
	}
	return s.Theme.Strip(style, session.Positions(seq, s.Target.Range), w)
}

// when says how far an hour is off.
func when(offset int) string {
	switch {
	case offset == 0:
		return "now"
	case offset == 1:
		return "next"
	case offset == -1:
		return "previous"
	case offset%day == 0:
		return fmt.Sprintf("%+d d", offset/day)
	case offset > 2*day || offset < -2*day:
		return fmt.Sprintf("%+d d %d h", offset/day, max(offset, -offset)%day)
	}
	return fmt.Sprintf("%+d h", offset)
}

func (s *Screen) detailHeight() int {
	switch {
	case s.Size.Tiny():
		return 1
	case !s.Size.Framed():
		return 3
	case s.Size.Roomy():
		return 6
	}
	return 4
}

// detail says what there is to know of the chosen hour in h lines of w cells. The shell
// line has two of them where h is more than the least.
func (s *Screen) detail(w, h int) []string {
	th, hour := s.Theme, s.chosen()
	begins, ends := hour.Start().Add(-s.Target.Skew), hour.End().Add(-s.Target.Skew)
	p := ui.Pane{}
	add := func(what, text string) {
		p.Add(" " + th.Quiet.Render(ui.Fit(what, 8)) + ui.Truncate(text, w-10))
	}
	here := begins.In(s.Zone())
	add("here", fmt.Sprintf("from %s to %s, %s", here.Format("Mon 2006-01-02 15:04:05"), ends.In(s.Zone()).Format("15:04:05"), here.Format("MST")))
	server := fmt.Sprintf("%s UTC", hour.Start().Format("2006-01-02 15:04"))
	if s.Target.Skew != 0 {
		server += ", its clock is " + phrase.Offset(s.Target.Skew) + " from this one"
	}
	add("server", server)
	switch left := begins.Sub(s.Now); {
	case s.Offset == 0:
		add("now", fmt.Sprintf("for another %02d:%02d", int(ends.Sub(s.Now).Minutes()), int(ends.Sub(s.Now).Seconds())%60))
	case left > 0:
		add("begins", "in "+phrase.Span(left.Round(time.Minute)))
	default:
		add("ended", phrase.Span(-ends.Sub(s.Now).Round(time.Minute))+" ago")
	}
	line := s.shellLine()
	if s.Masked {
		line = "masked"
	}
	if h > s.detailHeight() {
		lines := append(ui.Cut(ui.Wrap(line, w-10), 2), "")
		add("shell", lines[0])
		add("", lines[1])
	} else {
		add("shell", line)
	}
	add("marks", s.marks(hour))
	p.Lines = p.Lines[:min(len(p.Lines), h)]
	p.Fill(h)
	return p.Lines
}

// marks say what is unusual about a sequence.
func (s *Screen) marks(h knock.Hour) string {
	seq := s.Sequence(h)
	ports := seq.Ports()
	switch {
	case slices.ContainsFunc([]int{0, 1, 2, 3, 4}, seq.RepeatsAt):
		return "= a port occurs twice"
	case ascending(ports[:]):
		return "< the ports ascend: a scan in order would knock it"
	}
	return "none: five different ports, out of order"
}
