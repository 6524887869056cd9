package tui

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"rapport/diag"
	"rapport/knock"
)

// clockRow is one clock on the axis.
type clockRow struct {
	name  string
	i     diag.Interval
	words string
	vote  diag.Side // that it is a vote of; empty for none
}

// clockLines draw what every source says of the clocks, as intervals on one
// axis: how far a clock is from this machine's, and in which hour.
func (a app) clockLines() (out []string) {
	name, words := 13, 24
	switch {
	case a.width < framedWidth:
		name, words = 11, 13
	case a.width >= 110:
		words = 40
	}
	d := a.diagnose
	at := d.report.At
	if at.IsZero() {
		at = d.began
	}
	rows, failed := a.clockRows(at)
	x := newAxis(a.theme, a.width-name-words-2, at, d.target.Skew, rows)
	add := func(label, line, words string) {
		out = append(out, " "+fit(label, name)+line+" "+words)
	}
	above, below := "clock minus this one's", "the hour that it shows"
	if a.width < framedWidth {
		above, below = "difference", "its hour"
	}
	add("clocks", a.theme.dim.Render(x.ticks()), a.theme.dim.Render(above))
	add("hour", x.hours(), a.theme.dim.Render(below))
	if !a.roomy() {
		rows = x.merged(rows, name-1)
	}
	for _, r := range rows {
		add(fit(r.name, name-1), x.draw(r.i), clause(r.words, words))
	}
	if len(failed) > 0 {
		label, text := inGroups(failed, a.width-name-2)
		out = append(out, " "+fit(label, name)+a.theme.dim.Render(text))
	}
	return out
}

// inGroups names the sources without a reading by what kept them from one, as
// many as have room in w cells; label stands before them.
func inGroups(failed []diag.Reading, w int) (label, text string) {
	slices.SortStableFunc(failed, func(r, s diag.Reading) int { return strings.Compare(r.Err.Error(), s.Err.Error()) })
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
		if ansi.StringWidth(text+more+rest) > w {
			return label, fmt.Sprintf("%s +%d", text, len(failed)-i)
		}
		text += more
	}
	return label, text
}

// clockRows are the rows of all clocks, and the sources without a reading.
func (a app) clockRows(at time.Time) (rows []clockRow, failed []diag.Reading) {
	d := a.diagnose
	rows = []clockRow{{name: "local", words: at.UTC().Format("15:04:05") + " here"}}
	if d.report.Clock != nil {
		for _, r := range inOrder(withoutKnock(*d.report.Clock).Sources) {
			if r.Err != nil {
				failed = append(failed, r)
				continue
			}
			words := diag.FormatOffset(r.Offset) + ", within " + about(r.Uncertainty)
			name := r.Name
			if r.Of == diag.Local {
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
	switch r := d.report; {
	case r.Scan != nil && r.Scan.Opened != nil:
		hour = r.Scan.Opened.Hour
		if how = " opens it"; r.Scan.Confirming {
			how = ": confirming"
		} else if !r.Scan.Confirmed {
			how = " seems to open it"
		}
	case r.Handshake != nil && r.Handshake.Opened:
		hour, how = r.Handshake.Hour, " opens it"
	}
	if how != "" {
		i := diag.Interval{Low: hour.Start().Sub(at), High: hour.End().Sub(at)}
		rows = append(rows, clockRow{name: diag.SourceKnock, i: i, words: clockHour(hour) + how})
	}
	return rows, failed
}

// inOrder sorts readings by source, so that they do not change places as they
// come in.
func inOrder(all []diag.Reading) []diag.Reading {
	order := []string{diag.SourceHTTP, diag.SourceHTTPS, diag.SourceNTP, diag.SourceSMTP, diag.SourceDaytime, diag.SourceTime, diag.SourceICMP, diag.SourceKnock}
	return slices.SortedStableFunc(slices.Values(all), func(r, s diag.Reading) int {
		if r.Of == diag.Local && s.Of == diag.Local {
			return strings.Compare(r.Name, s.Name)
		}
		return cmp.Compare(slices.Index(order, r.Name), slices.Index(order, s.Name))
	})
}

// withoutKnock returns what clocks say by themselves: the hour that opens the
// gate has its own row, and may be that of stale rules.
func withoutKnock(c diag.ClockReport) diag.ClockReport {
	out := diag.ClockReport{Local: c.Local}
	for _, r := range c.Sources {
		if r.Name != diag.SourceKnock {
			out.Add(r)
		}
	}
	return out
}

// witnesses names the sources that tell the server's clock.
func witnesses(c diag.ClockReport) (names []string) {
	for _, r := range inOrder(c.Sources) {
		if r.Of == diag.Server && r.Err == nil && !r.Outvoted {
			names = append(names, r.Name)
		}
	}
	return names
}

// about writes an uncertainty shortly.
func about(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	}
	return fmt.Sprintf("%.0f min", d.Minutes())
}

// clockHour names an hour as clocks do.
func clockHour(h knock.Hour) string { return h.String()[11:] + "h" }

// axis draws offsets between low and high in width cells.
type axis struct {
	theme     theme
	width     int
	at        time.Time // where the offset is zero
	low, high time.Duration
	step      time.Duration // from one tick to the next
}

// farthest is what an axis reaches at most: clocks that are off by more are
// shown to be beyond it.
const farthest = 48 * time.Hour

// newAxis scales an axis so that it has room for all rows and for the hour that
// the client takes for the server's, whose skew is known.
func newAxis(th theme, width int, at time.Time, skew time.Duration, rows []clockRow) axis {
	hour := knock.HourOf(at.Add(skew))
	x := axis{theme: th, width: max(width, 10), at: at}
	rows = append([]clockRow{{i: diag.Interval{Low: hour.Start().Sub(at), High: hour.End().Sub(at)}}}, rows...)
	for _, r := range rows {
		if r.i.Low >= -farthest && r.i.High <= farthest {
			x.low, x.high = min(x.low, r.i.Low), max(x.high, r.i.High)
		}
	}
	low, high := x.low, x.high
	for _, x.step = range []time.Duration{10 * time.Minute, 20 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour} {
		down, up := low.Truncate(x.step), high.Truncate(x.step)
		if down > low {
			down -= x.step
		}
		if up < high {
			up += x.step
		}
		x.low, x.high = down, up
		label := 6 // cells for one
		if x.step < time.Hour {
			label = 8
		}
		if int((up-down)/x.step)*label <= x.width {
			break
		}
	}
	return x
}

// cell returns where an offset is.
func (x axis) cell(d time.Duration) int {
	return int(((d-x.low)*time.Duration(x.width-1) + (x.high-x.low)/2) / (x.high - x.low))
}

// merged makes one row of those that look alike, as long as their names have
// room.
func (x axis) merged(rows []clockRow, room int) (out []clockRow) {
	for _, r := range rows {
		if n := len(out) - 1; r.vote != "" && r.vote == out[n].vote && x.draw(out[n].i) == x.draw(r.i) {
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

// ticks write the offsets.
func (x axis) ticks() string {
	line := []rune(strings.Repeat(" ", x.width))
	free := 0
	for d := x.low; d <= x.high; d += x.step {
		label := "0"
		if d != 0 {
			label = signed(d)
		}
		at := max(0, min(x.cell(d)-len(label)/2, x.width-len(label)))
		if at < free {
			continue
		}
		copy(line[at:], []rune(label))
		free = at + len(label) + 1
	}
	return string(line)
}

// boundaries returns the cells where hours begin, as many as have room, and the
// hours.
func (x axis) boundaries() (cells []int, hours []knock.Hour) {
	every := 1
	for _, every = range []int{1, 2, 3, 6, 12, 24} {
		if x.cell(x.low+time.Duration(every)*time.Hour) >= 5 {
			break
		}
	}
	for h := knock.HourOf(x.at.Add(x.low)); !h.Start().After(x.at.Add(x.high)); h = h.Add(1) {
		d := h.Start().Sub(x.at)
		if d >= x.low && h.Start().Hour()%every == 0 {
			cells, hours = append(cells, x.cell(d)), append(hours, h)
		}
	}
	return cells, hours
}

// hours write the hours between their boundaries.
func (x axis) hours() string {
	line := []rune(strings.Repeat(" ", x.width))
	cells, hours := x.boundaries()
	name := func(from, to int, h knock.Hour) {
		label := clockHour(h)
		if room := to - from - 1; room >= len(label) {
			copy(line[from+1+(room-len(label))/2:], []rune(label))
		}
	}
	for i, c := range cells {
		if i == 0 && (len(cells) == 1 || hours[1].Sub(hours[0]) == 1) {
			name(-1, c, hours[0].Add(-1))
		}
		to := x.width
		if i+1 < len(cells) {
			to = cells[i+1]
		}
		name(c, to, hours[i])
	}
	if len(cells) == 0 {
		name(-1, x.width, knock.HourOf(x.at))
	}
	for _, c := range cells {
		line[c] = []rune(x.theme.down)[0]
	}
	return string(line)
}

// draw draws an interval over the boundaries of the hours.
func (x axis) draw(i diag.Interval) string {
	line := slices.Repeat([]string{" "}, x.width)
	cells, _ := x.boundaries()
	for _, c := range cells {
		line[c] = x.theme.dim.Render(x.theme.tick)
	}
	from, to := x.cell(max(i.Low, x.low)), x.cell(min(i.High, x.high))
	strong := x.theme.strong.Render
	switch {
	case i.Low > x.high:
		line[x.width-1] = strong(">")
	case i.High < x.low:
		line[0] = strong("<")
	case to-from < 2: // the middle, so that what is known well is one cell
		line[x.cell(i.Middle())] = strong(x.theme.point)
	default:
		for c := from; c <= to; c++ {
			line[c] = strong(x.theme.inside)
		}
		line[from], line[to] = strong(x.theme.begin), strong(x.theme.end)
	}
	return strings.Join(line, "")
}
