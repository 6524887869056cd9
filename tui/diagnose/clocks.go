package diagnose

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

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

// roomForAll is the number of lines from which the clocks on this side have rows too: in
// fewer, the client's hour stands out among the hours.
const roomForAll = 6

// clockLines draw how far each clock is from this machine's, and in which hour, in at
// most h lines of w cells.
func (s *Screen) clockLines(w, h int) (out []string) {
	name, words := 12, 0
	switch {
	case w >= 100:
		words = 40
	case w >= 76:
		words = 24
	case w < 60:
		name = 9
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
	x := ui.NewAxis(s.Theme, w-name-words-3, at, spans)
	add := func(label, line, text string) {
		out = append(out, " "+s.Theme.Quiet.Render(ui.Fit(ui.Truncate(label, name-1), name))+line+" "+ui.Clause(text, words))
	}
	heads := 1
	if h >= roomForAll {
		heads = 2
		add("difference", s.Theme.Quiet.Render(x.Ticks()), "")
	} else {
		rows = slices.DeleteFunc(rows, func(r clockRow) bool { return r.vote == clock.Local || r.name == "local" })
	}
	ours := session.ClockHour(hour)
	add("hour", strings.Replace(x.Hours(), ours, s.Theme.Accent.Render(ours), 1), "")
	if len(rows)+heads > h {
		rows = merged(x, rows, name-1)
	}
	rows = fitting(rows, h-heads)
	for _, r := range rows {
		add(r.name, s.clockStyle(r).Render(ansi.Strip(x.Draw(r.i.Low, r.i.High))), r.words)
	}
	if len(failed) > 0 && len(out) < h {
		label, text := inGroups(failed, w-name-3)
		out = append(out, " "+s.Theme.Quiet.Render(ui.Fit(label+" ", max(name, ui.Cells(label)+1))+text))
	}
	return out
}

// fitting returns the rows that fit into n: the outvoted ones are left out first.
func fitting(rows []clockRow, n int) []clockRow {
	for i := len(rows) - 1; i >= 0 && len(rows) > n; i-- {
		if rows[i].vote == "" && rows[i].name != clock.SourceKnock && rows[i].name != "local" {
			rows = slices.Delete(rows, i, i+1)
		}
	}
	return rows[:max(0, min(len(rows), n))]
}

// clockStyle sets what opened the gate, this machine's clock and the outvoted ones apart.
func (s *Screen) clockStyle(r clockRow) ui.Style {
	switch {
	case r.name == clock.SourceKnock:
		return s.Theme.Open
	case r.name == "local" || r.vote == clock.Local:
		return s.Theme.Accent
	case r.vote == "":
		return s.Theme.Faint
	}
	return s.Theme.Strong
}

// clockWords are the clocks in words.
func (s *Screen) clockWords() (out []string) {
	if s.Report.Evidence.Clock == nil {
		return nil
	}
	rows, failed := s.clockRows(s.Report.At)
	for _, r := range rows {
		out = append(out, s.labelled(r.name, r.words, s.Theme.Ink)...)
	}
	if len(failed) > 0 {
		label, text := inGroups(failed, 1<<10)
		out = append(out, s.labelled(label, text, s.Theme.Quiet)...)
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

// merged joins rows that look alike, with as many of their names as fit in room cells.
func merged(x ui.Axis, rows []clockRow, room int) (out []clockRow) {
	more := 0 // names that are left out
	for _, r := range rows {
		n := len(out) - 1
		if n < 0 || r.vote == "" || r.vote != out[n].vote || x.Draw(out[n].i.Low, out[n].i.High) != x.Draw(r.i.Low, r.i.High) {
			out, more = append(out, r), 0
			continue
		}
		switch both := out[n].name + ", " + r.name; {
		case r.name == out[n].name:
		case more == 0 && len(both) <= room:
			out[n].name = both
		default:
			more++
			first, _, _ := strings.Cut(out[n].name, " +")
			out[n].name = fmt.Sprintf("%s +%d", first, more)
		}
	}
	return out
}
