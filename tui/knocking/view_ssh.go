package knocking

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"rapport/knock"
	"rapport/tui/session"
	"rapport/tui/ui"
)

// sshState returns the headline, its style, and one line about it.
func (s *Screen) sshState() (headline string, tone ui.Style, about string) {
	switch {
	case s.WaitFor != nil:
		left := s.WaitFor.Start().Add(refreshDelay).Sub(s.Now.Add(s.Target.Skew))
		return "WAITING", s.Theme.Accent, fmt.Sprintf("knocks when %s begins, in %s; esc cancels", session.ClockHour(*s.WaitFor), minutes(left))
	case s.Stage != Idle:
		headline, about = s.underWay()
		return headline, s.Theme.Accent, about
	}
	return s.outcome()
}

// underWay returns the headline of the job under way, and one line about it.
func (s *Screen) underWay() (headline, about string) {
	since := ""
	if s.Report != nil {
		since = fmt.Sprintf("attempt %d, %.1f s elapsed", len(s.Report.Attempts), s.elapsed().Seconds())
	}
	switch {
	case s.Stage == Resolving:
		return "RESOLVING", "asking for the address of " + s.Target.Host
	case s.Stage == Probing:
		return "PROBING", "probing SSH without knocking"
	case s.Report != nil && s.Report.SSH.Connect > 0:
		return "SSH ACCEPTED", "waiting for its banner"
	case s.Stage == AwaitingSSH:
		return "PROBING SSH", "the knocks are sent, " + since
	}
	return "KNOCKING", since
}

// outcome returns the headline of the last job, its style, and one line about it.
func (s *Screen) outcome() (headline string, tone ui.Style, about string) {
	good, bad, plain := s.Theme.Open, s.Theme.Bad, s.Theme.Accent
	r := s.Report
	switch {
	case !s.sshEndedAt.IsZero():
		return "SSH ENDED", plain, s.sshEndedWords() + "; k knocks again, s logs in again"
	case errors.Is(s.Failure, context.Canceled):
		return "CANCELLED", plain, "k knocks again"
	case s.Failure != nil && r != nil && r.SSH.State != knock.SSHUnknown:
		return stateHeadline(r.SSH.State), bad, session.ErrorText(s.Failure)
	case s.Failure != nil:
		return "NOT DONE", bad, session.ErrorText(s.Failure)
	case s.probe != nil && s.probe.SSH.State == knock.SSHOpen:
		return stateHeadline(knock.SSHOpen), good, s.probe.SSH.Banner + "   (no knock was sent)"
	case s.probe != nil:
		return stateHeadline(s.probe.SSH.State), plain, s.probe.SSH.Summary()
	case r == nil:
		return "READY", plain, "k knocks; p probes SSH without knocking"
	case !r.Opened:
		return stateHeadline(r.SSH.State), bad, s.Outcome(*r) + s.fixHint()
	case r.Before.State == knock.SSHOpen && !s.stillOpen():
		return "SSH IS OPEN", good, r.SSH.Banner + "   " + r.Summary()
	case s.windowLeft() == 0:
		return "WINDOW OVER", plain, r.SSH.Banner + "   opened, and should be shut again: p probes"
	case s.stillOpen():
		return "SSH IS OPEN", good, s.summary() + "   " + r.SSH.Banner
	}
	return "SSH IS OPEN", good, r.SSH.Banner + s.loginHint()
}

// stateHeadline returns a state as a headline; empty for an unknown one.
func stateHeadline(s knock.SSHState) string {
	return map[knock.SSHState]string{
		knock.SSHOpen:        "SSH IS OPEN",
		knock.SSHRefused:     "SSH REFUSED",
		knock.SSHFiltered:    "SSH FILTERED",
		knock.SSHSilent:      "SSH IS SILENT",
		knock.SSHRefusing:    "SSHD REFUSED US",
		knock.SSHNotSSH:      "SSH IS NOT SSH",
		knock.SSHUnreachable: "SSH UNREACHABLE",
	}[s]
}

// summary says how the newest handshake ended.
func (s *Screen) summary() string {
	if s.stillOpen() {
		return "still " + s.since()
	}
	return s.Outcome(*s.Report)
}

// fixHint offers what a diagnosis found.
func (s *Screen) fixHint() string {
	if s.Fix.IsZero() {
		return ""
	}
	return "   f applies " + s.Fix.String() + ", which the diagnosis found, and knocks"
}

// since says what opened the window that the newest handshake found open.
func (s *Screen) since() string {
	what := "handshake"
	if s.opened.Equal(s.Opened) {
		what = "diagnosis"
	}
	return fmt.Sprintf("open from the %s %.0f s ago", what, s.Now.Sub(s.opened).Seconds())
}

// loginHint names the key that logs in.
func (s *Screen) loginHint() string {
	if s.Config.SSH == nil {
		return ""
	}
	return "   s logs in while it is open"
}

func (s *Screen) knocking() bool { return s.Stage == Knocking || s.Stage == AwaitingSSH }

// attempt returns the newest attempt's knocks, when the first of them was sent, and
// a note that says which attempt it is. Near the hour change an attempt covers two
// hours; a strict gate gets one hour's knocks at a time, and hour is that hour.
func (s *Screen) attempt() (knocks []knock.SentKnock, started knock.Millis, hour knock.Hour, note string) {
	n := len(s.Report.Attempts)
	attempt := s.Report.Attempts[n-1]
	gaps := s.Config.Options.Gaps
	if gaps == nil {
		gaps = knock.DefaultGaps()
	}
	gap := "all at once"
	if attempt.Gap > 0 {
		gap = "gap " + ui.Duration(time.Duration(attempt.Gap))
	}
	note = fmt.Sprintf("attempt %d of %d, %s", n, max(n, len(gaps)), gap)
	usual := slices.ContainsFunc(attempt.Knocks, func(k knock.SentKnock) bool { return k.Hour == nil })
	var second *knock.Hour
	for _, k := range attempt.Knocks {
		if len(knocks) == 0 {
			started = k.Sent
		}
		if k.Hour != nil {
			second = k.Hour
		}
		if (k.Hour == nil || !usual) && !k.Copy {
			knocks = append(knocks, k)
		}
	}
	switch {
	case second == nil:
		return knocks, started, s.Report.Hour, note
	case usual:
		return knocks, started, s.Report.Hour, "both hours, " + note
	}
	return knocks, started, *second, "of " + session.ClockHour(*second) + ", " + note
}

// lasted returns how long the newest attempt has lasted so far.
func (s *Screen) lasted(knocks []knock.SentKnock, started knock.Millis) (last time.Duration) {
	for _, k := range knocks {
		last = max(last, time.Duration(k.Sent-started)+time.Duration(k.RTT))
	}
	last = max(last, time.Duration(max(s.Report.SSH.Connect, s.Report.SSH.Read))-time.Duration(started))
	if s.Stage == AwaitingSSH {
		last = max(last, s.elapsed()-time.Duration(started))
	}
	return last
}
