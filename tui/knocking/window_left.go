package knocking

import (
	"fmt"
	"time"

	"rapport/knock"
)

// windowLeft returns how much of the window is left, and how long the window is.
// left is zero where this program did not open SSH, and when the window is over.
func (s *Screen) windowLeft() (left, of time.Duration) {
	if s.Report == nil || !s.Report.Opened || s.Stage != Idle || s.probe != nil {
		return 0, s.Window()
	}
	return s.left(s.openSince()), s.Window()
}

// left returns how much is left of a window that began at since; zero if since is.
func (s *Screen) left(since time.Time) time.Duration {
	if since.IsZero() {
		return 0
	}
	// The monotonic clock stops while a machine sleeps, and the wall clock may be
	// set back: the one that is further ahead counts.
	end := since.Add(s.Window())
	return max(0, min(end.Sub(s.Now), end.Round(0).Sub(s.Now.Round(0))))
}

// openSince returns when this program opened the window, zero if it did not. A
// handshake into a window that is still open may not have extended it.
func (s *Screen) openSince() time.Time {
	if s.Report != nil && s.Report.Opened && s.Report.Before.State != knock.SSHOpen {
		return s.Report.At
	}
	return s.opened
}

// stillOpenSince returns when the handshake was sent whose window may be open now,
// zero for none. After the window's end, a handshake that was sent into it may have
// extended it.
func (s *Screen) stillOpenSince() time.Time {
	if since := s.openSince(); s.left(since) > 0 {
		return since
	}
	if s.stillOpen() && s.left(s.Report.At) > 0 {
		return s.Report.At
	}
	return time.Time{}
}

// stillOpen reports whether the newest handshake found SSH open because an earlier
// one of this program had opened it.
func (s *Screen) stillOpen() bool {
	return !s.opened.IsZero() && s.Report != nil && s.Report.Opened && s.Report.Before.State == knock.SSHOpen
}

// summary says how the newest handshake ended.
func (s *Screen) summary() string {
	if s.stillOpen() {
		return fmt.Sprintf("still open from the handshake %.0f s ago", s.Now.Sub(s.opened).Seconds())
	}
	return s.Report.Summary()
}
