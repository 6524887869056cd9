package hostlist

import (
	"fmt"
	"strings"
	"time"

	"rapport/knock"
	"rapport/knock/hosts"
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
	for _, host := range s.ofLastDay(now.Add(1-hoursOfDay).Start(), h-3) {
		line := " " + th.Quiet.Render(ui.Fit(ui.Truncate(host.Name, name-2), name))
		past := s.history(host)
		for k := 1 - hoursOfDay; k <= 0; k++ {
			line += s.dayCell(past, now.Add(k).Start(), cell-1) + " "
		}
		p.Add(line)
	}
	p.Foot = fmt.Sprintf("%s opened  %s stayed shut  %s nothing", th.Full, th.No, th.Untried)
	return th.Box(w, h, p)
}

// ofLastDay returns up to n servers of the list: where there are more, those with handshakes
// since a time, then others.
func (s *Screen) ofLastDay(since time.Time, n int) (out []hosts.Host) {
	all := s.shown()
	if len(all) <= n {
		return all
	}
	for _, busy := range []bool{true, false} {
		for _, h := range all {
			if len(out) < n && (s.lastAt(h) >= since.UnixNano()) == busy {
				out = append(out, h)
			}
		}
	}
	return out
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
