package tui

import (
	"fmt"

	"github.com/charmbracelet/lipgloss"

	"rapport/knock"
)

// sshPane says in the largest words what matters now: whether SSH is open.
func (a app) sshPane(w int) pane {
	headline, tone, about := a.sshState()
	p := pane{title: "ssh"}
	if s := a.screen; s.report != nil && s.report.Before.State != knock.SSHUnknown {
		p.note = "before the handshake: " + string(s.report.Before.State)
	}
	first := " " + tone.Render(" "+headline+" ")
	if left, of := a.screen.window(a.now); left > 0 {
		first += fmt.Sprintf("  shuts in %3.1f s  ", left.Seconds()) + a.theme.good.Render(a.theme.bar(float64(left)/float64(of), max(0, min(40, w-len(headline)-24))))
	}
	p.lines = []string{first}
	for _, l := range wrap(about, w-2) {
		p.lines = append(p.lines, " "+l)
	}
	const fixed = 3 // whatever there is to say, so that nothing below it jumps
	for len(p.lines) < fixed {
		p.lines = append(p.lines, "")
	}
	p.lines = p.lines[:fixed]
	if p.lines[fixed-1] == "" && !a.large() { // without frames the notes have no edge to stand on
		p.lines[fixed-1] = " " + a.theme.dim.Render(a.notes(p.note))
	}
	return p
}

// sshState returns the headline, its tone, and one line about it.
func (a app) sshState() (headline string, tone lipgloss.Style, about string) {
	s, t := a.screen, a.theme
	good, bad, plain := t.good.Reverse(true), t.bad.Reverse(true), t.badge
	switch {
	case s.waitFor != nil:
		left := s.waitFor.Start().Add(settle).Sub(a.now.Add(s.target.Skew))
		return "WAITING", plain, fmt.Sprintf("knocks when %sh begins, in %02d:%02d; esc gives up", s.waitFor.String()[11:], int(left.Minutes()), int(left.Seconds())%60)
	case s.stage == resolving:
		return "RESOLVING", plain, "asking for the address of " + s.target.Host
	case s.stage == probing:
		return "PROBING", plain, "looking whether SSH answers, without knocking"
	case s.stage == knocking && s.report == nil:
		return "KNOCKING", plain, ""
	case s.stage == knocking && s.report.SSH.Connect > 0:
		return "SSH ACCEPTED", plain, "waiting for its banner"
	case s.stage == knocking && s.looking:
		return "LOOKING AT SSH", plain, "the knocks are out, " + a.since()
	case s.stage == knocking:
		return "KNOCKING", plain, a.since()
	case s.failure == cancelled:
		return "CANCELLED", plain, "k knocks again"
	case s.failure != "" && s.report != nil && s.report.SSH.State != knock.SSHUnknown:
		return "SSH " + word(s.report.SSH.State), bad, s.failure
	case s.failure != "":
		return "NOT DONE", bad, s.failure
	case s.probe != nil:
		headline = "SSH " + word(s.probe.SSH.State)
		if s.probe.SSH.State == knock.SSHOpen {
			return headline, good, s.probe.SSH.Banner + "   (no knock was sent)"
		}
		return headline, plain, s.probe.SSH.Summary()
	case s.report == nil:
		return "READY", plain, "k knocks; p looks at SSH without knocking"
	case s.report.Opened && s.report.Before.State == knock.SSHOpen && !s.stillOpen():
		return "SSH IS OPEN", good, s.report.SSH.Banner + "   " + s.report.Summary()
	case s.report.Opened:
		if left, _ := s.window(a.now); left == 0 {
			return "WINDOW OVER", plain, s.report.SSH.Banner + "   opened, and should be shut again: p looks"
		}
		if s.stillOpen() {
			return "SSH IS OPEN", good, s.summary(a.now) + "   " + s.report.SSH.Banner
		}
		return "SSH IS OPEN", good, s.report.SSH.Banner
	}
	return "SSH " + word(s.report.SSH.State), bad, s.report.Summary()
}

// word is a state as a headline has it.
func word(s knock.SSHState) string {
	return map[knock.SSHState]string{
		knock.SSHOpen:        "IS OPEN",
		knock.SSHRefused:     "REFUSED",
		knock.SSHFiltered:    "FILTERED",
		knock.SSHSilent:      "IS SILENT",
		knock.SSHRefusing:    "TURNS US AWAY",
		knock.SSHNotSSH:      "IS NOT SSH",
		knock.SSHUnreachable: "UNREACHABLE",
	}[s]
}

// since says how far the handshake under way is.
func (a app) since() string {
	return fmt.Sprintf("attempt %d, %.1f s gone", len(a.screen.report.Attempts), a.screen.elapsed(a.now).Seconds())
}

// notes are what stands on the edges of the frames, where there are none.
func (a app) notes(before string) string {
	note := "range " + a.screen.target.Range.String()
	if a.screen.target.Skew != 0 {
		note += ", skew " + signed(a.screen.target.Skew)
	}
	if r := a.screen.report; r != nil && len(r.Attempts) > 0 {
		note = fmt.Sprintf("attempt %d", len(r.Attempts))
	}
	if before != "" {
		note += ", " + before
	}
	return note
}
