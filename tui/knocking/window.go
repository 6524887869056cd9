package knocking

import (
	"fmt"
	"time"

	"rapport/knock"
	"rapport/tui/ui"
)

// windowLeft returns how much of the window is left: zero where this program did not
// open SSH, and when the window is over.
func (s *Screen) windowLeft() time.Duration {
	if s.Report == nil || !s.Report.Opened || s.Stage != Idle || s.probe != nil {
		return 0
	}
	return s.left(s.openSince())
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
	if s.left(s.Opened) > 0 {
		return s.Opened
	}
	return time.Time{}
}

// stillOpen reports whether the newest handshake found SSH open because an earlier
// one of this program had opened it.
func (s *Screen) stillOpen() bool {
	return !s.opened.IsZero() && s.Report != nil && s.Report.Opened && s.Report.Before.State == knock.SSHOpen
}

// countdown is the line of the window, and what there is to say, in three lines.
func (s *Screen) countdown(w int) []string {
	lead := "  "
	if !s.Size.Framed() {
		lead = " "
	}
	p := ui.Pane{}
	_, _, about := s.sshState()
	if left := s.windowLeft(); left > 0 {
		first := lead + fmt.Sprintf("shuts in %3.1f s  ", left.Seconds())
		p.Add(first + s.Theme.TimeLeft(s.share(left), w-ui.Cells(first)-1))
	}
	for _, l := range ui.Cut(ui.Wrap(about, w-3), 3-len(p.Lines)) {
		p.Add(lead + s.Theme.Strong.Render(l))
	}
	p.Fill(3)
	return p.Lines
}

// share is the part of the window that is left.
func (s *Screen) share(left time.Duration) float64 { return float64(left) / float64(s.Window()) }
