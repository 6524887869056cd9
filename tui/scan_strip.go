package tui

import (
	"fmt"
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"rapport/diag"
	"rapport/knock"
	"rapport/knock/gate"
)

// strip is hypotheses that have one thing in common, in cells of one thing more.
type strip[K comparable] struct {
	keys  []K
	cells map[K]diag.CellState
}

// newStrip sums cells up by a key. What is summed up was hit if any of it was,
// and counts as tried when its first, which is its likeliest, was.
func newStrip[K comparable](all []diag.Cell, key func(diag.Cell) K) strip[K] {
	s := strip[K]{cells: map[K]diag.CellState{}}
	for _, c := range all {
		k := key(c)
		if _, known := s.cells[k]; !known {
			s.keys, s.cells[k] = append(s.keys, k), c.State
		} else if c.State == diag.Hit {
			s.cells[k] = diag.Hit
		}
	}
	return s
}

// hit returns the key that was hit.
func (s strip[K]) hit() (k K, ok bool) {
	i := slices.IndexFunc(s.keys, func(k K) bool { return s.cells[k] == diag.Hit })
	if i < 0 {
		return k, false
	}
	return s.keys[i], true
}

// cell draws a state.
func (t theme) cell(s diag.CellState) string {
	switch s {
	case diag.Hit:
		return t.good.Render(t.full)
	case diag.Tried:
		return t.tried
	}
	return t.dim.Render(t.untried)
}

// draw draws cells in order, the client's own in brackets.
func draw[K comparable](t theme, s strip[K], own K) string {
	var b strings.Builder
	for _, k := range s.keys {
		if k == own {
			b.WriteString("[" + t.cell(s.cells[k]) + "]")
		} else {
			b.WriteString(t.cell(s.cells[k]))
		}
	}
	return b.String()
}

// scanLines draw the scan as a strip of hours from the past to the future, and
// one each of ranges and forms of the secret.
func (a app) scanLines() []string {
	d, th := a.diagnose, a.theme
	cells := d.planned
	if d.report.Scan != nil {
		cells = d.report.Scan.Cells
	}
	if len(cells) == 0 {
		return []string{"", ""}
	}
	label := 13
	if a.width < framedWidth {
		label = 8
	}
	past, future, far := a.hourStrips(cells)
	out := []string{" " + fit("hours", label) + past}
	// The rest goes below where it has no room.
	then := func(gap, more string) {
		if last := &out[len(out)-1]; ansi.StringWidth(*last+gap+more) <= a.width {
			*last += gap + more
		} else {
			out = append(out, " "+fit("", label)+more)
		}
	}
	if future != "" {
		then("", future)
	}
	if far != "" {
		then("  ", far)
	}
	switch {
	case d.future == 0 && future == "":
		then("  ", th.dim.Render("future not tried (F to try)"))
	case d.future == 0: // the hours that a clock told of were
		if note := "  others not tried (F)"; ansi.StringWidth(out[0]+note) <= a.width {
			out[0] += th.dim.Render(note)
		}
	}
	ranges := newStrip(cells, func(c diag.Cell) knock.Range { return c.Range })
	forms := newStrip(cells, func(c diag.Cell) gate.Variant { return c.Variant })
	line := " " + fit("ranges", label) + draw(th, ranges, d.target.Range)
	if r, ok := ranges.hit(); ok && r != d.target.Range {
		line += " " + r.String()
	}
	line += "   secret " + draw(th, forms, gate.AsGiven)
	if v, ok := forms.hit(); ok && v != gate.AsGiven {
		line += " " + v.Words()
	}
	return append(out, ends(line, th.dim.Render(th.full+" hit  "+th.tried+" tried  "+th.untried+" not yet "), a.width))
}

// hourStrips draw the hours up to the client's and those after it; far are the
// ones that only a clock that is off by days would have.
func (a app) hourStrips(cells []diag.Cell) (past, future, far string) {
	th, last := a.theme, a.diagnose.future
	hours := newStrip(cells, func(c diag.Cell) int { return c.Offset })
	slices.Sort(hours.keys)
	beyond := 0
	for _, k := range hours.keys {
		switch {
		case k < -diag.DefaultPast || k > futureHours:
			far += th.cell(hours.cells[k])
		case k > last:
			last, beyond = k, k
		}
	}
	if far != "" {
		far = "far off " + far
	}
	at := func(k int) string {
		if s, planned := hours.cells[k]; planned {
			return th.cell(s)
		}
		return " "
	}
	past = fmt.Sprintf("-%dh ", diag.DefaultPast)
	for k := -diag.DefaultPast; k < 0; k++ {
		past += at(k)
	}
	past += "[" + at(0) + "]"
	if last == 0 && beyond == 0 {
		return past, "", far
	}
	for k := 1; k <= last; k++ {
		future += at(k)
	}
	return past, future + fmt.Sprintf(" +%dh", last), far
}

// scanInShort says in a few words what a scan came to.
func scanInShort(r diag.ScanReport, t knock.Target, running bool) string {
	if r.Opened == nil {
		switch {
		case r.Stopped != "":
			return r.Stopped
		case running:
			return "trying"
		}
		return fmt.Sprintf("none of %d opens it", r.Hypotheses)
	}
	what := clockHour(r.Opened.Hour)
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
