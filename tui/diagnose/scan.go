package diagnose

import (
	"fmt"
	"slices"
	"strings"

	"rapport/diag/scan"
	"rapport/knock"
	"rapport/knock/solve"
	"rapport/tui/session"
	"rapport/tui/ui"
)

// strip is a row of cells, each for all candidates with one hour, range or variant.
type strip[K comparable] struct {
	keys  []K
	cells map[K]scan.CellState
}

// newStrip groups cells by a key. A group is a hit if one of its cells is, and has
// else the state of its first, the likeliest.
func newStrip[K comparable](all []scan.Cell, key func(scan.Cell) K) strip[K] {
	s := strip[K]{cells: map[K]scan.CellState{}}
	for _, c := range all {
		k := key(c)
		if _, known := s.cells[k]; !known {
			s.keys, s.cells[k] = append(s.keys, k), c.State
		} else if c.State == scan.Hit {
			s.cells[k] = scan.Hit
		}
	}
	return s
}

// hit returns the key that was hit, or own.
func (s strip[K]) hit(own K) K {
	if i := slices.IndexFunc(s.keys, func(k K) bool { return s.cells[k] == scan.Hit }); i >= 0 {
		return s.keys[i]
	}
	return own
}

func cell(t ui.Theme, s scan.CellState) string {
	switch s {
	case scan.Hit:
		return t.Open.Render(t.Full)
	case scan.Tried:
		return t.Tried
	}
	return t.Quiet.Render(t.Untried)
}

// draw draws a strip, with the client's own cell in brackets.
func draw[K comparable](t ui.Theme, s strip[K], own K) string {
	var b strings.Builder
	for _, k := range s.keys {
		if k == own {
			b.WriteString("[" + cell(t, s.cells[k]) + "]")
		} else {
			b.WriteString(cell(t, s.cells[k]))
		}
	}
	return b.String()
}

// scanLines draw the scan as strips of hours, of ranges and of secret variants.
func (s *Screen) scanLines() []string {
	th := s.Theme
	cells := s.planned
	if scan := s.Report.Evidence.LastScan(); scan != nil {
		cells = scan.Cells
	}
	if len(cells) == 0 {
		return []string{"", ""}
	}
	label := 13
	if s.Size.Width < ui.FramedWidth {
		label = 8
	}
	past, future, far := s.hourStrips(cells)
	out := []string{" " + ui.Fit("hours", label) + past}
	// then appends to the last line, or begins another where that has no room.
	then := func(gap, more string) {
		if last := &out[len(out)-1]; ui.Cells(*last+gap+more) <= s.Size.Width {
			*last += gap + more
		} else {
			out = append(out, " "+ui.Fit("", label)+more)
		}
	}
	if future != "" {
		then("", future)
	}
	if far != "" {
		then("  ", far)
	}
	switch {
	case s.future == 0 && future == "":
		then("  ", th.Quiet.Render("future not tried (F to try)"))
	case s.future == 0: // the hours that a clock pointed to were tried
		if note := "  others not tried (F)"; ui.Cells(out[0]+note) <= s.Size.Width {
			out[0] += th.Quiet.Render(note)
		}
	}
	ranges := newStrip(cells, s.rangeOf)
	variants := newStrip(cells, func(c scan.Cell) solve.Variant { return c.Variant })
	line := " " + ui.Fit("ranges", label) + draw(th, ranges, s.was.Range)
	if r := ranges.hit(s.was.Range); r != s.was.Range {
		line += " " + r.String()
	}
	line += "   secret " + draw(th, variants, solve.AsGiven)
	if v := variants.hit(solve.AsGiven); v != solve.AsGiven {
		line += " " + v.Words()
	}
	return append(out, ui.Ends(line, th.Quiet.Render(th.Full+" hit  "+th.Tried+" tried  "+th.Untried+" not yet "), s.Size.Width))
}

// rangeOf is the range of a candidate, and the zero Range for all that are unlike the
// client's: those have one cell, unless one opens the gate.
func (s *Screen) rangeOf(c scan.Cell) knock.Range {
	bottom, top := c.Range.Bottom()-s.was.Range.Bottom(), c.Range.Top()-s.was.Range.Top()
	if c.State != scan.Hit && (max(bottom, -bottom) > 1 || max(top, -top) > 1) {
		return knock.Range{}
	}
	return c.Range
}

// hourStrips draw the hours up to the client's, those after it, and those that are
// further off than a scan tries without a clock that points to them.
func (s *Screen) hourStrips(cells []scan.Cell) (past, future, far string) {
	th, last := s.Theme, s.future
	hours := newStrip(cells, func(c scan.Cell) int { return c.Offset })
	slices.Sort(hours.keys)
	for _, k := range hours.keys {
		switch {
		case k < -scan.DefaultPast || k > futureHours:
			far += cell(th, hours.cells[k])
		case k > last:
			last = k
		}
	}
	if far != "" {
		far = "far off " + far
	}
	at := func(k int) string {
		if s, planned := hours.cells[k]; planned {
			return cell(th, s)
		}
		return " "
	}
	past = fmt.Sprintf("-%dh ", scan.DefaultPast)
	for k := -scan.DefaultPast; k < 0; k++ {
		past += at(k)
	}
	past += "[" + at(0) + "]"
	if last == 0 {
		return past, "", far
	}
	for k := 1; k <= last; k++ {
		future += at(k)
	}
	return past, future + fmt.Sprintf(" +%dh", last), far
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
