package knocking

import (
	"fmt"
	"math"
	"time"

	"rapport/knock/hosts/history"
	"rapport/tui/session"
	"rapport/tui/ui"
)

// historyBox shows how the last handshakes ended.
func (s *Screen) historyBox(w, h int) []string {
	th := s.Theme
	p := ui.Pane{Title: "history"}
	if len(s.History) == 0 {
		p.Add("", " "+th.Quiet.Render("no handshake yet: each one adds a bar and a mark here"))
		return th.Box(w, h, p)
	}
	record := history.Summarize(s.History)
	last := s.History[max(0, len(s.History)-(w-24)):]
	var values []float64
	marks, shut := "", ""
	for _, one := range last {
		if !one.Opened {
			shut = ", last shut " + session.Ago(s.Now.Sub(one.At)) + " ago"
			values = append(values, math.NaN()) // the mark below tells it
			marks += th.Bad.Render(th.No)
			continue
		}
		values = append(values, one.Took)
		marks += th.Open.Render(th.Dot)
	}
	p.Note = fmt.Sprintf("last %d of %d, %.0f %% opened%s", len(last), record.Handshakes, 100*record.Share(), shut)
	median := float64(record.Median) / float64(time.Millisecond)
	label := "time to banner"
	for _, l := range th.Spark(values, median, max(1, h-4)) {
		p.Add(" " + ui.Fit(l, w-22) + th.Quiet.Render(label))
		label = ""
	}
	p.Add(" " + ui.Fit(marks, w-22) + th.Quiet.Render("opened, or not"))
	if record.Opened > 0 {
		p.Foot = fmt.Sprintf("best %s, median %s, worst %s", short(record.Best), short(record.Median), short(record.Worst))
	}
	return th.Box(w, h, p)
}
