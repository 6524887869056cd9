package ui

import (
	"math"
	"slices"
	"strings"
	"time"
)

// Bar draws a bar of w cells, of which share (0 to 1) is full, to an eighth of a cell.
func (t Theme) Bar(style Style, share float64, w int) string {
	eighths := []rune(t.Eighths)
	steps := len(eighths) + 1
	n := int(min(max(share, 0), 1)*float64(max(w, 0)*steps) + 0.5)
	full := strings.Repeat(t.Full, n/steps)
	if n%steps > 0 {
		full += string(eighths[n%steps-1])
	}
	return style.Render(full) + t.Faint.Render(strings.Repeat(t.Empty, max(0, w-Cells(full))))
}

// TimeLeft draws a bar that runs out: amber in its second fifth, red in its last.
func (t Theme) TimeLeft(share float64, w int) string {
	style := t.Open
	switch {
	case share < 0.2:
		style = t.Bad
	case share < 0.4:
		style = t.Warn
	}
	return t.Bar(style, share, w)
}

// Spark draws a level for each value, from zero to the highest, in so many rows; a
// value below zero is a cross, and one that is not a number leaves its place empty. Values above twice usual are marked by their colour.
func (t Theme) Spark(values []float64, usual float64, rows int) []string {
	levels := []rune(t.Levels)
	n := len(levels)
	most := max(usual*2, 1e-9)
	for _, v := range values {
		if v > most {
			most = v
		}
	}
	out := make([]string, rows)
	for row := range rows {
		below := (rows - 1 - row) * n // levels that the rows below have
		var b strings.Builder
		for _, v := range values {
			level := min(int(v/most*float64(n*rows)), n*rows-1) - below
			style := t.Open
			if v > 2*usual && usual > 0 {
				style = t.Warn
			}
			switch {
			case math.IsNaN(v):
				b.WriteByte(' ')
			case v < 0 && below == 0:
				b.WriteString(t.Bad.Render(t.No))
			case level < 0 || v < 0:
				b.WriteByte(' ')
			default:
				b.WriteString(style.Render(string(levels[min(level, n-1)])))
			}
		}
		out[row] = b.String()
	}
	return out
}

// Strip draws a line of w cells with a mark where each position (0 to 1) lies.
func (t Theme) Strip(style Style, positions []float64, w int) string {
	line := make([]int, max(w, 1))
	for _, p := range positions {
		line[min(int(p*float64(len(line))), len(line)-1)]++
	}
	var b strings.Builder
	for i := 0; i < len(line); {
		n := i
		for n < len(line) && min(line[n], 2) == min(line[i], 2) {
			n++
		}
		switch line[i] {
		case 0:
			b.WriteString(t.Faint.Render(strings.Repeat(t.Untried, n-i)))
		case 1:
			b.WriteString(style.Render(strings.Repeat(t.Border.Left, n-i)))
		default:
			b.WriteString(style.Render(strings.Repeat(t.Full, n-i)))
		}
		i = n
	}
	return b.String()
}

// Axis draws intervals of time offsets over the hours that they lie in.
type Axis struct {
	theme     Theme
	width     int
	at        time.Time // where the offset is zero
	low, high time.Duration
	step      time.Duration // from one tick to the next
}

// Span is an interval of offsets, ends included.
type Span struct{ Low, High time.Duration }

// farthest is the largest offset on an axis; an interval beyond it is drawn as < or >.
const farthest = 48 * time.Hour

// NewAxis returns an axis of width cells (at least 10) with room for all spans up to
// two days off; at is the time of offset zero.
func NewAxis(th Theme, width int, at time.Time, spans []Span) Axis {
	x := Axis{theme: th, width: max(width, 10), at: at}
	for _, s := range spans {
		if s.Low >= -farthest && s.High <= farthest {
			x.low, x.high = min(x.low, s.Low), max(x.high, s.High)
		}
	}
	low, high := x.low, x.high
	up := func(d time.Duration) time.Duration { return (d + x.step - 1).Truncate(x.step) } // to a whole step
	for _, x.step = range []time.Duration{10 * time.Minute, 20 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour} {
		x.low, x.high = -up(-low), up(high)
		label := 6 // cells for one
		if x.step < time.Hour {
			label = 8
		}
		if int((x.high-x.low)/x.step)*label <= x.width {
			break
		}
	}
	return x
}

// cell returns where an offset is.
func (x Axis) cell(d time.Duration) int {
	return int(((d-x.low)*time.Duration(x.width-1) + (x.high-x.low)/2) / (x.high - x.low))
}

// Ticks draws the line of offsets.
func (x Axis) Ticks() string {
	line := []rune(strings.Repeat(" ", x.width))
	free := 0
	for d := x.low; d <= x.high; d += x.step {
		label := "0"
		if d != 0 {
			label = Signed(d)
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

// boundaries returns the cells where hours begin, and the hours; every second, third
// or further one where there is no room for all.
func (x Axis) boundaries() (cells []int, hours []time.Time) {
	every := 1
	for _, every = range []int{1, 2, 3, 6, 12, 24} {
		if x.cell(x.low+time.Duration(every)*time.Hour) >= 5 {
			break
		}
	}
	for h := hourOf(x.at.Add(x.low)); !h.After(x.at.Add(x.high)); h = h.Add(time.Hour) {
		d := h.Sub(x.at)
		if d >= x.low && h.Hour()%every == 0 {
			cells, hours = append(cells, x.cell(d)), append(hours, h)
		}
	}
	return cells, hours
}

// Hours draws the line of hours, with a bar where each begins.
func (x Axis) Hours() string {
	line := []rune(strings.Repeat(" ", x.width))
	cells, hours := x.boundaries()
	before := hourOf(x.at) // the hour to the left of all bars
	if len(hours) > 0 {
		before = hours[0].Add(-time.Hour)
	}
	hours = slices.Insert(hours, 0, before)
	edges := slices.Concat([]int{-1}, cells, []int{x.width})
	for i, h := range hours {
		if i == 0 && len(hours) > 2 && hours[2].Sub(hours[1]) > time.Hour {
			continue // there is more than one hour to the left
		}
		label, room := h.Format("15h"), edges[i+1]-edges[i]-1
		if room >= len(label) {
			copy(line[edges[i]+1+(room-len(label))/2:], []rune(label))
		}
	}
	for _, c := range cells {
		line[c] = []rune(x.theme.Border.Left)[0]
	}
	return string(line)
}

// Draw draws one interval, with a tick where each hour begins.
func (x Axis) Draw(low, high time.Duration) string {
	line := slices.Repeat([]string{" "}, x.width)
	cells, _ := x.boundaries()
	for _, c := range cells {
		line[c] = x.theme.Quiet.Render(x.theme.Tick)
	}
	from, to := x.cell(max(low, x.low)), x.cell(min(high, x.high))
	strong := x.theme.Strong.Render
	switch {
	case low > x.high:
		line[x.width-1] = strong(">")
	case high < x.low:
		line[0] = strong("<")
	case to-from < 2: // a narrow interval is one cell
		line[x.cell(low+(high-low)/2)] = strong(x.theme.Point)
	default:
		for c := from; c <= to; c++ {
			line[c] = strong(x.theme.Inside)
		}
		line[from], line[to] = strong(x.theme.Begin), strong(x.theme.End)
	}
	return strings.Join(line, "")
}

// hourOf returns the start of the UTC hour that t is in.
func hourOf(t time.Time) time.Time { return t.UTC().Truncate(time.Hour) }

// Timeline draws spans of time on lines of Width cells that stand for Total.
type Timeline struct {
	Theme Theme
	Width int
	Total time.Duration
}

// Scale sets Total to the first of 10, 20, 50 ms and so on that is not below last, so
// that lines change their scale seldom.
func (l *Timeline) Scale(last time.Duration) {
	for step := 10 * time.Millisecond; ; step *= 10 {
		for _, n := range []time.Duration{1, 2, 5} {
			if l.Total = n * step; l.Total >= last {
				return
			}
		}
	}
}

// Span draws a span that began at begin and took length; with length zero, one that
// has not ended.
func (l Timeline) Span(begin, length time.Duration) string {
	if l.Width < 4 || l.Total == 0 {
		return ""
	}
	cell := func(d time.Duration) int { return int(d * time.Duration(l.Width-1) / l.Total) }
	from := min(max(cell(begin), 0), l.Width-1)
	out := strings.Repeat(" ", from)
	if length == 0 {
		return out + l.Theme.Began
	}
	return out + strings.Repeat(l.Theme.Full, min(max(cell(begin+length), from), l.Width-1)-from+1)
}

// Silence draws what follows a span to the end of its line: nothing came.
func (l Timeline) Silence(span string) string {
	return l.Theme.Faint.Render(strings.Repeat(l.Theme.Dash, max(0, l.Width-Cells(span))))
}

// Ruler writes a fifth of the time at each fifth of the line: whole numbers, of any scale.
func (l Timeline) Ruler() string {
	line := []rune(strings.Repeat(" ", max(l.Width, 0)))
	free := 0 // on a short line there is no room for all
	for i := range 5 {
		label := []rune("0")
		if i > 0 {
			label = []rune(Duration(l.Total * time.Duration(i) / 5))
		}
		if at := l.Width * i / 5; at >= free && at+len(label) <= len(line) {
			copy(line[at:], label)
			free = at + len(label) + 1
		}
	}
	return string(line)
}
