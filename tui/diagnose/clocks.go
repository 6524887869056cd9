package diagnose

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

// clockRow is one clock on the ruler.
type clockRow struct {
	ruler.Row
	vote clock.Side // whose time it counts for; empty for none
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
	all, failed := s.clockRows(at)
	r := ruler.Ruler{Theme: s.Theme, Width: w, Name: name, Words: words, At: at, Hour: knock.HourOf(at.Add(s.was.Skew))}
	plain := make([]ruler.Row, len(all))
	for i, row := range all {
		plain[i] = row.Row
	}
	x := r.Axis(plain)
	if h >= roomForAll {
		out = append(out, r.Offsets(x))
	} else {
		all = slices.DeleteFunc(all, func(r clockRow) bool { return r.vote == clock.Local || r.Name == "local" })
	}
	out = append(out, r.Hours(x))
	if len(all)+len(out) > h {
		all = merged(x, all, name-1)
	}
	for _, row := range fitting(all, h-len(out)) {
		out = append(out, r.Line(x, row.Row))
	}
	if s.Target.Addr.Addr().IsLoopback() && len(out) < h {
		out = append(out, " "+s.Theme.Quiet.Render(ui.FirstThatFits(w-2, "on loopback every clock is this machine's: none is read", "loopback: no clock is read")))
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
		if rows[i].vote == "" && rows[i].Name != clock.SourceKnock && rows[i].Name != "local" {
			rows = slices.Delete(rows, i, i+1)
		}
	}
	return rows[:max(0, min(len(rows), n))]
}

// clockWords are the clocks in words.
func (s *Screen) clockWords() (out []string) {
	if s.Report.Evidence.Clock == nil {
		return nil
	}
	rows, failed := s.clockRows(s.Report.At)
	for _, r := range rows {
		out = append(out, s.labelled(r.Name, r.Words, s.Theme.Ink)...)
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
	th := s.Theme
	rows = []clockRow{{Row: ruler.Row{Name: "local", Words: at.UTC().Format("15:04:05") + " here", Style: th.Accent}}}
	if c := s.Report.Evidence.Clock; c != nil {
		for _, r := range ruler.InOrder(c.Sources) {
			if r.Err != nil {
				failed = append(failed, r)
				continue
			}
			row := clockRow{ruler.Row{Name: r.Name, Words: phrase.Offset(r.Offset) + ", within " + ui.Duration(r.Uncertainty), Interval: r.Interval(), Style: th.Strong}, r.Of}
			if r.Of == clock.Local {
				row.Name, row.Style = "true time", th.Accent
				row.Words += ", " + r.Name
			}
			if r.Note != "" {
				row.Words += ", " + r.Note
			}
			if r.Outvoted {
				row.Words, row.Style, row.vote = "outvoted, "+row.Words, th.Faint, ""
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
		rows = append(rows, clockRow{Row: ruler.Row{Name: clock.SourceKnock, Interval: i, Words: session.ClockHour(hour) + how, Style: th.Open}})
	}
	return rows, failed
}

// witnesses names the sources that the server's time is taken from.
func witnesses(c clock.Report) (names []string) {
	for _, r := range ruler.InOrder(c.Sources) {
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
		if n < 0 || r.vote == "" || r.vote != out[n].vote || x.Draw(out[n].Interval.Low, out[n].Interval.High) != x.Draw(r.Interval.Low, r.Interval.High) {
			out, more = append(out, r), 0
			continue
		}
		switch both := out[n].Name + ", " + r.Name; {
		case r.Name == out[n].Name:
		case more == 0 && len(both) <= room:
			out[n].Name = both
		default:
			more++
			first, _, _ := strings.Cut(out[n].Name, " +")
			out[n].Name = fmt.Sprintf("%s +%d", first, more)
		}
	}
	return out
}
