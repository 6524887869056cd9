package tui

import (
	"fmt"
	"time"

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
	return p
}

// sshState returns the headline, its tone, and one line about it.
func (a app) sshState() (headline string, tone lipgloss.Style, about string) {
	s, t := a.screen, a.theme
	good, bad, plain := t.good.Reverse(true), t.bad.Reverse(true), t.badge
	switch {
	case s.stage == resolving:
		return "RESOLVING", plain, "asking for the address of " + s.target.Host
	case s.stage == probing:
		return "PROBING", plain, "looking whether SSH answers, without knocking"
	case s.stage == knocking && s.report == nil:
		return "KNOCKING", plain, ""
	case s.stage == knocking && s.report.SSH.Connect > 0:
		return "SSH ACCEPTED", plain, "waiting for its banner"
	case s.stage == knocking && s.looking:
		return "LOOKING AT SSH", plain, fmt.Sprintf("the knocks are out, %s", since(s.report))
	case s.stage == knocking:
		return "KNOCKING", plain, since(s.report)
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
	case s.report.Opened:
		if left, _ := s.window(a.now); left == 0 {
			return "WINDOW OVER", plain, s.report.SSH.Banner + "   opened, and should be shut again: p looks"
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

func since(r *knock.Report) string {
	return fmt.Sprintf("attempt %d, %.1f s gone", len(r.Attempts), time.Duration(r.Elapsed).Seconds())
}
