package record

import (
	"fmt"
	"strings"
	"time"

	"rapport/knock/hosts/history"
	"rapport/knock/phrase"
	"rapport/tui/ui"
)

// Server is one with its handshakes, the oldest first.
type Server struct {
	Name string
	Past []history.Handshake
}

// hoursOfDay are drawn by [Day], and name are the cells of a server's name there.
const hoursOfDay, name = 24, 16

// DayWidth is the least width of [Day].
const DayWidth = name + 4 + 3*hoursOfDay

// Day draws how the handshakes with servers ended in each hour of the last day, with a
// frame, in w cells and h lines, and says where they are not all.
func Day(th ui.Theme, servers []Server, all int, now time.Time, w, h int) []string {
	this := now.UTC().Truncate(time.Hour)
	left := this.Add(time.Hour).Sub(now)
	p := ui.Pane{Title: "the last day, UTC", Note: fmt.Sprintf("next hour in %02d:%02d", int(left.Minutes()), int(left.Seconds())%60)}
	if n := min(len(servers), max(0, h-3)); n < all {
		p.Note = fmt.Sprintf("%d of %s, %s", n, phrase.Plural(all, "server"), p.Note)
	}
	cell := max(3, (w-name-4)/hoursOfDay)
	head := ui.Fit("", name)
	for k := hoursOfDay - 1; k >= 0; k-- {
		style := th.Faint
		if k == 0 {
			style = th.Accent
		}
		head += style.Render(ui.Fit(this.Add(-time.Duration(k)*time.Hour).Format("15"), cell))
	}
	p.Add(" " + head)
	for _, s := range servers[:min(len(servers), max(0, h-3))] {
		line := " " + th.Quiet.Render(ui.Fit(ui.Truncate(s.Name, name-2), name))
		for k := hoursOfDay - 1; k >= 0; k-- {
			line += dayCell(th, s.Past, this.Add(-time.Duration(k)*time.Hour), cell-1) + " "
		}
		p.Add(line)
	}
	p.Foot = fmt.Sprintf("%s opened  %s stayed shut  %s nothing", th.Full, th.No, th.Untried)
	return th.Box(w, h, p)
}

// dayCell draws how the handshakes of the hour that begins at start ended.
func dayCell(th ui.Theme, past []history.Handshake, start time.Time, w int) string {
	opened, shut := 0, 0
	for _, one := range past {
		switch {
		case one.At.Before(start) || !one.At.Before(start.Add(time.Hour)):
		case one.Opened:
			opened++
		default:
			shut++
		}
	}
	if opened+shut == 0 {
		return th.Faint.Render(strings.Repeat(th.Untried, w))
	}
	green := (w*opened + (opened+shut)/2) / (opened + shut)
	return th.Open.Render(strings.Repeat(th.Full, green)) + th.Bad.Render(strings.Repeat(th.No, w-green))
}
