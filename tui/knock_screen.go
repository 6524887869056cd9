package tui

import (
	"cmp"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"rapport/knock"
	"rapport/knock/hosts"
)

// stage is what the Knock screen is doing.
type stage int

const (
	idle stage = iota
	resolving
	knocking
	probing
	diagnosing
)

// knockScreen is what the Knock screen shows: the newest report as a snapshot,
// and around it what happened before.
type knockScreen struct {
	host    hosts.Host
	target  knock.Target // its address is not valid until the name is resolved
	waitFor *knock.Hour  // the hour at whose start a handshake is to begin
	planned int          // attempts that a handshake may make
	stage   stage
	report  *knock.Report      // of the newest handshake, under way or over
	probe   *knock.ProbeReport // of the newest probe, if nothing came after it
	looking bool               // knocks are out, SSH is awaited
	began   time.Time          // of the newest handshake, by the screen's clock
	// held is when the handshake was sent that has SSH open since before the newest
	// one began; zero where this program had not opened it.
	held    time.Time
	failure string // why the newest job could not be done
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
func (s *knockScreen) start(now time.Time, st stage) {
	s.stage, s.failure, s.looking, s.probe = st, "", false, nil
	if st == knocking {
		s.held = s.holding(now)
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
		if s.looking = false; e.Attempt == 0 {
			s.began = now
		} else {
			s.note(now, "still shut, attempt %d with %s between knocks", e.Attempt+1, whole(time.Duration(e.Report.Attempts[e.Attempt].Gap)))
		}
	case knock.LookStarted:
		s.looking = true
	case knock.Finished:
		s.looking = false
		s.finished(now, e.Report)
	}
}

func (s *knockScreen) finished(now time.Time, r knock.Report) {
	if r.Before.State != knock.SSHOpen {
		s.held = time.Time{}
	}
	n := len(r.Attempts)
	if n == 0 {
		return
	}
	s.answers(now, r.Attempts[n-1])
	if s.stillOpen() {
		s.note(now, "%s", s.summary(now))
		return
	}
	if knocks := r.Attempts[n-1].Knocks; r.Opened && len(knocks) > 0 {
		took := time.Duration(knocks[len(knocks)-1].Sent - r.Attempts[0].Knocks[0].Sent)
		s.note(now, "sent in %s, SSH answered after %s", ms(took), ms(time.Duration(r.SSH.Read)))
		return
	}
	s.note(now, "SSH %s after %s; d finds out why", r.SSH.State, count(n, "attempt"))
}

// answers notes what the last attempt's knocks were answered, if anything.
func (s *knockScreen) answers(now time.Time, a knock.Attempt) {
	count := map[knock.Answer]int{}
	for _, k := range a.Knocks {
		count[k.Answer]++
	}
	for _, answer := range []knock.Answer{knock.Open, knock.Refused, knock.Unreachable} {
		if n := count[answer]; n > 0 {
			s.note(now, "%d of %d knocks answered %s; a gate that drops is silent", n, len(a.Knocks), answer)
		}
	}
}

// elapsed returns how long the handshake under way has lasted at now. It is
// bounded, for the clock may be set meanwhile.
func (s *knockScreen) elapsed(now time.Time) time.Duration {
	return min(max(0, now.Sub(s.began)), time.Minute)
}

// port shows a port, unless the screen is masked.
func (s *knockScreen) port(p uint16) string {
	if s.masked {
		return "*****"
	}
	return fmt.Sprint(p)
}

// hide hides the given ports in a text, if the screen is masked.
func (s *knockScreen) hide(text string, ports []uint16) string {
	if !s.masked {
		return text
	}
	return regexp.MustCompile(`\b\d+\b`).ReplaceAllStringFunc(text, func(word string) string {
		n, err := strconv.ParseUint(word, 10, 16)
		if err == nil && n != 0 && slices.Contains(ports, uint16(n)) {
			return s.port(uint16(n))
		}
		return word
	})
}

// window returns how much of the window is left at now, and of how much; zero
// where SSH was not opened by the newest handshake or the window is over.
func (s *knockScreen) window(now time.Time) (left, of time.Duration) {
	of = cmp.Or(s.target.Window, knock.DefaultWindow)
	if s.report == nil || !s.report.Opened || s.stage != idle || s.probe != nil {
		return 0, of
	}
	return s.left(s.openSince(), now), of
}

// left returns how much is left at now of a window that began at since, which
// is zero for none.
func (s *knockScreen) left(since, now time.Time) time.Duration {
	if since.IsZero() {
		return 0
	}
	// The monotonic clock stands still while a machine sleeps, the other one may
	// be set back: whichever has gone on further.
	end := since.Add(cmp.Or(s.target.Window, knock.DefaultWindow))
	return max(0, min(end.Sub(now), end.Round(0).Sub(now.Round(0))))
}

// openSince is when the window began that this program opened, zero if it did
// not. Knocks into a window that is still open need not have made it longer.
func (s *knockScreen) openSince() time.Time {
	if s.report != nil && s.report.Opened && s.report.Before.State != knock.SSHOpen {
		return s.report.At
	}
	return s.held
}

// holding is when the handshake was sent that may have SSH open at now, zero for
// none. Where the window has ended, knocks that went into it may have made it
// longer.
func (s *knockScreen) holding(now time.Time) time.Time {
	if since := s.openSince(); s.left(since, now) > 0 {
		return since
	}
	if s.stillOpen() && s.left(s.report.At, now) > 0 {
		return s.report.At
	}
	return time.Time{}
}

// stillOpen reports whether SSH was open before the newest handshake since this
// program had opened it itself.
func (s *knockScreen) stillOpen() bool {
	return !s.held.IsZero() && s.report != nil && s.report.Opened && s.report.Before.State == knock.SSHOpen
}

// summary says what the newest handshake came to.
func (s *knockScreen) summary(now time.Time) string {
	if s.stillOpen() {
		return fmt.Sprintf("still open from the handshake %.0f s ago", now.Sub(s.held).Seconds())
	}
	return s.report.Summary()
}

// ms writes a span of a handshake: tenths of a millisecond below ten seconds.
func ms(d time.Duration) string {
	if d < 10*time.Second {
		return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

// whole writes a span of whole milliseconds or seconds.
func whole(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%g s", d.Seconds())
}

// signed writes a skew as a flag would take it: +41m, -3h.
func signed(d time.Duration) string {
	s := fmt.Sprintf("%+v", d)
	if d > 0 {
		s = "+" + s
	}
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(s, zero) {
			s = s[:len(s)-2]
		}
	}
	return s
}

// count writes a number of things.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
