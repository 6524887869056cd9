package hostlist

import (
	"fmt"
	"strings"
	"time"

	"rapport/knock"
	"rapport/knock/hosts/history"
	"rapport/tui/ui"
)

const hoursOfDay = 24

// dayBox shows how the handshakes of the last day ended, by hour and server.
func (s *Screen) dayBox(w, h int) []string {
	th := s.Theme
	now := knock.HourOf(s.Now)
	p := ui.Pane{Title: "the last day, UTC", Note: fmt.Sprintf("next hour in %s", clockLeft(now.End().Sub(s.Now)))}
	const name = 16
	cell := max(3, (w-name-4)/hoursOfDay)
	head := ui.Fit("", name)
	for k := 1 - hoursOfDay; k <= 0; k++ {
		style := th.Faint
		if k == 0 {
			style = th.Accent
		}
		head += style.Render(ui.Fit(now.Add(k).Start().Format("15"), cell))
	}
	p.Add(" " + head)
	for i, host := range s.shown() {
		if i == h-4 {
			break
		}
		line := " " + th.Quiet.Render(ui.Fit(ui.Truncate(host.Name, name-2), name))
		past := s.history(host)
		for k := 1 - hoursOfDay; k <= 0; k++ {
			line += s.dayCell(past, now.Add(k).Start(), cell-1) + " "
		}
		p.Add(line)
	}
	at := float64(s.Now.Sub(now.Start())) / float64(time.Hour)
	p.Add(" " + ui.Fit(th.Quiet.Render("this hour"), name) + th.Bar(th.Accent, at, w-name-4))
	p.Foot = fmt.Sprintf("%s opened  %s stayed shut  %s nothing", th.Full, th.No, th.Untried)
	return th.Box(w, h, p)
}

// dayCell draws how the handshakes of the hour that begins at start ended.
func (s *Screen) dayCell(past []history.Handshake, start time.Time, w int) string {
	th := s.Theme
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

func clockLeft(d time.Duration) string {
	return fmt.Sprintf("%02d:%02d", int(d.Minutes()), int(d.Seconds())%60)
}
