package diagnose

import (
	"fmt"
	"slices"
	"strings"

	"rapport/diag"
	"rapport/diag/scan"
	"rapport/knock"
	"rapport/knock/solve"
	"rapport/tui/ui"
)

// Heights and widths of the panes of a wide screen, in cells. They are fixed, so that
// nothing moves while a diagnosis goes on.
const (
	checksWidth = 38
	checksWider = 56 // from widest on
	widest      = 160
	clocksRows  = 13
	scanRows    = 10
	causesRows  = 7 // at least
)

// within is the screen with another size, for a pane of it.
func (s *Screen) within(w int) *Screen {
	part, sess, shared := *s, *s.Session, *s.Shared
	shared.Size.Width = w
	sess.Shared, part.Session, part.of = &shared, &sess, s
	return &part
}

// wide draws the screen in panes: the verdict, the checks beside clocks and scan, and
// the causes, which scroll.
func (s *Screen) wide() (lines []string, most int) {
	w, th := s.Size.Width, s.Theme
	card := s.card()
	edge := s.edge()
	card.Edge = &edge
	lines = s.Frame(card)
	column := checksWidth
	if w >= widest {
		column = checksWider
	}
	left := ui.Pane{Title: "checks", Lines: s.checkColumn(column - 2)}
	if d := s.spent(); d != "" {
		left.Note = d
	}
	right := w - column
	clocks := ui.Pane{Title: "clocks", Note: "minus this machine's", Lines: s.within(right - 2).clockLines()}
	heat := ui.Pane{Title: "scan", Lines: s.heatMap(right - 2), Foot: fmt.Sprintf("%s opened  %s tried  %s not tried", th.Full, th.Tried, th.Untried)}
	if r := s.Report.Evidence.LastScan(); r != nil {
		heat.Note = fmt.Sprintf("%d candidates, %d packets", r.Candidates, r.Packets)
	}
	panes := slices.Concat(th.Box(right, clocksRows, clocks), th.Box(right, scanRows, heat))
	lines = append(lines, ui.Beside(th.Box(column, len(panes), left), panes, column)...)
	room := s.Size.Body() - len(lines)
	causes := ui.Pane{Title: "causes", Note: "what the evidence leaves room for"}
	body := append(s.within(w-2).causeBars(), s.within(w-2).fullLines()...)
	if len(body) > room-2 {
		var where string
		body, where, most = s.scroll.Window(body, room-2)
		causes.Foot = where + ": tab, up, down"
	}
	causes.Lines = body
	return append(lines, th.Box(w, room, causes)...), most
}

// edge is the colour of the frame around the verdict.
func (s *Screen) edge() ui.Style {
	switch {
	case s.asking:
		return s.Theme.Warn
	case s.running():
		return s.Theme.Accent
	case s.failure != nil:
		return s.Theme.Bad
	case s.Report.Done:
		return s.tone()
	}
	return s.Theme.Faint
}

// spent says how long the diagnosis has taken.
func (s *Screen) spent() string {
	switch {
	case s.began.IsZero():
		return ""
	case s.running():
		return fmt.Sprintf("%2d s", max(0, int(s.Now.Sub(s.began).Seconds())))
	}
	return fmt.Sprintf("%.1f s", float64(s.Report.Elapsed)/1e9)
}

// progress is a bar of the checks that are done.
func (s *Screen) progress(w int) string {
	done := 0
	for _, c := range s.Report.Checks {
		if c.Status != diag.Running {
			done++
		}
	}
	return " " + s.Theme.Bar(s.Theme.Accent, float64(done)/float64(len(diag.CheckIDs())), w-1)
}

// checkColumn are the checks one below the other, and what an eavesdropper learnt.
func (s *Screen) checkColumn(w int) (out []string) {
	for _, id := range diag.CheckIDs() {
		out = append(out, " "+s.check(id, 13, w-17))
	}
	out = append(out, "")
	if r := s.Report.Evidence.LastScan(); r != nil {
		out = append(out, s.Theme.Quiet.Render(" an eavesdropper learns"))
		out = append(out, ui.Cut(ui.Paragraph(s.Theme.Ink, r.Announce, " ", w-1), 7)...)
	}
	return out
}

// heatRow is one range, or all other secrets, by the hours' offsets.
type heatRow struct {
	name  string
	cells map[int]scan.CellState
}

// heatRows group the cells of a scan. A group is a hit, or tried, if one of its cells is.
func heatRows(cells []scan.Cell) (rows []heatRow) {
	at := map[string]int{}
	for _, c := range cells {
		name := c.Range.String()
		if c.Variant != solve.AsGiven {
			name = "other secrets"
		}
		i, known := at[name]
		if !known {
			i, at[name] = len(rows), len(rows)
			rows = append(rows, heatRow{name, map[int]scan.CellState{}})
		}
		if old, seen := rows[i].cells[c.Offset]; !seen || c.State == scan.Hit || old != scan.Hit && c.State == scan.Tried {
			rows[i].cells[c.Offset] = c.State
		}
	}
	return rows
}

// heatMap draws what a scan tried: hours to the right, ranges and secret variants down.
func (s *Screen) heatMap(w int) []string {
	th := s.Theme
	cells := s.planned
	if s.Report.Evidence.LastScan() != nil {
		cells = s.Report.Evidence.LastScan().Cells
	}
	if len(cells) == 0 {
		return []string{"", " " + th.Quiet.Render("nothing tried yet")}
	}
	const label = 14
	low, high := -scan.DefaultPast, s.future
	size := max(1, min(5, (w-label-2)/(high-low+1)))
	out := []string{" " + ui.Fit("hour", label) + th.Quiet.Render(heatHead(low, high, size))}
	for _, r := range heatRows(cells) {
		line := " " + th.Quiet.Render(ui.Fit(r.name, label))
		for k := low; k <= high; k++ {
			switch r.cells[k] {
			case scan.Hit:
				line += th.Open.Render(strings.Repeat(th.Full, size))
			case scan.Tried:
				line += th.Past.Render(strings.Repeat(th.Tried, size))
			default:
				line += th.Faint.Render(strings.Repeat(th.Untried, size))
			}
		}
		out = append(out, line)
	}
	const most = scanRows - 3
	if more := len(out) - most; more > 0 {
		out = append(out[:most-1], " "+th.Quiet.Render(fmt.Sprintf("and %d more rows", more+1)))
	}
	if hit := s.hitWords(); hit != "" {
		return append(out, " "+th.Open.Render(hit))
	}
	return out
}

// heatHead names some of the hours above a heat map.
func heatHead(low, high, size int) string {
	head := []rune(strings.Repeat(" ", (high-low+1)*size+6))
	for _, k := range []int{low, low / 2, high, 0} {
		text := fmt.Sprintf("%+dh", k)
		if k == 0 {
			text = "now"
		}
		copy(head[(k-low)*size:], []rune(text))
	}
	return strings.TrimRight(string(head), " ")
}

// hitWords says what opened the gate.
func (s *Screen) hitWords() string {
	if r := s.Report.Evidence.LastScan(); r != nil && r.Opened != nil {
		return scanInShort(*r, knock.Target{Range: s.was.Range}, s.running())
	}
	return ""
}

// causeBars are the causes, the likeliest first: how likely, and the evidence.
func (s *Screen) causeBars() (out []string) {
	r, th := s.report(), s.Theme
	if !r.Done || s.running() {
		return nil
	}
	const bar, lead = 24, 34
	for i, c := range r.Causes {
		style := th.Past
		if i == 0 {
			style = s.tone()
		}
		head := fmt.Sprintf(" %5s ", percent(c.Likelihood)) + ui.Fit(th.Bar(style, c.Likelihood, bar), bar+2)
		out = append(out, head+th.Strong.Render(string(c.Code)))
		for _, e := range r.Why(c) {
			for _, l := range ui.Wrap(e, s.Size.Width-lead-1) {
				out = append(out, ui.Fit("", lead-1)+th.Quiet.Render(l))
			}
		}
	}
	out = append(out, s.portLines()...)
	if len(r.Causes) == 1 && r.Causes[0].Likelihood > surely {
		out = append(out, ui.Fit("", lead-1)+th.Quiet.Render("no other cause: none that the evidence allows"))
	}
	return out
}
