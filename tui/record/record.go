// Package record draws how the last handshakes with a server ended.
package record

import (
	"fmt"
	"math"
	"time"

	"rapport/knock/hosts/history"
	"rapport/tui/session"
	"rapport/tui/ui"
)

// Box draws handshakes, the oldest first, in w cells and h lines: the time that each took
// to the banner, and which opened SSH.
func Box(th ui.Theme, title string, all []history.Handshake, now time.Time, w, h int) []string {
	p := ui.Pane{Title: title}
	if len(all) == 0 {
		p.Add("", " "+th.Quiet.Render("no handshake yet: each one adds a bar and a mark here"))
		return th.Box(w, h, p)
	}
	const aside, widest = 24, 3 // what stands beside the bars, and the cells of one
	record := history.Summarize(all)
	last := all[max(0, len(all)-(w-aside)):]
	each := max(1, min(widest, (w-aside)/len(last)))
	var values []float64
	marks, shut := "", ""
	for _, one := range last {
		value, mark := one.Took, th.Open.Render(th.Dot)
		switch {
		case !one.Opened: // the mark tells it
			shut = ", last shut " + session.Ago(now.Sub(one.At)) + " ago"
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
	p.Note = fmt.Sprintf("last %d of %d, %.0f %% opened%s", len(last), record.Handshakes, 100*record.Share(), shut)
	median := float64(record.Median) / float64(time.Millisecond)
	label := "time to banner"
	for _, l := range th.Spark(values, median, max(1, h-4)) {
		p.Add(" " + ui.Fit(l, w-22) + th.Quiet.Render(label))
		label = ""
	}
	p.Add(" " + ui.Fit(marks, w-22) + th.Quiet.Render("opened, or not"))
	if record.Median > 0 {
		p.Foot = fmt.Sprintf("best %s, median %s, worst %s", ui.Millis(record.Best), ui.Millis(record.Median), ui.Millis(record.Worst))
	}
	return th.Box(w, h, p)
}
