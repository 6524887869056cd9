package tui

import (
	"fmt"
	"net/netip"
	"time"

	"rapport/knock"
)

// stage is what the Knock screen is doing.
type stage int

const (
	idle stage = iota
	resolving
	knocking
	probing
)

// knockScreen is what the Knock screen shows: the newest report as a snapshot,
// and around it what happened before.
type knockScreen struct {
	target  knock.Target // its address is not valid until the name is resolved
	planned int          // attempts that a handshake may make
	stage   stage
	report  *knock.Report      // of the newest handshake, under way or over
	probe   *knock.ProbeReport // of the newest probe, if nothing came after it
	looking bool               // knocks are out, SSH is awaited
	failure string             // why the newest job could not be done
	masked  bool
	log     []entry
}

// entry is one line of the log.
type entry struct {
	at   time.Time
	text string
}

// maxLog is how many lines of the log are kept.
const maxLog = 200

func (s *knockScreen) note(now time.Time, format string, args ...any) {
	s.log = append(s.log, entry{now, fmt.Sprintf(format, args...)})
	if len(s.log) > maxLog {
		s.log = s.log[len(s.log)-maxLog:]
	}
}

// pinned is the event of a name that has been resolved.
type pinned struct{ addr netip.Addr }

// probed is the event of a probe that is over.
type probed struct{ report knock.ProbeReport }

// start clears what the newest job left.
func (s *knockScreen) start(st stage) {
	s.stage, s.failure, s.looking, s.probe = st, "", false, nil
	if st == knocking {
		s.report = nil
	}
}

// take notes one event of a job.
func (s *knockScreen) take(now time.Time, event any) {
	switch e := event.(type) {
	case pinned:
		addr := netip.AddrPortFrom(e.addr, s.target.Addr.Port())
		if addr != s.target.Addr && s.target.Host != e.addr.String() {
			s.note(now, "resolved %s to %s, pinned", s.target.Host, e.addr)
		}
		s.target.Addr = addr
	case probed:
		s.probe = &e.report
		s.note(now, "looked without knocking: %s", e.report.SSH.Summary())
	case knock.Event:
		s.report = &e.Report
		s.handshake(now, e)
	}
}

// handshake notes one event of a handshake.
func (s *knockScreen) handshake(now time.Time, e knock.Event) {
	switch e.Kind {
	case knock.AttemptStarted:
		s.looking = false
		if e.Attempt > 0 {
			s.note(now, "still shut, attempt %d with %v between knocks", e.Attempt+1, time.Duration(e.Report.Attempts[e.Attempt].Gap))
		}
	case knock.KnockAnswered:
		k := e.Report.Attempts[e.Attempt].Knocks[e.Knock]
		if k.Answer != knock.Silent {
			s.note(now, "knock %s answered: %s", s.port(k.Port), k.Answer)
		}
	case knock.LookStarted:
		s.looking = true
	case knock.Finished:
		s.looking = false
		s.finished(now, e.Report)
	}
}

func (s *knockScreen) finished(now time.Time, r knock.Report) {
	n := len(r.Attempts)
	if n == 0 {
		return
	}
	if knocks := r.Attempts[n-1].Knocks; r.Opened && len(knocks) > 0 {
		took := time.Duration(knocks[len(knocks)-1].Sent - r.Attempts[0].Knocks[0].Sent)
		s.note(now, "handshake sent in %s, SSH answered after %s", ms(took), ms(time.Duration(r.SSH.Read)))
		return
	}
	s.note(now, "%s", r.Summary())
}

// port shows a port, unless the screen is masked.
func (s *knockScreen) port(p uint16) string {
	if s.masked {
		return "*****"
	}
	return fmt.Sprint(p)
}

// window returns how much of the window is left at now, and of how much; zero
// where SSH was not opened by a handshake or the window is over.
func (s *knockScreen) window(now time.Time) (left, of time.Duration) {
	of = s.target.Window
	if of == 0 {
		of = knock.DefaultWindow
	}
	if s.report == nil || !s.report.Opened || s.stage == knocking {
		return 0, of
	}
	return max(0, s.report.At.Add(of).Sub(now)), of
}

// ms writes a span of a handshake: tenths of a millisecond below ten seconds.
func ms(d time.Duration) string {
	if d < 10*time.Second {
		return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}
