package rules

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"rapport/knock"
	"rapport/knock/gate"
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
	case s.Step == Compared && s.capture != nil:
		return s.captureLines(), 0
	case s.Size.Tiny() && s.Step != Naming:
		return s.tiny()
	case s.Step == Naming:
		title := "rules, or a capture, from a file"
		if s.capture != nil {
			title = "the capture of the other side"
		}
		path := " " + s.Theme.Accent.Render("path") + "  " + s.input.View()
		return s.Frame(s.failing(ui.Pane{Title: title, Lines: []string{path}})), 0
	case s.Step == Collecting:
		return s.waiting(), 0
	case s.Result == nil:
		return s.Frame(ui.Pane{Title: "rules", Lines: s.paragraph(s.Theme.Ink, s.underWay())}), 0
	}
	if s.Size.Wide() && s.Result.Gate != nil {
		return s.wide()
	}
	switch s.view {
	case traceView:
		return s.traceLines()
	case auditView:
		return s.auditLines()
	}
	if s.Result.Gate != nil || s.Result.Kind == "" {
		lines = s.Frame(s.portsPane())
	}
	room := s.Size.Body() - len(lines)
	framed := s.Size.Framed()
	if framed {
		room -= 2 // the frame
	}
	p := ui.Pane{Title: "findings", Lines: s.findings()}
	if len(p.Lines) > room {
		shown := room
		if !framed {
			shown--
		}
		p.Lines, p.Foot, most = s.scroll[s.view].Window(p.Lines, shown)
		p.Foot += ", up and down"
		if !framed {
			p.Add(s.Theme.Quiet.Render(" " + p.Foot))
		}
	}
	if framed {
		p.Fill(room)
	}
	return append(lines, s.Frame(p)...), most
}

// paragraph wraps a text into the lines of a pane.
func (s *Screen) paragraph(style ui.Style, text string) []string {
	return ui.Paragraph(style, knock.Clean(text, 4000), " ", s.width()-3)
}

// width is that of the screen, or of the part of it that is drawn.
func (s *Screen) width() int { return cmp.Or(s.paneWidth, s.Size.Width) }

func (s *Screen) underWay() string {
	what := s.Text.size()
	if s.example {
		what = "an example"
	}
	if s.path != "" {
		what = knock.Clean(s.path, 200)
	}
	if s.capture != nil {
		return "reading " + what + " beside the capture of the other side"
	}
	return fmt.Sprintf("comparing %s: every hour within %d either way, every range, every secret variant", what, solve.DefaultHours)
}

// failing adds why the last comparison failed.
func (s *Screen) failing(p ui.Pane) ui.Pane {
	if s.failure != "" {
		p.Add("")
		p.Add(s.paragraph(s.Theme.Bad, s.failure)...)
	}
	return p
}

// portsPane shows the server's phases beside the client's sequence.
func (s *Screen) portsPane() ui.Pane {
	i := s.Result
	p := ui.Pane{Title: "rules", Note: "five ports"}
	there := s.there()
	if i.Gate != nil {
		p.Note = gateNote(*i)
	}
	seq := knock.Derive(i.Query.Hour, i.Query.Range, i.Query.Secret)
	p.Add(s.Theme.Quiet.Render(" " + ui.Fit("", 9) + ui.Fit("there", 10) + ui.Fit("here", 10) + "for hour " + i.Query.Hour.String()))
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
	accept := "   accept " + map[gate.AcceptKind]string{gate.Fixed: "fixed", gate.Sliding: "sliding", gate.OneShot: "one-shot"}[g.Accept]
	switch {
	case g.Accept == "":
		return s.row("ssh", "no rule", here, differs)
	case g.SSHPort == 0:
		return s.row("ssh", "any", here, same) + accept
	}
	return s.row("ssh", strconv.Itoa(g.SSHPort), here, sameness(slices.Contains(g.AcceptPorts, s.Host.SSHPort))) + accept
}

func (s *Screen) windowRow(i gate.Inspection) string {
	there, here := i.Gate.Window(), s.Window()
	switch {
	case there != 0:
		return s.row("window", ui.Duration(there), ui.Duration(here), sameness(there == here))
	case i.Kind == gate.FromScript:
		return s.row("window", "computed", ui.Duration(here), unknown)
	}
	return s.row("window", "endless", ui.Duration(here), differs)
}

// gateNote names the kind, families and chain of a gate.
func gateNote(i gate.Inspection) string {
	return gateKind(i) + ", chain " + knock.Clean(i.Gate.Chain, 30)
}

// gateKind names the kind and families of a gate.
func gateKind(i gate.Inspection) string {
	var families []string
	for _, g := range i.Gates {
		families = append(families, "IPv"+string(g.Family))
	}
	return fmt.Sprintf("%s, %s", i.Kind, strings.Join(families, " and "))
}

// Whether server and client have the same.
const same, differs, unknown = "same", "differs", "unknown"

func sameness(is bool) string {
	if is {
		return same
	}
	return differs
}

func (s *Screen) row(name, there, here, agreement string) string {
	style := map[string]ui.Style{same: s.Theme.Open, differs: s.Theme.Bad, unknown: s.Theme.Quiet}[agreement]
	return " " + ui.Fit(name, 9) + ui.Fit(there, 10) + ui.Fit(here, 10) + style.Render(ui.Fit(agreement, 8))
}

// findings are the lines below the table.
func (s *Screen) findings() (out []string) {
	i, th := s.Result, s.Theme
	add := func(style ui.Style, text string) {
		out = append(out, s.paragraph(style, text)...)
	}
	add(th.Strong, s.Notice)
	if s.Step == Comparing {
		add(th.Quiet, s.underWay())
	}
	if i.Printed != nil {
		add(th.Ink, i.Printed.Words())
	}
	if m := i.Candidate(); m != nil {
		add(th.Ink, fmt.Sprintf("made with: hour %v (%s), range %v, the secret %s", m.Hour, m.When(), m.Range, m.Variant.Words()))
		if n := i.Others(); n > 0 {
			add(th.Warn, fmt.Sprintf("ambiguous: made by %s of hour, range and secret too", phrase.Plural(n, "other combination")))
		}
	}
	add(s.conclusion())
	add(th.Warn, s.staleness())
	out = append(out, s.offer()...)
	if g := i.Gate; g != nil {
		for _, also := range g.Also {
			var ports []string
			for _, p := range also {
				ports = append(ports, s.Port(p))
			}
			add(th.Ink, "also accepts: "+strings.Join(ports, " "))
		}
		if len(i.Problems) == 0 {
			add(th.Ink, "no problems")
		}
	}
	return append(out, s.problems()...)
}

// conclusion says in one line whether client and server agree.
func (s *Screen) conclusion() (ui.Style, string) {
	i, th := s.Result, s.Theme
	switch {
	case i.OtherSecret():
		return th.Bad, fmt.Sprintf("another secret: no hour within %d either way, no range and no secret variant makes these ports", solve.DefaultHours)
	case len(i.Differs) > 0:
		return th.Warn, "differs: " + strings.Join(i.Differs, "; ")
	case i.Candidate() != nil:
		return th.Open, "hour, range and secret are the same here"
	case i.Printed != nil:
		return th.Open, "range, window and ssh port are the same here"
	}
	return th.Ink, ""
}

// staleness warns that this client now follows a server with a wrong hour.
func (s *Screen) staleness() string {
	m := s.Result.Candidate()
	if m == nil || !s.follows || s.Step != Compared || m.Offset != 0 {
		return ""
	}
	switch real := (solve.Candidate{Offset: m.Hour.Sub(knock.HourOf(s.Began))}); {
	case real.Offset < 0:
		return fmt.Sprintf("the server's rules are still stale, from %s: this client only follows", real.When())
	case real.Offset > 0:
		return fmt.Sprintf("the server's rules are still for %s: this client only follows", real.When())
	}
	return ""
}

// offer says what the f key would apply, and where.
func (s *Screen) offer() []string {
	c := s.Change()
	if c.IsZero() {
		return nil
	}
	how := "for this run"
	if s.seen.listed {
		how += ", and in the hosts file"
	}
	if c.Skew != nil {
		how += "; if the server's refresh has stopped, fix that instead"
	}
	return append([]string{" " + s.Theme.Accent.Render("f") + "  apply " + c.String()},
		ui.Paragraph(s.Theme.Quiet, how, "    ", s.width()-3)...)
}

// problems are the problems of the gate, with their fixes.
func (s *Screen) problems() (out []string) {
	styles := map[gate.Severity]ui.Style{gate.SeverityError: s.Theme.Bad, gate.SeverityWarning: s.Theme.Warn, gate.SeverityInfo: s.Theme.Quiet}
	for _, p := range s.Result.Problems {
		style := styles[p.Severity]
		summary := p.Summary
		if s.Masked {
			summary = p.WithoutPorts()
		}
		out = append(out, s.paragraph(style, fmt.Sprintf("%s %s: %s", p.Severity, p.Code, summary))...)
		label := "fix: "
		for _, l := range ui.Wrap(knock.Clean(p.Fix, 4000), s.width()-11) {
			out = append(out, "   "+label+l)
			label = "     "
		}
	}
	return out
}
