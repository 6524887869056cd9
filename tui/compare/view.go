package compare

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"rapport/knock"
	"rapport/knock/gate"
	"rapport/knock/netfilter"
	"rapport/knock/phrase"
	"rapport/knock/solve"
	"rapport/tui/session"
	"rapport/tui/ui"
)

// View implements [session.Screen].
func (s *Screen) View() []string {
	lines, _ := s.layOut()
	return lines
}

// layOut draws the screen, and returns by how many lines its text can be scrolled.
func (s *Screen) layOut() (lines []string, most int) {
	switch {
	case s.Step == Naming:
		return s.Frame(s.pathPane()), 0
	case s.Step == Collecting:
		return s.Frame(s.collectPane()), 0
	case s.Result == nil:
		return s.Frame(ui.Pane{Title: "compare", Lines: s.indented(s.underWay())}), 0
	}
	if s.Result.Gate != nil || s.Result.Kind == "" {
		lines = s.Frame(s.portsPane())
	}
	room := s.Size.Height - 2 - len(lines)
	framed := s.Size.Framed()
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
			p.Add(s.Theme.Dim.Render(" " + p.Foot))
		}
	}
	if framed {
		p.Fill(room)
	}
	return append(lines, s.Frame(p)...), most
}

// indented wraps a text into the lines of a pane.
func (s *Screen) indented(text string) []string {
	return ui.Paragraph(s.Theme.Plain, text, " ", s.Size.Width-3)
}

func (s *Screen) underWay() string {
	what := s.Text.size()
	if s.path != "" {
		what = knock.Clean(s.path, 200)
	}
	return fmt.Sprintf("comparing %s: every hour within %d either way, every range, every secret variant", what, solve.DefaultHours)
}

// collectPane asks for the rules, and shows how much text there is.
func (s *Screen) collectPane() ui.Pane {
	th := s.Theme
	p := ui.Pane{Title: "compare with the server's rules"}
	p.Add(s.indented("Paste what one of these prints on the server, as root:")...)
	p.Add("     iptables-save; ip6tables-save", "     nft list ruleset")
	p.Add(s.indented("or its script, or five ports that it expects. Then press enter on an empty line, or ctrl+d.")...)
	p.Add("")
	switch n := len(s.Text.Bytes); {
	case n == 0:
		p.Add(th.Dim.Render(" nothing yet"))
	case s.Text.isPorts() && s.Masked:
		p.Add(" " + th.Accent.Render("ports") + "  ***** _")
	case s.Text.isPorts():
		typed := strings.Join(strings.Fields(string(s.Text.Bytes)), " ")
		p.Add(s.indented(th.Accent.Render("ports") + "  " + typed + " _")...)
	default:
		p.Add(" " + th.Accent.Render("text") + "  " + s.Text.size() + " _")
		if n == maxText {
			p.Add(" " + th.Bad.Render("the rest is dropped: "+netfilter.ErrLongRules.Error()))
		}
	}
	return s.failing(p)
}

// pathPane asks for a file.
func (s *Screen) pathPane() ui.Pane {
	return s.failing(ui.Pane{Title: "compare with a file", Lines: []string{" " + s.Theme.Accent.Render("path") + "  " + s.input.View()}})
}

// failing adds why the last comparison failed.
func (s *Screen) failing(p ui.Pane) ui.Pane {
	if s.failure != "" {
		p.Add("")
		p.Add(ui.Paragraph(s.Theme.Bad, s.failure, " ", s.Size.Width-3)...)
	}
	return p
}

// portsPane shows the server's phases beside the client's sequence.
func (s *Screen) portsPane() ui.Pane {
	i := s.Result
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
	p.Add(s.Theme.Dim.Render(" " + ui.Fit("", 9) + ui.Fit("there", 10) + ui.Fit("here", 10) + "for hour " + i.Query.Hour.String()))
	for k, name := range session.Ordinals() {
		here := seq.Ports()[k]
		switch {
		case k >= len(there):
			p.Add(s.row(name, "none", s.Port(here), differs))
		case there[k] == 0:
			p.Add(s.row(name, "computed", s.Port(here), unknown))
		default:
			p.Add(s.row(name, s.Port(there[k]), s.Port(here), sameness(there[k] == here)))
		}
	}
	if i.Gate != nil {
		p.Add(s.sshRow(*i.Gate), s.windowRow(*i))
	}
	return p
}

// sshRow compares the SSH port, and names the kind of accept rule.
func (s *Screen) sshRow(g gate.Gate) string {
	here := strconv.Itoa(s.Host.SSHPort)
	accept := "   accept " + acceptRule(g.Accept)
	switch {
	case g.Accept == "":
		return s.row("ssh", "no rule", here, differs)
	case g.SSHPort == 0:
		return s.row("ssh", "any", here, same) + accept
	}
	return s.row("ssh", strconv.Itoa(g.SSHPort), here, sameness(slices.Contains(g.AcceptPorts, s.Host.SSHPort))) + accept
}

// acceptRule names a kind of accept rule.
func acceptRule(k gate.AcceptKind) string {
	return map[gate.AcceptKind]string{gate.Fixed: "fixed", gate.Sliding: "sliding", gate.OneShot: "one-shot"}[k]
}

// windowRow compares the window.
func (s *Screen) windowRow(i gate.Inspection) string {
	there, here := i.Gate.Window(), s.Window()
	switch {
	case there != 0:
		return s.row("window", phrase.Duration(there), phrase.Duration(here), sameness(there == here))
	case i.Kind == gate.FromScript:
		return s.row("window", "computed", phrase.Duration(here), unknown)
	}
	return s.row("window", "endless", phrase.Duration(here), differs)
}

// gateNote names the kind, families and chain of a gate.
func gateNote(i gate.Inspection) string {
	var families []string
	for _, g := range i.Gates {
		families = append(families, "IPv"+string(g.Family))
	}
	return fmt.Sprintf("%s, %s, chain %s", i.Kind, strings.Join(families, " and "), knock.Clean(i.Gate.Chain, 30))
}

// agreement says whether server and client have the same.
type agreement string

const (
	same    agreement = "same"
	differs agreement = "differs"
	unknown agreement = "unknown"
)

func sameness(is bool) agreement {
	if is {
		return same
	}
	return differs
}

// row is one line of the table.
func (s *Screen) row(name, there, here string, a agreement) string {
	style := s.Theme.Dim
	switch a {
	case same:
		style = s.Theme.Good
	case differs:
		style = s.Theme.Bad
	}
	return " " + ui.Fit(name, 9) + ui.Fit(there, 10) + ui.Fit(here, 10) + style.Render(ui.Fit(string(a), 8))
}
