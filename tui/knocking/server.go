package knocking

import (
	"fmt"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"rapport/knock"
	"rapport/knock/hosts/history"
	"rapport/tui/session"
)

// State is the server's state in a few words, for a list of servers; empty if nothing
// was sent to it in this run.
func (s *Screen) State() (words string, tone session.Tone) {
	switch r := s.Report; {
	case s.WaitFor != nil:
		return "waiting for " + session.ClockHour(*s.WaitFor), session.Plain
	case s.Stage == Resolving:
		return "resolving", session.Plain
	case s.Stage == Probing:
		return "probing", session.Plain
	case s.Stage != Idle && r != nil && len(r.Attempts) > 0:
		return fmt.Sprintf("attempt %d of %d", len(r.Attempts), max(len(r.Attempts), s.attemptsPlanned())), session.Plain
	case s.Stage != Idle:
		return "knocking", session.Plain
	case s.probe != nil && s.probe.SSH.State == knock.SSHOpen:
		return "open", session.Good
	case s.probe != nil:
		return string(s.probe.SSH.State), session.Plain
	case s.Failure != nil:
		return "not done", session.Bad
	case s.windowLeft() > 0:
		return fmt.Sprintf("open %.1f s", s.windowLeft().Seconds()), session.Good
	case r != nil && r.Opened:
		return "opened", session.Plain
	case r != nil:
		return string(r.SSH.State), session.Bad
	}
	return "", session.Plain
}

// Left is what is left of the window.
func (s *Screen) Left() (left time.Duration, share float64) {
	left = s.windowLeft()
	return left, s.share(left)
}

// Hours are n hours from the last one on, with their ports.
func (s *Screen) Hours(n int) (out []string) {
	for i := range n {
		h := s.Hour().Add(i - 1)
		line := session.ClockHour(h)
		for _, p := range s.Sequence(h).Ports() {
			line += " " + s.Port(p)
		}
		out = append(out, line)
	}
	return out
}

// Past are the handshakes with the server, the oldest first.
func (s *Screen) Past() []history.Handshake { return s.History }

// Judged is the last diagnosis of this run.
func (s *Screen) Judged() history.Diagnosis { return s.Session.Judged }

// Progress is that of the handshake or the probe under way: the knocks of the newest
// attempt that were sent, and how many attempts are over, of all.
func (s *Screen) Progress() (sent int, share float64, under bool) {
	switch r := s.Report; {
	case s.Stage == Idle:
		return 0, 0, false
	case s.Stage == Resolving || s.Stage == Probing || r == nil || len(r.Attempts) == 0:
		return 0, 0, true
	default:
		n := len(r.Attempts)
		sent = min(len(r.Attempts[n-1].Knocks), knock.Knocks)
		return sent, (float64(n-1) + float64(sent)/knock.Knocks) / float64(max(n, s.attemptsPlanned())), true
	}
}

// Handshake begins one.
func (s *Screen) Handshake() tea.Cmd { return s.Start(Knocking) }

// Check probes SSH without a knock.
func (s *Screen) Check() tea.Cmd { return s.Start(Probing) }
