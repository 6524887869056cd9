package ui

import (
	"slices"
	"strings"
	"time"
)

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
		line[c] = x.theme.Dim.Render(x.theme.Tick)
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
	from := min(max(cell(begin), 0), l.Width-2)
	out := strings.Repeat(" ", from) + l.Theme.From
	if length == 0 {
		return out + l.Theme.Open
	}
	to := min(max(cell(begin+length), from+1), l.Width-1)
	return out + strings.Repeat(l.Theme.Border.Top, to-from-1) + l.Theme.To
}
