package clocks

import (
	"fmt"
	"slices"
	"time"

	"rapport/diag/clock"
	"rapport/knock/hosts/history"
	"rapport/knock/phrase"
	"rapport/tui/session"
	"rapport/tui/ui"
)

const (
	mostKept  = 500              // points of the history
	keepEvery = 5 * time.Minute  // at least between two that are stored, unless the clock was set
	sleepGap  = 20 * time.Second // between two beats: this machine was suspended
	setBack   = -2 * time.Second // between two beats: this machine's clock was set back
	soon      = 10 * time.Minute // how long either is said
	aDay      = 24 * time.Hour
)

// point is what the readings of all sources came to.
type point struct {
	at   time.Time
	skew clock.Interval
}

// apart returns how far two points are apart at least; zero where they may be the same.
func (p point) apart(q point) time.Duration {
	switch {
	case q.skew.Low > p.skew.High:
		return q.skew.Low - p.skew.High
	case q.skew.High < p.skew.Low:
		return q.skew.High - p.skew.Low
	}
	return 0
}

// load reads the history of earlier runs, once.
func (s *Screen) load() {
	if s.loaded || s.Config.HistoryPath == "" {
		return
	}
	s.loaded = true
	ms := func(f float64) time.Duration { return time.Duration(f * float64(time.Millisecond)) }
	for _, o := range history.LoadOffsets(s.Config.HistoryPath)[s.Host.Identity()] {
		s.history = append(s.history, point{o.At, clock.Interval{Low: ms(o.Low), High: ms(o.High)}})
	}
	s.history = s.history[max(0, len(s.history)-mostKept):]
	if len(s.history) > 0 {
		s.stored = s.history[len(s.history)-1]
	}
}

// record adds a point to the history, and stores it where it says something new.
func (s *Screen) record(skew clock.Interval) {
	p := point{s.Now.Round(0), skew}
	s.history = append(s.history, p)
	s.history = s.history[max(0, len(s.history)-mostKept):]
	if s.Config.HistoryPath == "" || p.at.Sub(s.stored.at).Abs() < keepEvery && s.stored.apart(p).Abs() < time.Second {
		return
	}
	s.stored = p
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	if err := history.SaveOffset(s.Config.HistoryPath, history.Offset{Host: s.Host.Identity(), At: p.at.UTC(), Low: ms(skew.Low), High: ms(skew.High)}); err != nil {
		s.Note("%v", err)
	}
}

// watchBeats sees by two beats that this machine slept, or that its clock was set back:
// what was read before says nothing then.
func (s *Screen) watchBeats() {
	gap := s.Now.Round(0).Sub(s.beat.Round(0))
	if !s.beat.IsZero() && (gap > sleepGap || gap < setBack) {
		s.slept, s.woke = gap, s.Now
		s.sources, s.report, s.read = nil, clock.Report{}, time.Time{}
	}
	s.beat = s.Now
}

// remarks say what kind of clock a server with such a history has, and what happened to
// this machine.
func (s *Screen) remarks() (out []string) {
	switch {
	case s.Now.Sub(s.woke) > soon:
	case s.slept > 0:
		out = append(out, fmt.Sprintf("this machine slept for %s: all clocks are read anew", phrase.Span(s.slept.Round(time.Second))))
	case s.slept < 0:
		out = append(out, fmt.Sprintf("this machine's clock was set back by %s: all clocks are read anew", phrase.Span(-s.slept.Round(time.Second))))
	}
	if text := course(s.history, s.Now); text != "" {
		out = append(out, text)
	}
	if s.report.Known {
		half := s.report.Skew.Round(30 * time.Minute)
		if half != 0 && (s.report.Skew-half).Abs() < nearAZone {
			zone := "whole hours"
			if half%time.Hour != 0 {
				zone = "a half-hour zone"
			}
			out = append(out, fmt.Sprintf("%s off, %s: its local time is probably kept as UTC", ui.Signed(half), zone))
		}
	}
	return out
}

// course says how the offset went: that the clock drifts, and by how much a day, or when it
// was set; empty if it stays.
func course(history []point, now time.Time) string {
	const set, steady = time.Second, 3 // a step is a clock that was set; points before a drift is seen
	since := 0
	var step time.Duration
	for i := 1; i < len(history); i++ {
		// A drift of a thousandth is more than any quartz has.
		if d := history[i-1].apart(history[i]); d.Abs() > set+history[i].at.Sub(history[i-1].at).Abs()/1000 {
			since, step = i, history[i].skew.Middle()-history[i-1].skew.Middle()
		}
	}
	recent := history[since:]
	if n := len(recent); n >= steady {
		first, last := recent[0], recent[n-1]
		if span := last.at.Sub(first.at); first.apart(last) != 0 && span > 0 {
			moved := last.skew.Middle() - first.skew.Middle()
			aDay := time.Duration(float64(moved) / float64(span) * float64(aDay))
			return fmt.Sprintf("it drifts: %s in %s, %s a day", phrase.Offset(moved), phrase.Span(span.Round(time.Second)), phrase.Offset(aDay.Round(10*time.Millisecond)))
		}
	}
	if since > 0 {
		return fmt.Sprintf("it was set by %s, %s ago", phrase.Offset(step), session.Ago(now.Sub(history[since].at)))
	}
	return ""
}

// historyBox shows how the offset went.
func (s *Screen) historyBox(w, h int) []string {
	th := s.Theme
	p := ui.Pane{Title: "history"}
	if len(s.history) == 0 {
		p.Add("", " "+th.Quiet.Render("nothing read yet"))
		return th.Box(w, h, p)
	}
	last := s.history[max(0, len(s.history)-(w-4)):]
	middles := make([]time.Duration, len(last))
	for i, one := range last {
		middles[i] = one.skew.Middle()
	}
	low, high := slices.Min(middles), slices.Max(middles)
	values := make([]float64, len(last))
	for i, m := range middles {
		values[i] = 1
		if high > low {
			values[i] = float64(m-low) / float64(high-low)
		}
	}
	p.Note = phrase.Plural(len(s.history), "reading")
	rows := max(1, min(10, h-10))
	if high == low { // a level line needs no height
		rows = 1
	}
	p.Add("")
	for _, l := range th.Spark(values, 1, rows) {
		p.Add(" " + l)
	}
	p.Add(" "+th.Faint.Render(ui.Ends(session.Ago(s.Now.Sub(last[0].at))+" ago", "now", max(12, len(last)))), "")
	add := func(what, text string) { p.Add(" " + th.Quiet.Render(ui.Fit(what, 9)) + text) }
	add("lowest", phrase.Offset(low))
	add("highest", phrase.Offset(high))
	newest := last[len(last)-1]
	add("newest", fmt.Sprintf("%s, %s", phrase.Offset(newest.skew.Middle()), newest.at.UTC().Format("15:04:05")))
	add("set", signedOrZero(s.Target.Skew))
	s.addReadings(&p, h-2)
	return th.Box(w, h, p)
}

// addReadings adds the last readings of all sources to a pane of h lines, the newest first.
func (s *Screen) addReadings(p *ui.Pane, h int) {
	if len(p.Lines)+3 > h {
		return
	}
	p.Add("", " "+s.Theme.Faint.Render(ui.Fit("read at", 10)+ui.Fit("offset", 12)+"within"))
	for _, one := range slices.Backward(s.history) {
		if len(p.Lines) == h {
			return
		}
		within := ui.Duration((one.skew.High - one.skew.Low) / 2)
		p.Add(" " + s.Theme.Quiet.Render(ui.Fit(one.at.UTC().Format("15:04:05"), 10)) + ui.Fit(phrase.Offset(one.skew.Middle()), 12) + s.Theme.Quiet.Render(within))
	}
}
