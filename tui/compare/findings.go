package compare

import (
	"fmt"
	"slices"
	"strings"

	"github.com/charmbracelet/lipgloss"

	"rapport/knock"
	"rapport/knock/gate"
	"rapport/knock/phrase"
	"rapport/knock/solve"
	"rapport/tui/session"
	"rapport/tui/ui"
)

// findings are the lines below the table.
func (s *Screen) findings() (out []string) {
	i, th := s.Result, s.Theme
	add := func(style lipgloss.Style, text string) {
		out = append(out, ui.Paragraph(style, s.withoutPorts(text), " ", s.Size.Width-3)...)
	}
	add(th.Strong, s.Notice)
	if s.Step == Comparing {
		add(th.Dim, s.underWay())
	}
	if i.Printed != nil {
		add(th.Plain, i.Printed.Words())
	}
	if m := i.Candidate(); m != nil {
		add(th.Plain, fmt.Sprintf("made with: hour %v (%s), range %v, the secret %s", m.Hour, m.When(), m.Range, m.Variant.Words()))
		if n := i.Others(); n > 0 {
			add(th.Warn, fmt.Sprintf("ambiguous: made by %s of hour, range and secret too", phrase.Plural(n, "other combination")))
		}
	}
	add(s.conclusion())
	add(th.Warn, s.staleness())
	out = append(out, s.offer()...)
	if g := i.Gate; g != nil {
		for _, also := range g.Also {
			add(th.Plain, "also accepts: "+session.PortList(also))
		}
		if len(i.Problems) == 0 {
			add(th.Plain, "no problems")
		}
	}
	return append(out, s.problems()...)
}

// conclusion says in one line whether client and server agree.
func (s *Screen) conclusion() (lipgloss.Style, string) {
	i, th := s.Result, s.Theme
	switch {
	case i.OtherSecret():
		return th.Bad, fmt.Sprintf("another secret: no hour within %d either way, no range and no secret variant makes these ports", solve.DefaultHours)
	case len(i.Differs) > 0:
		return th.Warn, "differs: " + strings.Join(i.Differs, "; ")
	case i.Candidate() != nil:
		return th.Good, "hour, range and secret are the same here"
	case i.Printed != nil:
		return th.Good, "range, window and ssh port are the same here"
	}
	return th.Plain, ""
}

// staleness warns that this client now follows a server whose hour is not the true
// one.
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
	if s.listed {
		how += ", and in the hosts file"
	}
	if c.Skew != nil {
		how += "; if the server's refresh has stopped, fix that instead"
	}
	return append([]string{" " + s.Theme.Accent.Render("f") + "  apply " + c.String()},
		ui.Paragraph(s.Theme.Dim, how, "    ", s.Size.Width-3)...)
}

// problems are the problems of the gate, with their fixes.
func (s *Screen) problems() (out []string) {
	for _, p := range s.Result.Problems {
		style := s.Theme.Dim
		switch p.Severity {
		case gate.SeverityError:
			style = s.Theme.Bad
		case gate.SeverityWarning:
			style = s.Theme.Warn
		}
		text := fmt.Sprintf("%s %s: %s", p.Severity, p.Code, p.Summary)
		out = append(out, ui.Paragraph(style, s.withoutPorts(text), " ", s.Size.Width-3)...)
		label := "fix: "
		for _, l := range ui.Wrap(s.withoutPorts(p.Fix), s.Size.Width-11) {
			out = append(out, "   "+label+l)
			label = "     "
		}
	}
	return out
}

// withoutPorts hides the knock ports in a text while the screen is masked.
func (s *Screen) withoutPorts(text string) string {
	i := s.Result
	ports := slices.Clone(i.Query.Ports[:])
	if i.Gate != nil {
		ports = slices.Concat(ports, i.Gate.Ports, slices.Concat(i.Gate.Also...))
	}
	return s.Hide(text, ports)
}
