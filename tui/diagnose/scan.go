package diagnose

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"rapport/diag/scan"
	"rapport/knock"
	"rapport/knock/phrase"
	"rapport/knock/solve"
	"rapport/tui/session"
	"rapport/tui/ui"
)

// heatRow is one or more ranges, or all other secrets, by the hours' offsets.
type heatRow struct {
	name  string
	cells map[int]scan.CellState
}

// add marks an hour of the row: as a hit, or as tried, if one of its candidates is.
func (r heatRow) add(offset int, state scan.CellState) {
	if old, seen := r.cells[offset]; !seen || state == scan.Hit || old != scan.Hit && state == scan.Tried {
		r.cells[offset] = state
	}
}

// heatRows group the cells of a scan into at most n rows: the client's own range, those
// that open or are likely, the other ranges, and the other secrets.
func heatRows(cells []scan.Cell, own knock.Range, n int) (rows []heatRow) {
	var ranges []knock.Range // the client's, those that were hit, then as they are tried
	open := map[knock.Range]bool{own: true}
	for _, c := range cells {
		if c.Variant == solve.AsGiven && !slices.Contains(ranges, c.Range) {
			ranges = append(ranges, c.Range)
		}
		if c.State == scan.Hit {
			open[c.Range] = true
		}
	}
	slices.SortStableFunc(ranges, func(a, b knock.Range) int { return rank(b, own, open) - rank(a, own, open) })
	named, together := len(ranges), false
	if n < named+1 {
		named = min(named, max(1, n-2))
		if n == named+2 && len(open) > named { // what opens has a row of its own, rather than the other secrets
			named, together = named+1, true
		}
	}
	for _, r := range ranges[:min(named, len(ranges))] {
		rows = append(rows, heatRow{r.String(), map[int]scan.CellState{}})
	}
	others := heatRow{fmt.Sprintf("%d others", len(ranges)-named), map[int]scan.CellState{}}
	secrets := heatRow{"secrets", map[int]scan.CellState{}}
	if together {
		others.name = "others"
		secrets = others
	}
	for _, c := range cells {
		switch i := slices.Index(ranges, c.Range); {
		case c.Variant != solve.AsGiven:
			secrets.add(c.Offset, c.State)
		case i >= named:
			others.add(c.Offset, c.State)
		default:
			rows[i].add(c.Offset, c.State)
		}
	}
	if len(ranges) > named && !together {
		rows = append(rows, others)
	}
	return append(rows, secrets)[:min(n, len(rows)+1)]
}

// rank orders ranges: the client's own first, then those that were hit.
func rank(r, own knock.Range, open map[knock.Range]bool) int {
	switch {
	case r == own:
		return 2
	case open[r]:
		return 1
	}
	return 0
}

// cells are those of the scan, or of the one that is planned.
func (s *Screen) cells() []scan.Cell {
	if r := s.Report.Evidence.LastScan(); r != nil {
		return r.Cells
	}
	return s.planned
}

// heatColumn is one or more hours beside each other, by their offsets.
type heatColumn struct{ from, to int }

// heatColumns are as many as fit in w cells, with those further off than a scan tries
// without a clock at the ends; size is the width of each.
func (s *Screen) heatColumns(w int) (all []heatColumn, size int) {
	low, high := -scan.DefaultPast, s.future
	before, after := false, false
	for _, c := range s.cells() {
		before = before || c.Offset < low
		if c.Offset > high && c.Offset <= futureHours { // a clock pointed there
			high = c.Offset
		}
		after = after || c.Offset > futureHours
	}
	n := high - low + 1
	if before || after {
		w -= 2
	}
	w = max(w, 1)
	each := (n + w - 1) / w // hours in a column
	size = max(1, min(5, w/((n+each-1)/each)))
	if before {
		all = append(all, heatColumn{math.MinInt, low - 1})
	}
	for k := low; k <= high; k += each {
		all = append(all, heatColumn{k, min(k+each-1, high)})
	}
	if after {
		all = append(all, heatColumn{futureHours + 1, math.MaxInt})
	}
	return all, size
}

// heatMap draws what a scan tried, or would, in at most h lines of w cells: hours to the
// right, ranges and secret variants down; label is the width of their names.
func (s *Screen) heatMap(w, h, label int) []string {
	th := s.Theme
	cells := s.cells()
	if len(cells) == 0 {
		return []string{"", " " + th.Quiet.Render("nothing tried yet")}
	}
	columns, size := s.heatColumns(w - label - 1)
	out := []string{" " + ui.Fit(th.Quiet.Render("hour"), label) + s.heatHead(columns, size)}
	for _, r := range heatRows(cells, s.was.Range, h-1) {
		out = append(out, " "+th.Quiet.Render(ui.Fit(ui.Truncate(r.name, label-1), label))+s.heatLine(r, columns, size))
	}
	return out
}

// heatLine draws one row of a heat map.
func (s *Screen) heatLine(r heatRow, columns []heatColumn, size int) (line string) {
	th := s.Theme
	for _, c := range columns {
		switch r.state(c) {
		case scan.Hit:
			line += th.Open.Render(strings.Repeat(th.Full, size))
		case scan.Tried:
			line += th.Past.Render(strings.Repeat(th.Tried, size))
		default:
			line += th.Faint.Render(strings.Repeat(th.Untried, size))
		}
	}
	return line
}

// state is that of all hours of a column.
func (r heatRow) state(c heatColumn) (best scan.CellState) {
	best = scan.Waiting
	for k, state := range r.cells {
		if k >= c.from && k <= c.to && (best == scan.Waiting || state == scan.Hit) {
			best = state
		}
	}
	return best
}

// heatHead names some of the hours above a heat map: the one that opened the gate first.
func (s *Screen) heatHead(columns []heatColumn, size int) string {
	head := []rune(strings.Repeat(" ", len(columns)*size+5))
	first, last := columns[0], columns[len(columns)-1]
	marks := []int{0, max(first.from, -scan.DefaultPast), min(last.to, futureHours)}
	hit := ""
	if r := s.Report.Evidence.LastScan(); r != nil && r.Opened != nil && r.Opened.Offset != 0 {
		marks = slices.Insert(marks, 0, r.Opened.Offset)
		hit = fmt.Sprintf("%+dh", r.Opened.Offset)
	}
	for _, k := range marks {
		text := fmt.Sprintf("%+dh", k)
		if k == 0 {
			text = "now"
		}
		at := size * max(0, slices.IndexFunc(columns, func(c heatColumn) bool { return c.from <= k && k <= c.to }))
		room := head[max(0, at-1):min(len(head), at+len(text)+1)]
		if strings.TrimSpace(string(room)) == "" {
			copy(head[at:], []rune(text))
		}
	}
	before, after, _ := strings.Cut(strings.TrimRight(string(head), " "), hit)
	return s.Theme.Quiet.Render(before) + s.Theme.Open.Render(hit) + s.Theme.Quiet.Render(after)
}

// scanNote says in at most w cells how many candidates were tried, and that future hours
// were not.
func (s *Screen) scanNote(w int) string {
	const untried = "future not tried"
	r := s.Report.Evidence.LastScan()
	ahead := slices.ContainsFunc(s.cells(), func(c scan.Cell) bool { return c.Offset > 0 && c.Offset <= futureHours })
	switch future := s.future > 0 || ahead || len(s.cells()) == 0; {
	case r == nil && future:
		return ""
	case r == nil:
		return untried + " (F)"
	case future:
		return fmt.Sprintf("%d of %s", r.Tried(), phrase.Plural(r.Candidates, "candidate"))
	}
	tried := fmt.Sprintf("%d of %d", r.Tried(), r.Candidates)
	return ui.FirstThatFits(w, tried+" candidates, "+untried+" (F)", tried+", "+untried+" (F)", tried+", "+untried)
}

// hourStrips draw the hours that a scan tried with the client's own range and secret, and
// with all others, each in one line of w cells.
func (s *Screen) hourStrips(w int) []string {
	th := s.Theme
	if len(s.cells()) == 0 {
		return []string{"", ""}
	}
	words := "now"
	if hit := s.hitHour(); hit != "" {
		words = hit + " opens"
	}
	columns, _ := s.heatColumns(w - 18)
	rows := heatRows(s.cells(), s.was.Range, 1)
	rows = append(rows, heatRow{"others", map[int]scan.CellState{}})
	for _, c := range s.cells() {
		if c.Range != s.was.Range || c.Variant != solve.AsGiven {
			rows[1].add(c.Offset, c.State)
		}
	}
	return []string{
		" " + th.Quiet.Render("hours  ") + s.heatLine(rows[0], columns, 1) + " " + th.Quiet.Render(words),
		" " + th.Quiet.Render("others ") + s.heatLine(rows[1], columns, 1) + " " + th.Quiet.Render(ui.FirstThatFits(w-10-len(columns), "other ranges and secrets", "")),
	}
}

// hitHour is the hour that opened the gate, if one did.
func (s *Screen) hitHour() string {
	if r := s.Report.Evidence.LastScan(); r != nil && r.Opened != nil {
		return session.ClockHour(r.Opened.Hour)
	}
	return ""
}

// learnt says until when an eavesdropper can use what was sent.
func (s *Screen) learnt() string {
	var last knock.Hour
	if h := s.Report.Evidence.Handshake; h != nil {
		last = h.Hour
	}
	for _, c := range s.cells() {
		if c.State != scan.Waiting && c.Hour.Sub(last) > 0 {
			last = c.Hour
		}
	}
	if last == (knock.Hour{}) {
		return ""
	}
	return "an eavesdropper can use it until " + session.ClockHour(last.Add(1))
}

// sent says what a scan sends, or sent once the diagnosis has ended.
func (s *Screen) sent(r scan.Report) string {
	if s.running() {
		return r.Announce
	}
	return r.Sent()
}

// scanInShort says in a few words how a scan went.
func scanInShort(r scan.Report, t knock.Target, running bool) string {
	switch {
	case r.Opened != nil:
	case !r.Stopped.IsZero():
		return r.Stopped.String()
	case running:
		return "trying"
	default:
		return fmt.Sprintf("none of %d opens it", r.Candidates)
	}
	what := session.ClockHour(r.Opened.Hour)
	if r.Opened.Range != t.Range {
		what += ", " + r.Opened.Range.String()
	}
	switch {
	case r.Confirming:
		return what + " opens: confirming"
	case !r.Confirmed:
		return what + " seemed to open it"
	}
	return what + " opens it"
}
