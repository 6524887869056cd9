// Package ruler draws clocks one below the other, each as the interval of its offsets from
// this machine's clock, over the hours in which they lie.
package ruler

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"rapport/diag/clock"
	"rapport/knock"
	"rapport/tui/session"
	"rapport/tui/ui"
)

// Row is one clock, and what is said of it.
type Row struct {
	Name, Words string
	Interval    clock.Interval
	Style       ui.Style
}

// Ruler is the room for the rows, and the time that they are compared at.
type Ruler struct {
	Theme ui.Theme
	// Width is that of a line in cells, of which Name and Words go to the name of a clock
	// and what is said of it.
	Width, Name, Words int
	At                 time.Time  // by this machine's clock, where the offset is zero
	Hour               knock.Hour // that the client assumes for the server; it stands out
}

// Axis returns the axis with room for the rows and for the client's hour.
func (r Ruler) Axis(rows []Row) ui.Axis {
	spans := []ui.Span{{Low: r.Hour.Start().Sub(r.At), High: r.Hour.End().Sub(r.At)}}
	for _, row := range rows {
		spans = append(spans, ui.Span(row.Interval))
	}
	return ui.NewAxis(r.Theme, r.Width-r.Name-r.Words-3, r.At, spans)
}

// Offsets draws the line of offsets.
func (r Ruler) Offsets(x ui.Axis) string {
	return r.line("difference", r.Theme.Quiet.Render(x.Ticks()), "")
}

// Hours draws the line of hours.
func (r Ruler) Hours(x ui.Axis) string {
	ours := session.ClockHour(r.Hour)
	return r.line("hour", strings.Replace(x.Hours(), ours, r.Theme.Accent.Render(ours), 1), "")
}

// Line draws one clock.
func (r Ruler) Line(x ui.Axis, row Row) string {
	return r.line(row.Name, row.Style.Render(ansi.Strip(x.Draw(row.Interval.Low, row.Interval.High))), row.Words)
}

func (r Ruler) line(label, line, words string) string {
	return " " + r.Theme.Quiet.Render(ui.Fit(ui.Truncate(label, r.Name-1), r.Name)) + line + " " + r.Theme.Quiet.Render(ui.Clause(words, r.Words))
}

// InOrder sorts readings by source, this machine's first, so that rows keep their order as
// readings come in.
func InOrder(all []clock.Reading) []clock.Reading {
	order := []string{clock.SourceHTTP, clock.SourceHTTPS, clock.SourceNTP, clock.SourceSMTP, clock.SourceDaytime, clock.SourceTime, clock.SourceICMP, clock.SourceKnock}
	return slices.SortedStableFunc(slices.Values(all), func(a, b clock.Reading) int {
		if a.Of != b.Of {
			return strings.Compare(string(a.Of), string(b.Of)) // local, server
		}
		return cmp.Or(cmp.Compare(slices.Index(order, a.Name), slices.Index(order, b.Name)), strings.Compare(a.Name, b.Name))
	})
}
