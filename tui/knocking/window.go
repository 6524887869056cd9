package knocking

import (
	"fmt"
	"time"

	"rapport/knock"
)

// windowLeft returns how much of the window is left, and of how much; zero where
// SSH was not opened by this program or the window is over.
func (s *Screen) windowLeft() (left, of time.Duration) {
	if s.Report == nil || !s.Report.Opened || s.Stage != Idle || s.probe != nil {
		return 0, s.Window()
	}
	return s.left(s.openSince()), s.Window()
}

// left returns how much is left of a window that began at since, which is zero
// for none.
func (s *Screen) left(since time.Time) time.Duration {
	if since.IsZero() {
		return 0
	}
	// The monotonic clock stands still while a machine sleeps, the other one may
	// be set back: whichever has gone on further.
	end := since.Add(s.Window())
	return max(0, min(end.Sub(s.Now), end.Round(0).Sub(s.Now.Round(0))))
}

// openSince is when the window began that this program opened, zero if it did
// not. Knocks into a window that is still open need not have made it longer.
func (s *Screen) openSince() time.Time {
	if s.Report != nil && s.Report.Opened && s.Report.Before.State != knock.SSHOpen {
		return s.Report.At
	}
	return s.opened
}

// stillOpenSince is when the handshake was sent that may have SSH open now, zero for
// none. Where the window has ended, knocks that went into it may have made it
// longer.
func (s *Screen) stillOpenSince() time.Time {
	if since := s.openSince(); s.left(since) > 0 {
		return since
	}
	if s.stillOpen() && s.left(s.Report.At) > 0 {
		return s.Report.At
	}
	return time.Time{}
}

// stillOpen reports whether SSH was open before the newest handshake since this
// program had opened it itself.
func (s *Screen) stillOpen() bool {
	return !s.opened.IsZero() && s.Report != nil && s.Report.Opened && s.Report.Before.State == knock.SSHOpen
}

// summary says what the newest handshake came to.
func (s *Screen) summary() string {
	if s.stillOpen() {
		return fmt.Sprintf("still open from the handshake %.0f s ago", s.Now.Sub(s.opened).Seconds())
	}
	return s.Report.Summary()
}
