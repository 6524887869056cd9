package clocks

import (
	"cmp"
	"context"
	"slices"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"rapport/diag/clock"
	"rapport/knock"
	"rapport/tui/ruler"
	"rapport/tui/ui"
)

// source is one clock as it was last read.
type source struct {
	clock.Reading
	at    time.Time // when it was read
	fails int       // readings without an answer, one after the other
}

// sourceKey names a source: a host may be asked for its own clock and for this one's.
type sourceKey struct {
	of   clock.Side
	name string
}

// paces are the times between two readings of a source: short where asking costs little,
// long where each leaves a connection in a log, or where many share a time server.
var paces = map[string]time.Duration{
	clock.SourceICMP: 10 * time.Second, clock.SourceNTP: 20 * time.Second,
	clock.SourceHTTP: 30 * time.Second, clock.SourceHTTPS: 30 * time.Second,
	clock.SourceSMTP: 2 * time.Minute, clock.SourceDaytime: time.Minute, clock.SourceTime: time.Minute,
}

const (
	localPace = 64 * time.Second // for time servers that are asked for this machine's clock
	rarely    = 8 * time.Minute  // the longest pace, for what does not answer
)

// due is when a source is to be read again: later and later while it does not answer.
func (s source) due() time.Time {
	pace := cmp.Or(paces[s.Name], time.Minute)
	if s.Of == clock.Local {
		pace = localPace
	}
	return s.at.Add(min(pace<<min(s.fails, 4), max(rarely, pace)))
}

// next is when the first source is due; zero: none was read.
func (s *Screen) next() (first time.Time) {
	for _, one := range s.sources {
		if due := one.due(); first.IsZero() || due.Before(first) {
			first = due
		}
	}
	return first
}

// start reads all sources.
func (s *Screen) start() tea.Cmd {
	return s.ask(clock.Clocks{Clock: s.Config.Client.Clock, NTP: s.Host.NTP})
}

// again reads those that are due.
func (s *Screen) again() tea.Cmd {
	c := clock.Clocks{Clock: s.Config.Client.Clock, Only: []string{}}
	for key, one := range s.sources {
		if key.of == clock.Server && !one.due().After(s.Now) {
			c.Only = append(c.Only, one.Name)
		}
	}
	for _, name := range s.Host.NTP {
		if one := s.sources[sourceKey{clock.Local, clock.SourceNTP + " " + knock.Clean(name, 80)}]; !one.due().After(s.Now) {
			c.NTP = append(c.NTP, name)
		}
	}
	if len(c.Only)+len(c.NTP) == 0 {
		return nil
	}
	return s.ask(c)
}

func (s *Screen) ask(c clock.Clocks) tea.Cmd {
	if s.Job != nil {
		return nil
	}
	addr := s.Target.Addr.Addr()
	if !addr.IsValid() {
		s.failure = "no address yet: the name is not resolved"
		return nil
	}
	s.failure, s.read = "", s.Now
	host := s.Host.Lookup()
	job, cmd := ui.StartJob(s.Ctx, func(ctx context.Context, emit func(any)) error {
		r, err := c.Read(ctx, host, addr, func(r clock.Reading) { emit(r) })
		emit(r)
		return err
	})
	s.Job = job
	return cmd
}

// found takes a reading, or the end of some: what all sources come to follows then.
func (s *Screen) found(event any) {
	switch e := event.(type) {
	case clock.Reading:
		s.keep(e)
	case clock.Report:
		for _, r := range e.Sources {
			if s.sources[sourceKey{r.Of, r.Name}].at.Before(s.read) {
				s.keep(r)
			}
		}
		all := clock.Report{Schema: e.Schema, Host: e.Host, Address: e.Address, Local: clock.LocalClock{Time: e.Local.Time}}
		for _, r := range s.latest() {
			all.Add(r)
		}
		if s.report = all; all.Known {
			s.record(all.Interval())
		}
	}
}

func (s *Screen) keep(r clock.Reading) {
	key := sourceKey{r.Of, r.Name}
	one := source{Reading: r, at: s.Now}
	if r.Err != nil {
		one.fails = s.sources[key].fails + 1
	}
	if s.sources == nil {
		s.sources = map[sourceKey]source{}
	}
	s.sources[key] = one
}

// latest are the newest readings of all sources, this machine's first, with the votes of
// the last report.
func (s *Screen) latest() (all []clock.Reading) {
	for _, one := range s.sources {
		r := one.Reading
		i := slices.IndexFunc(s.report.Sources, func(o clock.Reading) bool { return o.Of == r.Of && o.Name == r.Name })
		r.Outvoted = i >= 0 && s.report.Sources[i].Outvoted
		all = append(all, r)
	}
	return ruler.InOrder(all)
}
