package diagnose

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"rapport/diag/clock"
	"rapport/knock"
	"rapport/knock/phrase"
	"rapport/tui/session"
	"rapport/tui/ui"
)

// clockRow is one clock on the axis.
type clockRow struct {
	name  string
	i     clock.Interval
	words string
	vote  clock.Side // whose time it counts for; empty for none
}

// clockLines draw how far each clock is from this machine's, and in which hour.
func (s *Screen) clockLines() (out []string) {
	name, words := 13, 24
	switch {
	case s.Size.Width < ui.FramedWidth:
		name, words = 11, 13
	case s.Size.Width >= 110:
		words = 40
	}
	at := s.Report.At
	if at.IsZero() {
		at = s.began
	}
	rows, failed := s.clockRows(at)
	hour := knock.HourOf(at.Add(s.was.Skew))
	spans := []ui.Span{{Low: hour.Start().Sub(at), High: hour.End().Sub(at)}} // the hour that the client assumes for the server
	for _, r := range rows {
		spans = append(spans, ui.Span(r.i))
	}
	x := ui.NewAxis(s.Theme, s.Size.Width-name-words-2, at, spans)
	add := func(label, line, words string) {
		out = append(out, " "+ui.Fit(label, name)+line+" "+words)
	}
	above, below := "clock minus this one's", "the hour that it shows"
	if s.Size.Width < ui.FramedWidth {
		above, below = "difference", "its hour"
	}
	add("clocks", s.Theme.Quiet.Render(x.Ticks()), s.Theme.Quiet.Render(above))
	add("hour", x.Hours(), s.Theme.Quiet.Render(below))
	if !s.Size.Roomy() {
		rows = merged(x, rows, name-1)
	}
	for _, r := range rows {
		add(ui.Fit(r.name, name-1), x.Draw(r.i.Low, r.i.High), ui.Clause(r.words, words))
	}
	if len(failed) > 0 {
		label, text := inGroups(failed, s.Size.Width-name-2)
		out = append(out, " "+ui.Fit(label, name)+s.Theme.Quiet.Render(text))
	}
	return out
}

// inGroups names the sources without a reading, grouped by error, as many as fit in
// w cells; label goes before them.
func inGroups(failed []clock.Reading, w int) (label, text string) {
	slices.SortStableFunc(failed, func(r, s clock.Reading) int { return strings.Compare(r.Err.Error(), s.Err.Error()) })
	why := func(i int) string { return knock.Clean(failed[i].Err.Error(), 60) }
	label = "no reading"
	if all := why(0); all == why(len(failed)-1) && len(all) < len(label) {
		label, text = all, failed[0].Name
	} else {
		text = all + ": " + failed[0].Name
	}
	for i := 1; i < len(failed); i++ {
		more := ", " + failed[i].Name
		if why(i) != why(i-1) {
			more = "; " + why(i) + ": " + failed[i].Name
		}
		rest := ""
		if left := len(failed) - i - 1; left > 0 {
			rest = fmt.Sprintf(" +%d", left)
		}
		if ui.Cells(text+more+rest) > w {
			return label, fmt.Sprintf("%s +%d", text, len(failed)-i)
		}
		text += more
	}
	return label, text
}

// clockRows are the rows of all clocks, and the sources without a reading.
func (s *Screen) clockRows(at time.Time) (rows []clockRow, failed []clock.Reading) {
	rows = []clockRow{{name: "local", words: at.UTC().Format("15:04:05") + " here"}}
	if c := s.Report.Evidence.Clock; c != nil {
		for _, r := range inOrder(c.Sources) {
			if r.Err != nil {
				failed = append(failed, r)
				continue
			}
			words := phrase.Offset(r.Offset) + ", within " + ui.Duration(r.Uncertainty)
			name := r.Name
			if r.Of == clock.Local {
				name = "true time"
				words += ", " + r.Name
			}
			if r.Note != "" {
				words += ", " + r.Note
			}
			row := clockRow{name, r.Interval(), words, r.Of}
			if r.Outvoted {
				row.words, row.vote = "outvoted, "+words, ""
			}
			rows = append(rows, row)
		}
	}
	hour, how := knock.Hour{}, ""
	switch scan, h := s.Report.Evidence.LastScan(), s.Report.Evidence.Handshake; {
	case scan != nil && scan.Opened != nil:
		hour = scan.Opened.Hour
		if how = " opens it"; scan.Confirming {
			how = ": confirming"
		} else if !scan.Confirmed {
			how = " seems to open it"
		}
	case h != nil && h.Opened:
		hour, how = h.Hour, " opens it"
	}
	if how != "" {
		i := clock.Interval{Low: hour.Start().Sub(at), High: hour.End().Sub(at)}
		rows = append(rows, clockRow{name: clock.SourceKnock, i: i, words: session.ClockHour(hour) + how})
	}
	return rows, failed
}

// inOrder sorts readings by source: rows keep their order as readings come in.
func inOrder(all []clock.Reading) []clock.Reading {
	order := []string{clock.SourceHTTP, clock.SourceHTTPS, clock.SourceNTP, clock.SourceSMTP, clock.SourceDaytime, clock.SourceTime, clock.SourceICMP, clock.SourceKnock}
	return slices.SortedStableFunc(slices.Values(all), func(r, s clock.Reading) int {
		if r.Of == clock.Local && s.Of == clock.Local {
			return strings.Compare(r.Name, s.Name)
		}
		return cmp.Compare(slices.Index(order, r.Name), slices.Index(order, s.Name))
	})
}

// witnesses names the sources that the server's time is taken from.
func witnesses(c clock.Report) (names []string) {
	for _, r := range inOrder(c.Sources) {
		if r.Of == clock.Server && r.Err == nil && !r.Outvoted {
			names = append(names, r.Name)
		}
	}
	return names
}

// merged joins rows that look alike, as long as their names fit in room cells.
func merged(x ui.Axis, rows []clockRow, room int) (out []clockRow) {
	for _, r := range rows {
		if n := len(out) - 1; r.vote != "" && r.vote == out[n].vote && x.Draw(out[n].i.Low, out[n].i.High) == x.Draw(r.i.Low, r.i.High) {
			names := out[n].name
			if r.name != names {
				names += ", " + r.name
			}
			if len(names) <= room {
				out[n].name = names
				continue
			}
		}
		out = append(out, r)
	}
	return out
}
