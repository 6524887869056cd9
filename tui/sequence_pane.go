package tui

import (
	"fmt"
	"slices"
	"time"

	"github.com/charmbracelet/x/ansi"

	"rapport/knock"
)

// current returns the sequence of the server's hour.
func (s *knockScreen) current(now time.Time) knock.Sequence {
	return s.sequence(knock.HourOf(now.Add(s.target.Skew)))
}

func (s *knockScreen) sequence(h knock.Hour) knock.Sequence {
	return knock.Derive(h, s.target.Range, s.target.Secret)
}

// sequencePane shows the previous, this and the next hour's sequence one below
// the other, and how much of the hour is left.
func (a app) sequencePane(w int, framed bool) pane {
	t := a.screen.target
	serverNow := a.now.Add(t.Skew)
	hour := knock.HourOf(serverNow)
	covered := knock.HoursAt(serverNow)
	p := pane{title: "sequence", note: "range " + t.Range.String()}
	if t.Range.IsNarrow() {
		p.note += fmt.Sprintf(", narrow: %d ports", t.Range.Size())
	}
	if t.Skew != 0 {
		p.note += ", server's clock " + signed(t.Skew)
	}
	column := 6
	if framed {
		column = 8
	}
	for offset, label := range []string{"previous", "now", "next"} {
		h := hour.Add(offset - 1)
		seq := a.screen.sequence(h)
		mark := "  "
		if slices.Contains(covered, h) {
			mark = "> "
		}
		line := " " + mark + h.String()[11:] + "h"
		if framed {
			line = " " + line
		}
		line = fit(line, column+1)
		for k, port := range seq.Ports() {
			repeat := " "
			if seq.RepeatsAt(k) {
				repeat = "="
			}
			line += fit(fmt.Sprintf("%*s%s", column-1, a.screen.port(port), repeat), column)
		}
		line = line + "  " + fit(label, 10)
		switch {
		case offset == 1:
			left := hour.End().Sub(serverNow)
			line = a.theme.strong.Render(line) + a.countdown(left, time.Hour, min(w-ansi.StringWidth(line)-7, 24))
		case mark != "  ":
			line += "is knocked too"
		case offset == 0:
			line = a.theme.dim.Render(line)
		}
		p.lines = append(p.lines, line)
	}
	return p
}

// countdown draws what is left of a span as a bar, where there is room for one,
// and as minutes and seconds.
func (a app) countdown(left, of time.Duration, w int) string {
	text := fmt.Sprintf("%02d:%02d", int(left.Minutes()), int(left.Seconds())%60)
	if w < 3 {
		return text
	}
	return a.theme.accent.Render(a.theme.bar(float64(left)/float64(of), w)) + " " + text
}

func ordinals() [knock.Knocks]string { return [...]string{"1st", "2nd", "3rd", "4th", "5th"} }
