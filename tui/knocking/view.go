package knocking

import (
	"fmt"
	"slices"
	"time"

	"github.com/charmbracelet/x/ansi"

	"rapport/knock"
	"rapport/knock/phrase"
	"rapport/tui/session"
	"rapport/tui/ui"
)

// View implements [session.Screen].
func (s *Screen) View() (lines []string) {
	inner, room := s.Size.Width, s.Size.Height-2
	if s.Size.Framed() {
		inner -= 2
		room-- // an empty line above the keys
	}
	for _, p := range []ui.Pane{s.sequencePane(inner), s.handshakePane(inner), s.sshPane(inner)} {
		lines = append(lines, s.Frame(p)...)
	}
	return append(lines, s.logLines(room-len(lines))...)
}

// sequencePane shows the sequences of the previous hour, this one and the next, and
// how much of this hour is left.
func (s *Screen) sequencePane(w int) ui.Pane {
	server := s.Now.Add(s.Target.Skew)
	covered := knock.HoursAt(server)
	p := ui.Pane{Title: "sequence", Note: "range " + s.Target.Range.String()}
	if s.Target.Range.IsNarrow() {
		p.Note += fmt.Sprintf(", narrow: %d ports", s.Target.Range.Size())
	}
	if s.Target.Skew != 0 {
		p.Note += ", server's clock " + ui.Signed(s.Target.Skew)
	}
	for offset, label := range []string{"previous", "now", "next"} {
		h := s.Hour().Add(offset - 1)
		isCovered := slices.Contains(covered, h)
		line := s.sequenceLine(h, isCovered) + "  " + ui.Fit(label, 10)
		switch {
		case offset == 1:
			left := h.End().Sub(server)
			line = s.Theme.Strong.Render(line) + s.countdown(left, time.Hour, min(w-ansi.StringWidth(line)-7, 24))
		case isCovered:
			line += "is knocked too"
		case offset == 0:
			line = s.Theme.Dim.Render(line)
		}
		p.Add(line)
	}
	return p
}

// sequenceLine is an hour and its ports; isCovered says that a handshake now knocks them.
func (s *Screen) sequenceLine(h knock.Hour, isCovered bool) string {
	mark, column, indent := "  ", 6, " "
	if isCovered {
		mark = "> "
	}
	if s.Size.Framed() {
		column, indent = 8, "  "
	}
	line := ui.Fit(indent+mark+session.ClockHour(h), column+1)
	seq := s.Sequence(h)
	for k, port := range seq.Ports() {
		repeat := " "
		if seq.RepeatsAt(k) {
			repeat = "="
		}
		line += ui.Fit(fmt.Sprintf("%*s%s", column-1, s.Port(port), repeat), column)
	}
	return line
}

// countdown draws what is left of a span as minutes and seconds, after a bar where w
// has room for one.
func (s *Screen) countdown(left, of time.Duration, w int) string {
	if w < 3 {
		return minutes(left)
	}
	return s.Theme.Accent.Render(s.Theme.Bar(float64(left)/float64(of), w)) + " " + minutes(left)
}

// logLines are the last n lines of the log, oldest first. A long entry is wrapped
// below its text.
func (s *Screen) logLines(n int) (out []string) {
	const indent = 11
	for i := len(s.Log) - 1; i >= 0 && len(out) < n; i-- {
		e := s.Log[i]
		lines := ui.Cut(ui.Wrap(e.Text, s.Size.Width-indent-1), n-len(out)) // an entry without room for all of it keeps its beginning
		for j := len(lines) - 1; j >= 0; j-- {
			at := ""
			if j == 0 {
				at = e.At.UTC().Format("15:04:05")
			}
			out = append(out, " "+s.Theme.Dim.Render(ui.Fit(at, indent-3))+"  "+lines[j])
		}
	}
	slices.Reverse(out)
	return out
}

// ms writes a span of a handshake: tenths of a millisecond below ten seconds.
func ms(d time.Duration) string {
	if d < 10*time.Second {
		return phrase.Millis(d)
	}
	return phrase.Seconds(d)
}

// minutes writes a span as minutes and seconds.
func minutes(d time.Duration) string {
	return fmt.Sprintf("%02d:%02d", int(d.Minutes()), int(d.Seconds())%60)
}
