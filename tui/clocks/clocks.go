// Package clocks is the Clocks screen: how far the server's clock is from this
// machine's, read again and again, and what a supposed skew would mean.
package clocks

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"rapport/diag/clock"
	"rapport/knock"
	"rapport/knock/hosts"
	"rapport/knock/phrase"
	"rapport/tui/session"
	"rapport/tui/ui"
)

const nearAZone = 90 * time.Second // a skew this near to half hours is a zone taken for UTC

// Screen reads the clocks while it is shown.
type Screen struct {
	*session.Session
	Job      *ui.Job // under way, or nil
	sources  map[sourceKey]source
	report   clock.Report // what they come to
	read     time.Time    // when the last reading began; zero: none did
	history  []point      // the oldest first, with those of earlier runs
	stored   point        // the last one that was stored
	loaded   bool         // the history of earlier runs was read
	failure  string
	paused   bool
	supposed time.Duration // the skew of what if
	touched  bool          // the user moved it
	beat     time.Time     // the last one
	slept    time.Duration // how long this machine was suspended; below 0: set back
	woke     time.Time     // when that was seen
}

// Keys implements [session.Screen].
func (s *Screen) Keys() ui.Keys {
	by := func(name, about string, d time.Duration, others ...string) ui.Key {
		return ui.NewKey(name, "", about, ui.Act(func() { s.supposed, s.touched = clamp(s.suppose()+d), true }), others...)
	}
	moves := []ui.Key{
		by("left", "suppose a minute less, a minute more", -time.Minute), by("right", "", time.Minute),
		by("shift+left", "an hour less, an hour more", -time.Hour, "<"), by("shift+right", "", time.Hour, ">"),
	}
	apply := ui.NewKey("enter", "apply", "apply the supposed skew to this server", s.apply).If(s.suppose() != s.Target.Skew)
	back := ui.NewKey("0", "as set", "suppose the skew that is set", ui.Act(func() { s.touched = false })).If(s.touched)
	seen := ui.NewKey("=", "as read", "suppose what the clocks say", ui.Act(func() {
		if skew, ok := s.report.RoundSkew(); ok {
			s.supposed, s.touched = skew, true
		}
	})).If(s.report.Known)
	again := ui.NewKey("r", "read", "read the clocks now", s.start).If(!s.loopback())
	pause := ui.NewKey("p", ui.Either(s.paused, "resume", "pause"), "stop reading, or go on", ui.Act(func() { s.paused = !s.paused }), " ")
	copies := ui.NewKey("y", "copy", "copy the readings", func() tea.Cmd { return s.CopyText(s.text()) }).If(len(s.report.Sources) > 0)
	esc := ui.NewKey("esc", "back", "back to the Knock screen", func() tea.Cmd { return s.Open(session.ToKnock) })
	return ui.Keys{
		Rows: [][]ui.Key{moves, {apply}, {back}, {seen}, {again}, {pause}, {copies}, {esc}},
		Bar:  []ui.Key{apply, ui.NewKey("left right", "what if", "", nil), seen, back, again, pause, copies, esc},
	}
}

// clamp bounds a supposed skew.
func clamp(d time.Duration) time.Duration {
	const most = 48 * time.Hour
	return max(-most, min(d, most))
}

// suppose is the supposed skew: the one that is set, until the user moves it.
func (s *Screen) suppose() time.Duration {
	if s.touched {
		return s.supposed
	}
	return s.Target.Skew
}

// Begin reads the clocks that were not read lately.
func (s *Screen) Begin() tea.Cmd {
	s.load()
	switch {
	case s.paused || s.Job != nil || s.loopback():
		return nil
	case s.read.IsZero():
		return s.start()
	}
	return s.again()
}

// Update implements [session.Screen].
func (s *Screen) Update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case ui.Beat:
		return s.tick()
	case ui.JobEvent:
		if msg.Job == s.Job {
			s.found(msg.Event)
		}
	case ui.JobDone:
		if msg.Job == s.Job {
			s.Job = nil
			if msg.Err != nil && !errors.Is(msg.Err, context.Canceled) {
				s.failure = knock.Clean(msg.Err.Error(), 200)
			}
		}
	}
	return nil
}

// loopback reports whether the server is on this machine: a reading would be of this
// machine's own clock, and say nothing of the hour of a demo.
func (s *Screen) loopback() bool { return s.Target.Addr.Addr().IsLoopback() }

// tick reads the clocks again when it is time, and sees that the machine slept.
func (s *Screen) tick() tea.Cmd {
	if s.watchBeats(); s.Front != session.Screen(s) {
		return nil
	}
	return s.Begin()
}

func (s *Screen) apply() tea.Cmd {
	skew := s.suppose()
	s.touched = false
	return s.Apply(s, hosts.Change{Skew: &skew}, "comparing the clocks")
}

// conclusion says what the readings come to, and whether that is a bad thing.
func (s *Screen) conclusion() (text string, bad bool) {
	r := s.report
	switch {
	case s.failure != "":
		return s.failure, true
	case s.loopback() && s.read.IsZero():
		return "on loopback every clock is this machine's: the gate alone tells the server's hour (5 finds it out)", false
	case s.read.IsZero():
		return "not read yet: r reads the clocks", false
	case len(r.Sources) == 0:
		return "reading the clocks, each at its own pace", false
	case !r.Known:
		if names := disagreeing(r.Sources); names != "" {
			return names + " disagree, and no third source decides", true
		}
		return "no source tells the server's clock: the gate alone can (5 finds out)", true
	}
	text = "the server's clock is " + phrase.Ahead(r.Skew)
	if r.Skew.Abs() < time.Second {
		text = "the server's clock is right to " + ui.Duration(max(r.Uncertainty, time.Millisecond))
	}
	if outvoted := outvotedNames(r.Sources); outvoted != "" {
		text += "; " + outvoted + " disagrees and is outvoted"
	}
	if !r.SameHour(s.Now, s.Target.Skew) {
		return text + ": not the hour of the set skew", true
	}
	return text, false
}

// disagreeing names the server's sources that have a reading, where several do.
func disagreeing(all []clock.Reading) string {
	var names []string
	for _, r := range all {
		if r.Of == clock.Server && r.Err == nil {
			names = append(names, fmt.Sprintf("%s (%s)", r.Name, phrase.Offset(r.Offset)))
		}
	}
	if len(names) < 2 {
		return ""
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

func outvotedNames(all []clock.Reading) string {
	var names []string
	for _, r := range all {
		if r.Of == clock.Server && r.Outvoted {
			names = append(names, r.Name)
		}
	}
	return strings.Join(names, ", ")
}

func (s *Screen) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s, %s\n", s.Host.Name, s.Target.Addr, s.report.Summary(s.Now))
	for _, r := range s.report.Sources {
		fmt.Fprintf(&b, "%-8s %s\n", r.Name, r.Text())
	}
	return b.String()
}
