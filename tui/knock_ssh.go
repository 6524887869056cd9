package tui

import (
	"fmt"

	"github.com/charmbracelet/lipgloss"

	"rapport/knock"
	"rapport/tui/ui"
)

// sshPane says in the largest words what matters now: whether SSH is open.
func (s *knockScreen) sshPane(w int) ui.Pane {
	headline, tone, about := s.sshState()
	p := ui.Pane{Title: "ssh"}
	if r := s.report; r != nil && r.Before.State != knock.SSHUnknown {
		p.Note = "before the handshake: " + string(r.Before.State)
	}
	first := " " + tone.Render(" "+headline+" ")
	if left, of := s.windowLeft(); left > 0 {
		bar := s.theme.Bar(float64(left)/float64(of), max(0, min(40, w-len(headline)-24)))
		first += fmt.Sprintf("  shuts in %3.1f s  ", left.Seconds()) + s.theme.Good.Render(bar)
	}
	p.Add(first)
	p.Add(ui.Paragraph(s.theme.Plain, about, " ", w-1)...)
	const fixed = 3 // however much there is to say, so that nothing below it jumps
	p.Fill(fixed)
	p.Lines = p.Lines[:fixed]
	if p.Lines[fixed-1] == "" && !s.size.Framed() { // without frames the notes have no edge to stand on
		p.Lines[fixed-1] = " " + s.theme.Dim.Render(s.notes(p.Note))
	}
	return p
}

// sshState returns the headline, its tone, and one line about it.
func (s *knockScreen) sshState() (headline string, tone lipgloss.Style, about string) {
	switch {
	case s.waitFor != nil:
		left := s.waitFor.Start().Add(refreshDelay).Sub(s.now.Add(s.target.Skew))
		return "WAITING", s.theme.Badge, fmt.Sprintf("knocks when %s begins, in %s; esc cancels", clockHour(*s.waitFor), minutes(left))
	case s.stage != idle:
		headline, about = s.underWay()
		return headline, s.theme.Badge, about
	}
	return s.outcome()
}

// underWay returns the headline of what is being done, and one line about it.
func (s *knockScreen) underWay() (headline, about string) {
	since := ""
	if s.report != nil {
		since = fmt.Sprintf("attempt %d, %.1f s gone", len(s.report.Attempts), s.elapsed().Seconds())
	}
	switch {
	case s.stage == resolving:
		return "RESOLVING", "asking for the address of " + s.target.Host
	case s.stage == probing:
		return "PROBING", "probing SSH without knocking"
	case s.report != nil && s.report.SSH.Connect > 0:
		return "SSH ACCEPTED", "waiting for its banner"
	case s.stage == awaitingSSH:
		return "PROBING SSH", "the knocks are out, " + since
	}
	return "KNOCKING", since
}

// outcome returns the headline of what was done last, its tone, and one line about it.
func (s *knockScreen) outcome() (headline string, tone lipgloss.Style, about string) {
	good, bad, plain := s.theme.Good.Reverse(true), s.theme.Bad.Reverse(true), s.theme.Badge
	r := s.report
	switch {
	case s.failure == cancelled:
		return "CANCELLED", plain, "k knocks again"
	case s.failure != "" && r != nil && r.SSH.State != knock.SSHUnknown:
		return stateHeadline(r.SSH.State), bad, s.failure
	case s.failure != "":
		return "NOT DONE", bad, s.failure
	case s.probe != nil && s.probe.SSH.State == knock.SSHOpen:
		return stateHeadline(knock.SSHOpen), good, s.probe.SSH.Banner + "   (no knock was sent)"
	case s.probe != nil:
		return stateHeadline(s.probe.SSH.State), plain, s.probe.SSH.Summary()
	case r == nil:
		return "READY", plain, "k knocks; p probes SSH without knocking"
	case !r.Opened:
		return stateHeadline(r.SSH.State), bad, r.Summary()
	case r.Before.State == knock.SSHOpen && !s.stillOpen():
		return "SSH IS OPEN", good, r.SSH.Banner + "   " + r.Summary()
	}
	if left, _ := s.windowLeft(); left == 0 {
		return "WINDOW OVER", plain, r.SSH.Banner + "   opened, and should be shut again: p probes"
	}
	if s.stillOpen() {
		return "SSH IS OPEN", good, s.summary() + "   " + r.SSH.Banner
	}
	return "SSH IS OPEN", good, r.SSH.Banner
}

// stateHeadline is a state as a headline has it; there is none for an unknown one.
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

// notes are what stands on the edges of the frames, where there are none.
func (s *knockScreen) notes(before string) string {
	note := "range " + s.target.Range.String()
	if s.target.Skew != 0 {
		note += ", skew " + ui.Signed(s.target.Skew)
	}
	if r := s.report; r != nil && len(r.Attempts) > 0 {
		note = fmt.Sprintf("attempt %d", len(r.Attempts))
	}
	if before != "" {
		note += ", " + before
	}
	return note
}
