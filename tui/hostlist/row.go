package hostlist

import (
	"math"
	"net"
	"strconv"
	"strings"
	"time"

	"rapport/diag"
	"rapport/knock"
	"rapport/knock/hosts"
	"rapport/knock/hosts/history"
	"rapport/tui/session"
	"rapport/tui/ui"
)

// columns are the widths of a row's parts in cells; zero is left out.
type columns struct{ name, address, state, skew, spark, took, verdict, tags int }

const sparkWidth = 17 // the last handshakes, and a gap

func columnsFor(w int) columns {
	switch {
	case w >= 111:
		spare := w - 111
		return columns{name: 14 + spare/8, address: 16 + spare/2, state: 16 + spare/8, skew: 6, spark: sparkWidth, took: 8, verdict: 21, tags: 8 + spare/4}
	case w >= 76:
		return columns{name: 11 + (w-76)/3, state: 15 + (w-76)/3, skew: 5, spark: sparkWidth, took: 7, verdict: 19}
	case w >= 56:
		return columns{name: 14, state: w - 18 - sparkWidth - 7, spark: sparkWidth, took: 7}
	}
	return columns{name: 14, state: w - 18}
}

func (c columns) head() string {
	head := "    "
	for _, part := range []struct {
		width int
		name  string
	}{{c.name, "name"}, {c.address, "address"}, {c.state, "state"}, {c.skew, "skew"}, {c.spark, "last 16"}, {c.took, "banner"}, {c.verdict, "last verdict"}, {c.tags, "tags"}} {
		head += ui.Fit(ui.Truncate(part.name, part.width), part.width)
	}
	return head
}

// line draws one server: its name, its address, its state, and its last handshakes.
func (s *Screen) line(h hosts.Host, selected bool, w int) string {
	th, c := s.Theme, columnsFor(w)
	lead := " "
	if selected {
		lead = th.Accent.Render(">")
	}
	sign, words, style := s.state(h)
	mark := style.Render(th.Mark(sign))
	if s.marked[h.Name] {
		mark = th.Accent.Render("*")
	}
	name := th.Ink.Render(cell(h.Name, c.name))
	if selected {
		name = th.Strong.Render(cell(h.Name, c.name))
	}
	line := lead + ui.Fit(" "+mark, 3) + name
	if c.address > 0 {
		line += th.Quiet.Render(cell(where(h), c.address))
	}
	line += style.Render(cell(ui.FirstThatFits(c.state-1, words, strings.TrimSuffix(words, " ago")), c.state))
	if c.skew > 0 {
		line += th.Warn.Render(cell(strings.TrimPrefix(ui.Signed(h.Skew), "0s"), c.skew))
	}
	if c.spark > 0 {
		line += ui.Fit(s.progressOr(h, c.spark-1), c.spark) + ui.Fit(s.took(h), c.took)
	}
	if c.verdict > 0 {
		line += s.verdictCell(h, c.verdict)
	}
	if c.tags > 0 {
		line += th.Next.Render(cell(strings.Join(h.Tags, " "), c.tags))
	}
	if selected {
		return th.Choose(line, w)
	}
	return ui.Fit(line, w)
}

// cell is a text in exactly w cells, the last one empty.
func cell(text string, w int) string { return ui.Fit(ui.Truncate(text, w-1), w) }

func where(h hosts.Host) string { return net.JoinHostPort(h.Lookup(), strconv.Itoa(h.SSHPort)) }

// verdictOf is the last verdict on a server: of this run, or of an earlier one.
func (s *Screen) verdictOf(h hosts.Host) history.Diagnosis {
	if server := s.At(h.Name); server != nil && server.Judged().Verdict != "" {
		return server.Judged()
	}
	return s.verdicts[h.Name]
}

func (s *Screen) verdictCell(h hosts.Host, w int) string {
	v := diag.Code(s.verdictOf(h).Verdict)
	switch {
	case v == "":
		return s.Theme.Faint.Render(ui.Fit("-", w))
	case v.Works():
		return s.Theme.Open.Render(ui.Fit(string(v), w))
	}
	return s.Theme.Warn.Render(ui.Fit(string(v), w))
}

// progressOr draws the handshake under way in w cells, or the last ones.
func (s *Screen) progressOr(h hosts.Host, w int) string {
	server := s.At(h.Name)
	if server == nil {
		return s.spark(h, w)
	}
	sent, share, under := server.Progress()
	if !under {
		return s.spark(h, w)
	}
	th, line := s.Theme, ""
	for k := range knock.Knocks {
		if k < sent {
			line += th.Steps[k].Render(th.Dot)
		} else {
			line += th.Faint.Render(th.Ring)
		}
	}
	return line + " " + th.Bar(th.Accent, share, w-knock.Knocks-1)
}

// spark draws the last handshakes with a server: time to banner, or a cross.
func (s *Screen) spark(h hosts.Host, n int) string {
	all := s.history(h)
	last := all[max(0, len(all)-n):]
	var values []float64
	for _, one := range last {
		v := one.Took
		switch {
		case !one.Opened:
			v = -1
		case v == 0: // it was open before
			v = math.NaN()
		}
		values = append(values, v)
	}
	median := float64(history.Summarize(last).Median) / float64(time.Millisecond)
	return s.Theme.Faint.Render(strings.Repeat(s.Theme.Wait, n-len(last))) + s.Theme.Spark(values, median, 1)[0]
}

func (s *Screen) took(h hosts.Host) string {
	if r := history.Summarize(s.history(h)); r.Median > 0 {
		return ui.Duration(r.Median)
	}
	return s.Theme.Faint.Render("-")
}

// state is a server's state in a sign and a few words.
func (s *Screen) state(h hosts.Host) (sign, words string, style ui.Style) {
	th := s.Theme
	if server := s.At(h.Name); server != nil {
		words, tone := server.State()
		switch {
		case words == "":
		case tone == session.Good:
			return th.Dot, words, th.Open
		case tone == session.Bad:
			return th.No, words, th.Bad
		default:
			return th.Ring, words, th.Accent
		}
	}
	all := s.history(h)
	if len(all) == 0 {
		return th.Wait, "not tried", th.Quiet
	}
	last := all[len(all)-1]
	since := session.Ago(s.Now.Sub(last.At)) + " ago"
	if last.Opened {
		return th.Ring, "opened " + since, th.Ink
	}
	return th.No, strings.TrimSpace(string(last.State) + " " + since), th.Warn
}
