package tui

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"rapport/knock"
	"rapport/knock/gate"
	"rapport/knock/hosts"
	"rapport/knock/netfilter"
	"rapport/knock/solve"
	"rapport/tui/ui"
)

func (s *compareScreen) View() []string {
	lines, _ := s.layOut()
	return lines
}

// layOut draws the screen, and says how far its text can be scrolled.
func (s *compareScreen) layOut() (lines []string, most int) {
	switch {
	case s.step == naming:
		return s.frame(s.pathPane()), 0
	case s.step == collecting:
		return s.frame(s.collectPane()), 0
	case s.result == nil:
		return s.frame(ui.Pane{Title: "compare", Lines: s.indented(s.underWay())}), 0
	}
	if s.result.Gate != nil || s.result.Kind == "" {
		lines = s.frame(s.portsPane())
	}
	room := s.size.Height - 2 - len(lines)
	framed := s.size.Framed()
	if framed {
		room -= 3 // the frame, and an empty line above the keys
	}
	p := ui.Pane{Title: "findings", Lines: s.findings()}
	if len(p.Lines) > room {
		shown := room
		if !framed {
			shown--
		}
		p.Lines, p.Foot, most = s.scroll.Window(p.Lines, shown)
		p.Foot += ", up and down"
		if !framed {
			p.Add(s.theme.Dim.Render(" " + p.Foot))
		}
	}
	if framed {
		p.Fill(room)
	}
	return append(lines, s.frame(p)...), most
}

// indented wraps a text into the lines of a pane.
func (s *compareScreen) indented(text string) []string {
	return ui.Paragraph(s.theme.Plain, text, " ", s.size.Width-3)
}

func (s *compareScreen) underWay() string {
	what := s.text.size()
	if s.path != "" {
		what = knock.Clean(s.path, 200)
	}
	return fmt.Sprintf("comparing %s: every hour within %d either way, every range, every secret variant", what, solve.DefaultHours)
}

// collectPane asks for the rules, and says how much has come.
func (s *compareScreen) collectPane() ui.Pane {
	th := s.theme
	p := ui.Pane{Title: "compare with the server's rules"}
	p.Add(s.indented("Paste what one of these prints on the server, as root:")...)
	p.Add("     iptables-save; ip6tables-save", "     nft list ruleset")
	p.Add(s.indented("or its script, or five ports that it takes. Then press enter on an empty line, or ctrl+d.")...)
	p.Add("")
	switch n := len(s.text.bytes); {
	case n == 0:
		p.Add(th.Dim.Render(" nothing yet"))
	case s.text.isPorts() && s.masked:
		p.Add(" " + th.Accent.Render("ports") + "  ***** _")
	case s.text.isPorts():
		typed := strings.Join(strings.Fields(string(s.text.bytes)), " ")
		p.Add(s.indented(th.Accent.Render("ports") + "  " + typed + " _")...)
	default:
		p.Add(" " + th.Accent.Render("text") + "  " + s.text.size() + " _")
		if n == maxText {
			p.Add(" " + th.Bad.Render("what follows is dropped: "+netfilter.ErrLongRules.Error()))
		}
	}
	return s.failing(p)
}

// pathPane asks for a file.
func (s *compareScreen) pathPane() ui.Pane {
	return s.failing(ui.Pane{Title: "compare with a file", Lines: []string{" " + s.theme.Accent.Render("path") + "  " + s.input.View()}})
}

// failing adds why the newest comparison could not be made.
func (s *compareScreen) failing(p ui.Pane) ui.Pane {
	if s.failure != "" {
		p.Add("")
		p.Add(ui.Paragraph(s.theme.Bad, s.failure, " ", s.size.Width-3)...)
	}
	return p
}

// portsPane shows the server's phases beside the client's sequence.
func (s *compareScreen) portsPane() ui.Pane {
	i := s.result
	p := ui.Pane{Title: "compare", Note: "five ports"}
	var there []uint16
	if i.Gate != nil {
		p.Note = gateNote(*i)
		there = i.Gate.Ports
	}
	if i.Query.Ports[0] != 0 {
		there = i.Query.Ports[:]
	}
	seq := knock.Derive(i.Query.Hour, i.Query.Range, i.Query.Secret)
	p.Add(s.theme.Dim.Render(" " + ui.Fit("", 9) + ui.Fit("there", 10) + ui.Fit("here", 10) + "for hour " + i.Query.Hour.String()))
	for k, name := range ordinals() {
		here := seq.Ports()[k]
		switch {
		case k >= len(there):
			p.Add(s.row(name, "none", s.port(here), differs))
		case there[k] == 0:
			p.Add(s.row(name, "computed", s.port(here), untold))
		default:
			p.Add(s.row(name, s.port(there[k]), s.port(here), sameness(there[k] == here)))
		}
	}
	if i.Gate != nil {
		p.Add(s.sshRow(*i.Gate), s.windowRow(*i))
	}
	return p
}

// sshRow compares the SSH port, and says what accepts it.
func (s *compareScreen) sshRow(g gate.Gate) string {
	here := strconv.Itoa(s.host.SSHPort)
	accept := "   accept " + acceptRule(g.Door)
	switch {
	case g.Door == "":
		return s.row("ssh", "no rule", here, differs)
	case g.SSHPort == 0:
		return s.row("ssh", "any", here, same) + accept
	}
	return s.row("ssh", strconv.Itoa(g.SSHPort), here, sameness(slices.Contains(g.Doors, s.host.SSHPort))) + accept
}

// acceptRule names a kind of accept rule.
func acceptRule(k gate.DoorKind) string {
	return map[gate.DoorKind]string{gate.DoorRCheck: "fixed", gate.DoorUpdate: "sliding", gate.DoorRemove: "one-shot"}[k]
}

// windowRow compares the window.
func (s *compareScreen) windowRow(i gate.Inspection) string {
	there, here := i.Gate.Window(), s.window()
	switch {
	case there != 0:
		return s.row("window", hosts.FormatDuration(there), hosts.FormatDuration(here), sameness(there == here))
	case i.Kind == gate.FromScript:
		return s.row("window", "computed", hosts.FormatDuration(here), untold)
	}
	return s.row("window", "endless", hosts.FormatDuration(here), differs)
}

// gateNote says where a gate stands.
func gateNote(i gate.Inspection) string {
	var families []string
	for _, g := range i.Gates {
		families = append(families, "IPv"+string(g.Family))
	}
	return fmt.Sprintf("%s, %s, chain %s", i.Kind, strings.Join(families, " and "), knock.Clean(i.Gate.Chain, 30))
}

// agreement is how what is there compares with what is here.
type agreement string

const (
	same    agreement = "same"
	differs agreement = "differs"
	untold  agreement = "not told"
)

func sameness(is bool) agreement {
	if is {
		return same
	}
	return differs
}

// row is one line of the table.
func (s *compareScreen) row(name, there, here string, a agreement) string {
	style := s.theme.Dim
	switch a {
	case same:
		style = s.theme.Good
	case differs:
		style = s.theme.Bad
	}
	return " " + ui.Fit(name, 9) + ui.Fit(there, 10) + ui.Fit(here, 10) + style.Render(ui.Fit(string(a), 8))
}
