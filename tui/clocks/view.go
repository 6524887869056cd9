package clocks

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"rapport/diag/clock"
	"rapport/knock"
	"rapport/knock/phrase"
	"rapport/tui/ruler"
	"rapport/tui/session"
	"rapport/tui/ui"
)

// Beside says at the right of the tabs when the clocks are read again.
func (s *Screen) Beside() string {
	switch {
	case s.Job != nil:
		return "reading"
	case s.paused:
		return "paused"
	case s.read.IsZero():
		return ""
	}
	return fmt.Sprintf("read again in %2.0f s", max(0, s.next().Sub(s.Now)).Seconds())
}

// View implements [session.Screen].
func (s *Screen) View() []string {
	w, h := s.Size.Width, s.Size.Body()
	if s.Size.Tiny() {
		return s.tiny(w, h)
	}
	if !s.Size.Framed() {
		return append(s.whatIf(w, min(h-2, 7)), s.ruler(w, max(0, h-min(h-2, 7)))...)
	}
	below := 9
	if s.Size.Roomy() { // fixed: nothing moves as readings come in
		below = h - max(20, h*9/20)
		if s.loopback() { // no reading comes
			below = h - 9
		}
	}
	edge := s.Theme.Faint
	if _, bad := s.conclusion(); bad {
		edge = s.Theme.Warn
	}
	top := ui.Pane{Title: "clocks", Note: "minus this machine's", Edge: &edge, Lines: s.ruler(w-2, h-below-2)}
	out := s.Theme.Box(w, h-below, top)
	if !s.Size.Wide() {
		return append(out, s.Theme.Box(w, below, ui.Pane{Title: "what if", Note: "left, right: a minute; shift: an hour", Lines: s.whatIf(w-2, below-2)})...)
	}
	right := w * 3 / 10
	if s.loopback() {
		right = 0
	}
	whatIf := s.Theme.Box(w-right, below, ui.Pane{Title: "what if", Note: "left, right: a minute; with shift: an hour", Lines: s.whatIf(w-right-2, below-2)})
	if right == 0 {
		return append(out, whatIf...)
	}
	return append(out, ui.Beside(whatIf, s.historyBox(right, below), w-right)...)
}

// tiny draws the least in h lines of w cells: what the clocks come to, and what the
// supposed skew would mean.
func (s *Screen) tiny(w, h int) []string {
	th, skew := s.Theme, s.suppose()
	text, bad := s.conclusion()
	style := th.Strong
	if bad {
		style = th.Warn.Bold(true)
	}
	lines := ui.Cut(ui.Paragraph(style, text, " ", w-1), h-4)
	server := s.Now.Add(skew)
	hour := knock.HourOf(server)
	fails := s.failing(skew, 240)
	words := th.Open
	if slices.Contains(fails, true) {
		words = th.Bad
	}
	bar, _ := s.hourBar(skew, w-2)
	return append(lines,
		" "+th.Next.Render("skew "+signedOrZero(skew))+"  server "+server.UTC().Format("15:04:05")+", "+session.ClockHour(hour),
		" "+th.Strong.Render(s.ports(hour)),
		" "+words.Render(ui.FirstThatFits(w-2, "knocks "+failWords(fails), strings.TrimSuffix(failWords(fails), ", with the skew that is set"))),
		" "+bar)
}

// ports are those of an hour, as stars while the screens are masked.
func (s *Screen) ports(h knock.Hour) string {
	ports := s.Sequence(h).Ports()
	if s.Masked {
		return strings.TrimSuffix(strings.Repeat("***** ", knock.Knocks), " ")
	}
	return session.PortList(ports[:])
}

// ruler says what the clocks come to, and draws them, in h lines of w cells.
func (s *Screen) ruler(w, h int) []string {
	th := s.Theme
	text, bad := s.conclusion()
	style := th.Strong
	if bad {
		style = th.Warn
	}
	p := ui.Pane{}
	p.Add(ui.Cut(ui.Paragraph(style, text, " ", w-2), 2)...)
	if s.Size.Roomy() {
		p.Add("")
	}
	name, words := 11, 26
	switch {
	case w < 76:
		words = 0
	case s.Size.Wide():
		words = 36
	}
	coarse, silent := s.coarseRuler(w, name, words)
	p.Add(coarse...)
	for _, r := range s.remarks() {
		p.Add(ui.Paragraph(th.Warn, r, " ", w-2)...)
	}
	if len(silent) > 0 {
		p.Add(ui.Cut(ui.Paragraph(th.Quiet, "no reading: "+strings.Join(silent, ", "), " ", w-2), 2)...)
	}
	if fine := s.fineRuler(w, name, words); len(fine) > 0 && len(p.Lines)+len(fine) < h {
		p.Add("")
		p.Add(fine...)
	}
	return p.Lines[:min(len(p.Lines), h)]
}

// coarseRuler draws the clocks over the hours that they show, and names those without a
// reading.
func (s *Screen) coarseRuler(w, name, words int) (lines, silent []string) {
	r := ruler.Ruler{Theme: s.Theme, Width: w, Name: name, Words: words, At: s.Now, Hour: s.Hour()}
	rows, silent := s.clockRows()
	if s.report.Known && !s.Size.Framed() { // there is no room for what the sources say
		rows = slices.DeleteFunc(rows, func(row ruler.Row) bool { return row.Name != here && row.Name != agreed })
	}
	supposed := clock.Interval{Low: s.suppose(), High: s.suppose()}
	rows = append(rows, ruler.Row{Name: "what if", Interval: supposed, Style: s.Theme.Next, Words: phrase.Offset(s.suppose()) + " supposed"})
	x := r.Axis(rows)
	lines = []string{r.Offsets(x), r.Hours(x)}
	for _, row := range rows {
		lines = append(lines, r.Line(x, row))
	}
	return lines, silent
}

// fineRuler draws the readings that agree on a ruler of their own size, as bands.
func (s *Screen) fineRuler(w, name, words int) (out []string) {
	th := s.Theme
	var agreeing []clock.Reading
	low, high := time.Duration(1<<62), -time.Duration(1<<62)
	for _, r := range s.latest() {
		if r.Err == nil && !r.Outvoted && r.Of == clock.Server {
			agreeing = append(agreeing, r)
			low, high = min(low, r.Interval().Low), max(high, r.Interval().High)
		}
	}
	cells := w - name - words - 3
	if len(agreeing) == 0 || !s.report.Known || cells < 30 || high <= low {
		return nil
	}
	margin := (high - low) / 10
	low, high = low-margin, high+margin
	cell := func(d time.Duration) int {
		return int(float64(d-low) / float64(high-low) * float64(cells-1))
	}
	band := func(label string, i clock.Interval, style ui.Style, text string) {
		from, to := cell(i.Low), cell(i.High)
		line := th.Faint.Render(strings.Repeat(th.Dash, from)) + style.Render(strings.Repeat(th.Full, to-from+1)) +
			th.Faint.Render(strings.Repeat(th.Dash, cells-1-to))
		out = append(out, " "+ui.Fit(label, name)+line+"  "+th.Quiet.Render(ui.Truncate(text, words)))
	}
	ends := ui.Ends(phrase.Offset(low), phrase.Offset(high), cells)
	out = append(out, " "+ui.Fit("closer", name)+th.Quiet.Render(ends))
	for _, r := range agreeing {
		band(r.Name, r.Interval(), th.Past, ui.Duration(2*r.Uncertainty)+" wide")
	}
	band(agreed, s.report.Interval(), th.Open, ui.Duration(2*s.report.Uncertainty)+" wide")
	return out
}

// The rows of the ruler that no source has.
const here, agreed = "here", "agreed"

// clockRows are the clocks with a reading, and the names of those without.
func (s *Screen) clockRows() (rows []ruler.Row, silent []string) {
	th := s.Theme
	rows = []ruler.Row{{Name: here, Words: s.Now.UTC().Format("15:04:05 UTC"), Style: th.Accent}}
	for _, r := range s.latest() {
		if r.Err != nil {
			silent = append(silent, r.Name+" ("+knock.Clean(r.Err.Error(), 40)+")")
			continue
		}
		row := ruler.Row{Name: r.Name, Words: phrase.Offset(r.Offset) + ", within " + ui.Duration(r.Uncertainty), Interval: r.Interval(), Style: th.Strong}
		if r.Outvoted {
			row.Words, row.Style = "outvoted, "+row.Words, th.Faint
		}
		row.Words += ", " + s.ageOf(r)
		rows = append(rows, row)
	}
	if s.report.Known {
		rows = append(rows, ruler.Row{Name: agreed, Words: phrase.Offset(s.report.Skew) + ", within " + ui.Duration(s.report.Uncertainty), Interval: s.report.Interval(), Style: th.Open})
	}
	return rows, silent
}

// ageOf says how long ago a source was read.
func (s *Screen) ageOf(r clock.Reading) string {
	age := s.Now.Sub(s.sources[sourceKey{r.Of, r.Name}].at).Truncate(time.Second)
	if age <= 0 {
		return "now"
	}
	return ui.Duration(age) + " ago"
}

// failing returns for each step of an hour by this machine's clock whether a knock with
// the skew that is set fails, if the server's clock is off by skew.
func (s *Screen) failing(skew time.Duration, steps int) []bool {
	out := make([]bool, steps)
	begin := s.Now.UTC().Truncate(time.Hour)
	for i := range out {
		at := begin.Add(time.Hour * time.Duration(2*i+1) / time.Duration(2*steps))
		out[i] = !slices.Contains(knock.HoursAt(at.Add(s.Target.Skew)), knock.HourOf(at.Add(skew)))
	}
	return out
}

// whatIf says what the supposed skew would mean, in h lines of w cells.
func (s *Screen) whatIf(w, h int) []string {
	th, skew := s.Theme, s.suppose()
	server := s.Now.Add(skew)
	hour := knock.HourOf(server)
	p := ui.Pane{}
	add := func(what, text string) { p.Add(" " + th.Quiet.Render(ui.Fit(what, 10)) + ui.Truncate(text, w-12)) }
	set := ""
	if s.touched && skew != s.Target.Skew {
		set = "   " + th.Quiet.Render("set now: "+signedOrZero(s.Target.Skew))
	}
	add("skew", th.Next.Bold(true).Render(signedOrZero(skew))+set)
	add("server", fmt.Sprintf("%s, it expects the sequence of %s", server.UTC().Format("15:04:05"), session.ClockHour(hour)))
	add("ports", th.Strong.Render(s.ports(hour)))
	fails := s.failing(skew, 240)
	words := failWords(fails)
	style := th.Open
	if slices.Contains(fails, true) {
		style = th.Bad
	}
	add("knocks", style.Render(words))
	bar, labels := s.hourBar(skew, w-14)
	add("the hour", bar)
	p.Add(" " + ui.Fit("", 10) + th.Faint.Render(labels))
	switch {
	case skew == s.Target.Skew && skew == 0:
		add("to do", "nothing: both clocks are taken to agree")
	case skew == s.Target.Skew:
		add("to do", "nothing here; on the server: timedatectl set-ntp true")
	default:
		add("to do", th.Accent.Render("enter")+" sets this skew, or on the server: timedatectl set-ntp true")
	}
	if spare := h - len(p.Lines) - 2; spare > 2 {
		p.Add("")
		p.Add(s.hourByHour(skew, w, spare)...)
	}
	return p.Lines[:min(len(p.Lines), h)]
}

// hourByHour compares what the client knocks now and in the next hours with what the
// server expects then, in w cells.
func (s *Screen) hourByHour(skew time.Duration, w, rows int) []string {
	th := s.Theme
	const plain = 78 // cells of a row without the ranges
	strip := max(0, min(60, w-plain))
	head := ui.Fit("here", 6) + ui.Fit("this client knocks", 34) + "  " + ui.Fit("the server expects", 35)
	if strip >= 20 {
		head += "and where those lie in " + s.Target.Range.String()
	}
	out := []string{" " + th.Faint.Render(ui.Truncate(head, w-2))}
	ports := func(h knock.Hour) string {
		text := session.ClockHour(h)
		for _, p := range s.Sequence(h).Ports() {
			text += " " + s.Port(p)
		}
		return text
	}
	for i := range rows - 1 {
		at := s.Now.Add(time.Duration(i) * time.Hour)
		client, server := knock.HourOf(at.Add(s.Target.Skew)), knock.HourOf(at.Add(skew))
		style, sign := th.Open, th.Yes
		if client != server {
			style, sign = th.Bad, th.No
		}
		line := " " + ui.Fit(at.In(s.Zone()).Format("15:04"), 6) + ui.Fit(ports(client), 34) + style.Render(th.Mark(sign)+" "+ports(server))
		if strip >= 20 && !s.Masked {
			line = ui.Fit(line, plain-1) + th.Strip(style, session.Positions(s.Sequence(server), s.Target.Range), strip)
		}
		out = append(out, line)
	}
	return out
}

func signedOrZero(d time.Duration) string {
	if d == 0 {
		return "0"
	}
	return ui.Signed(d)
}

// failWords says when in the hour knocks fail, by this machine's clock.
func failWords(fails []bool) string {
	switch {
	case !slices.Contains(fails, true):
		return "open at every minute, with the skew that is set"
	case !slices.Contains(fails, false):
		return "fail at every minute, with the skew that is set"
	}
	stamp := func(i int) string {
		s := i * 3600 / len(fails)
		return fmt.Sprintf("%02d:%02d", s/60, s%60)
	}
	var parts []string
	for i := 0; i < len(fails); {
		j := i
		for j < len(fails) && fails[j] == fails[i] {
			j++
		}
		if fails[i] {
			parts = append(parts, stamp(i)+" to "+stamp(j))
		}
		i = j
	}
	return "fail from minute " + strings.Join(parts, ", and from ") + " of each hour"
}

// hourBar draws the hour by this machine's clock: where knocks open and where they
// fail, and the minutes below it.
func (s *Screen) hourBar(skew time.Duration, w int) (bar, labels string) {
	th := s.Theme
	w = max(w, 12)
	now := int(float64(w) * float64(s.Now.Sub(s.Now.Truncate(time.Hour))) / float64(time.Hour))
	fails := s.failing(skew, w)
	for i := 0; i < w; {
		j := i
		for j < w && fails[j] == fails[i] && (j == i || j != now && i != now) {
			j++
		}
		cell, style := th.Full, th.Open
		if fails[i] {
			cell, style = th.Untried, th.Bad
		}
		if i == now {
			cell, style = th.Point, th.Strong
		}
		bar += style.Render(strings.Repeat(cell, j-i))
		i = j
	}
	line := []rune(strings.Repeat(" ", w+2))
	for _, m := range []int{0, 15, 30, 45, 60} {
		copy(line[min(w*m/60, w-1):], []rune(fmt.Sprintf("%02d", m)))
	}
	return bar, string(line)
}
