// Package record draws how the last handshakes with a server ended.
package record

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"rapport/knock/hosts/history"
	"rapport/knock/phrase"
	"rapport/tui/session"
	"rapport/tui/ui"
)

// Box draws handshakes, the oldest first, with a frame, in w cells and h lines.
func Box(th ui.Theme, title string, all []history.Handshake, now time.Time, w, h int) []string {
	p := Pane(th, all, now, w-2, h-2)
	p.Title = title
	return th.Box(w, h, p)
}

const (
	aside   = 22 // cells of what stands beside the bars
	roomFor = 40 // handshakes: where so many have room with a gap between them, they get one
	widest  = 3  // cells of a bar
)

// Pane draws handshakes, the oldest first, in w cells and h lines: the time that each took
// to the banner, and which opened SSH. A few have a row each, the newest first.
func Pane(th ui.Theme, all []history.Handshake, now time.Time, w, h int) (p ui.Pane) {
	if len(all) == 0 {
		p.Add("", " "+th.Quiet.Render("no handshake yet: each one adds a bar and a mark here"))
		return p
	}
	record := history.Summarize(all)
	last := all
	if len(all) <= h && 2*widest*len(all) < w-aside {
		p.Lines = rows(th, all, record, w, h)
	} else {
		last, p.Lines = bars(th, all, record, w, h)
	}
	p.Note = fmt.Sprintf("last %d of %d, %.0f %% opened", len(last), record.Handshakes, 100*record.Share())
	for _, one := range slices.Backward(last) {
		if !one.Opened {
			p.Note += ", last shut " + session.Ago(now.Sub(one.At)) + " ago"
			break
		}
	}
	if record.Median > 0 {
		p.Foot = fmt.Sprintf("best %s, median %s, worst %s", ui.Millis(record.Best), ui.Millis(record.Median), ui.Millis(record.Worst))
	}
	return p
}

// bars draws a bar and a mark for each handshake that has room.
func bars(th ui.Theme, all []history.Handshake, record history.Record, w, h int) (last []history.Handshake, lines []string) {
	last = all[max(0, len(all)-(w-aside)):]
	each := max(1, min(widest, (w-aside)/len(last)))
	if n := (w - aside) / 2; each == 1 && n >= roomFor {
		last, each = all[max(0, len(all)-n):], 2
	}
	var values []float64
	marks := ""
	for _, one := range last {
		value, mark := one.Took, th.Open.Render(th.Dot)
		switch {
		case !one.Opened: // the mark tells it
			value, mark = math.NaN(), th.Bad.Render(th.No)
		case one.Took == 0: // it was open before
			value, mark = math.NaN(), th.Quiet.Render(th.Ring)
		}
		for range max(1, each-1) {
			values = append(values, value)
		}
		if each > 1 { // a gap
			values = append(values, math.NaN())
		}
		marks += ui.Fit(mark, each)
	}
	median := float64(record.Median) / float64(time.Millisecond)
	label := "time to banner"
	for _, l := range th.Spark(values, median, max(1, h-1)) {
		lines = append(lines, " "+ui.Fit(l, w-aside+2)+th.Quiet.Render(label))
		label = ""
	}
	return last, append(lines, " "+ui.Fit(marks, w-aside+2)+th.Quiet.Render("opened, or not"))
}

// rows draws a row for each handshake, a thick one where there is room, and above them a
// ruler if there is a line left.
func rows(th ui.Theme, all []history.Handshake, record history.Record, w, h int) (lines []string) {
	const at, mark, took, thickest = 16, 3, 10, 3
	line := ui.Timeline{Theme: th, Width: max(4, w-1-at-mark-took)}
	line.Scale(record.Worst)
	if h > len(all) && record.Worst > 0 {
		lines = append(lines, " "+ui.Fit(th.Quiet.Render("time to banner"), at+mark)+th.Faint.Render(line.Ruler()))
	}
	thick := max(1, min((h-1)/len(all)-1, thickest))
	for i, one := range slices.Backward(all) {
		sign, style, what := th.Yes, th.Open, ""
		switch {
		case !one.Opened:
			sign, style, what = th.No, th.Bad, fmt.Sprintf("%s, %s", one.State, phrase.Plural(max(1, one.Attempts), "attempt"))
		case one.Took == 0:
			sign, style, what = th.Ring, th.Quiet, "was open"
		case record.Median > 0 && one.Duration() > 2*record.Median:
			style = th.Warn
		}
		text, more := style.Render(what), ""
		if what == "" {
			bar := th.Bar(style, float64(one.Duration())/float64(line.Total), line.Width)
			text, more = bar+" "+style.Render(strings.TrimSpace(ui.Millis(one.Duration()))), ui.Fit("", 1+at+mark)+strings.ReplaceAll(bar, th.Empty, " ")
		}
		lines = append(lines, " "+th.Faint.Render(ui.Fit(one.At.UTC().Format("01-02 15:04:05"), at))+style.Render(ui.Fit(th.Mark(sign), mark))+text)
		lines = append(lines, slices.Repeat([]string{more}, thick-1)...)
		if thick > 1 && i > 0 {
			lines = append(lines, "")
		}
	}
	return lines
}
