package rules

import (
	"fmt"
	"strings"

	"rapport/knock"
	"rapport/knock/gate/audit"
	"rapport/tui/ui"
)

// within is the screen as a part of itself, w cells wide.
func (s *Screen) within(w int) *Screen {
	part := *s
	part.paneWidth = w
	return &part
}

const (
	widePhases, wideTop = 56, 10 // the phases in a wide screen
	wideDetails         = 7      // what is said of the chosen row there
)

// auditSide is the width of the audit in a wide screen.
func auditSide(w int) int { return 31 + max(0, (w-119)/3) }

// wide draws all views at once: the phases beside the client's and the findings, the
// trace beside the audit, and what there is to say of the chosen row. The view that the
// keys move has a bright frame.
func (s *Screen) wide() (lines []string, most int) {
	const phases, details = widePhases, wideDetails
	w, th, top := s.Size.Width, s.Theme, s.wideFindings()
	left := s.portsPane()
	left.Title, left.Note = "phases", gateKind(*s.Result)
	findings, most := s.findingsBox(w-phases, top)
	lines = ui.Beside(th.Box(phases, top, left), findings, phases)
	side := auditSide(w)
	room := s.Size.Body() - top - details
	traced, steps := s.traceBox(w-side, room)
	audited, checks := s.auditBox(side, room)
	lines = append(lines, ui.Beside(traced, audited, w-side)...)
	switch s.view {
	case traceView:
		most = steps
	case auditView:
		most = checks
	}
	return append(lines, th.Box(w, details, s.details(details-2))...), most
}

// wideFindings is the height of the findings in a wide screen: they take what trace, audit
// and the details leave.
func (s *Screen) wideFindings() int {
	const heads, frame = 4, 2
	below := frame + max(heads+len(s.trace.rows), len(audit.Names()))
	spare := s.Size.Body() - wideDetails - below - wideTop
	all := len(s.within(s.Size.Width-widePhases).findings()) + frame
	return wideTop + max(0, min(spare, all-wideTop))
}

// focus is the edge of a view's frame: bright where the keys move it.
func (s *Screen) focus(v view) *ui.Style {
	if s.view != v {
		return nil
	}
	edge := s.Theme.Accent
	return &edge
}

// findingsBox draws the findings, and returns by how many lines they can be scrolled.
func (s *Screen) findingsBox(w, h int) (lines []string, most int) {
	p := ui.Pane{Title: "findings", Edge: s.focus(findingsView), Lines: s.within(w).findings()}
	if n := len(p.Lines); n > h-2 {
		p.Lines, p.Foot, most = s.scroll[findingsView].Window(p.Lines, h-2)
	}
	return s.Theme.Box(w, h, p), most
}

// traceBox draws the trace, and returns how far its cursor can move.
func (s *Screen) traceBox(w, h int) (lines []string, most int) {
	p := ui.Pane{Title: "trace", Edge: s.focus(traceView)}
	if why := s.untraced(); why != "" {
		p.Lines = s.within(w).paragraph(s.Theme.Ink, why)
		return s.Theme.Box(w, h, p), 0
	}
	p.Note, p.Lines = s.traceNote(), s.traceHeads(w-2)
	l := listing{rows: s.traceRows(w - 2), at: s.chosenOf(traceView, len(s.trace.rows))}
	shown, where := s.window(l, h-2-len(p.Lines), w-2, s.view == traceView)
	if p.Add(shown...); len(shown) < len(l.rows) {
		p.Foot = where
	}
	return s.Theme.Box(w, h, p), len(l.rows) - 1
}

// auditBox draws the audit, and returns how far its cursor can move.
func (s *Screen) auditBox(w, h int) (lines []string, most int) {
	p := ui.Pane{Title: "audit", Edge: s.focus(auditView)}
	if s.audited == nil {
		text := "tab plays attacks and accidents against these rules"
		if s.Job != nil {
			text = playing()
		}
		p.Lines = s.within(w).paragraph(s.Theme.Quiet, text)
		return s.Theme.Box(w, h, p), 0
	}
	counts := map[audit.Status]int{}
	for _, c := range s.audited.Checks {
		counts[c.Status]++
	}
	p.Note = fmt.Sprintf("%d fail, %d warn", counts[audit.Fail], counts[audit.Warn])
	l := listing{rows: s.auditRows(w - 2), at: s.chosenOf(auditView, len(s.audited.Checks))}
	shown, where := s.window(l, h-2, w-2, s.view == auditView)
	if p.Lines = shown; len(shown) < len(l.rows) {
		p.Foot = where
	}
	return s.Theme.Box(w, h, p), len(l.rows) - 1
}

// details are what there is to say of the chosen check, or of the chosen rule, in n lines.
func (s *Screen) details(n int) ui.Pane {
	switch {
	case s.view == auditView && s.audited != nil:
		c := s.audited.Checks[s.chosenOf(auditView, len(s.audited.Checks))]
		return ui.Pane{Title: c.ID + ": " + string(c.Status), Lines: s.part(n, checkTexts(c)...)}
	case len(s.trace.rows) > 0:
		r := s.trace.rows[s.chosenOf(traceView, len(s.trace.rows))]
		return ui.Pane{Title: s.ruleTitle(r), Lines: append(s.part(n-3, s.ruleText(r, r.Text)), s.reasons(r)...)}
	}
	return ui.Pane{Title: "rule"}
}

// tiny draws the least: the answer, and what is chosen.
func (s *Screen) tiny() (lines []string, most int) {
	th, room := s.Theme, s.Size.Body()
	head := func(style ui.Style, word, text string) {
		lines = append(lines, " "+style.Render(word)+"  "+ui.Truncate(text, s.Size.Width-4-ui.Cells(word)))
	}
	switch {
	case s.Step == Collecting:
		head(th.Strong, "PASTE THE RULES", s.collected())
		lines = append(lines, "  iptables-save; ip6tables-save", "  nft list ruleset")
		lines = append(lines, s.paragraph(th.Quiet, "or a script, or five ports; an empty line ends them")...)
		lines = append(lines, s.paragraph(th.Bad, s.failure)...)
	case s.Result == nil:
		head(th.Accent, "COMPARING", s.path)
		lines = append(lines, s.paragraph(th.Ink, s.underWay())...)
	case s.view == traceView && s.untraced() == "":
		return s.tinyTrace()
	case s.view == auditView && s.audited != nil:
		all := s.audited.Checks
		c := all[s.at(len(all))]
		head(th.Strong, "AUDIT", s.failed())
		head(map[audit.Status]ui.Style{audit.OK: th.Open, audit.Warn: th.Warn, audit.Fail: th.Bad, audit.Unknown: th.Quiet}[c.Status],
			string(c.Status), fmt.Sprintf("%s, %d of %d", c.ID, s.at(len(all))+1, len(all)))
		return append(lines, s.part(room-2, checkTexts(c)...)...), len(all) - 1
	case s.view == auditView:
		head(th.Accent, "AUDIT", "under way")
		lines = append(lines, s.paragraph(th.Ink, playing())...)
	default:
		return s.tinyFindings()
	}
	return ui.Cut(lines, room), 0
}

// tinyTrace draws the chosen rule, and what it did to each packet.
func (s *Screen) tinyTrace() (lines []string, most int) {
	r := s.trace.rows[s.at(len(s.trace.rows))]
	line, names := "", ""
	for k := range r.hits {
		sign, style, _ := s.judge(r, k)
		line += style.Render(ui.Fit(" "+sign, 6))
		names += ui.Fit(" "+packetName(k), 6)
	}
	where := fmt.Sprintf("%d of %d", s.at(len(s.trace.rows))+1, len(s.trace.rows))
	lines = []string{ui.Ends(" "+s.Theme.Strong.Render("TRACE")+"  "+s.trace.conclusion(), where+" ", s.Size.Width)}
	lines = append(lines, s.part(s.Size.Body()-3, s.ruleText(r, r.short()))...)
	return append(lines, s.Theme.Quiet.Render(names), line), len(s.trace.rows) - 1
}

// tinyFindings draws whether client and server agree, both sequences, and the first of
// what was found.
func (s *Screen) tinyFindings() (lines []string, most int) {
	style, text := s.conclusion()
	word := "SAME"
	switch i := s.Result; {
	case i.OtherSecret():
		word = "OTHER SECRET"
	case len(i.Differs) > 0:
		word = "DIFFERS"
	case i.Gate == nil && i.Kind != "":
		word = "NO GATE"
	}
	lines = []string{" " + style.Bold(true).Render(word) + "  " + s.Theme.Quiet.Render(ui.Truncate("for hour "+s.Result.Query.Hour.String(), s.Size.Width-4-len(word)))}
	seq := knock.Derive(s.Result.Query.Hour, s.Result.Query.Range, s.Result.Query.Secret)
	there := s.there()
	row := func(name string, of func(k int) string) {
		line := " " + s.Theme.Quiet.Render(name)
		for k := range knock.Knocks {
			line += " " + ui.Fit(of(k), 5)
		}
		lines = append(lines, line)
	}
	row("there", func(k int) string {
		switch {
		case k >= len(there):
			return "none"
		case there[k] == 0:
			return "?"
		}
		return s.Port(there[k])
	})
	row("here ", func(k int) string { return s.Port(seq.Ports()[k]) })
	rest := s.findings()
	if text != "" && strings.TrimSpace(text) != "" {
		rest = append(s.paragraph(style, text), s.problems()...)
		rest = append(rest, s.offer()...)
	}
	shown, _, most := s.scroll[findingsView].Window(rest, max(1, s.Size.Body()-len(lines)))
	return append(lines, shown...), most
}

// collected says how much text there is.
func (s *Screen) collected() string {
	switch {
	case len(s.Text.Bytes) == 0:
		return "nothing yet"
	case s.Text.isPorts() && s.Masked:
		return "*****"
	case s.Text.isPorts():
		return strings.Join(strings.Fields(string(s.Text.Bytes)), " ")
	}
	return s.Text.size()
}

// there are the server's ports: 0 where its script computes one.
func (s *Screen) there() (ports []uint16) {
	if s.Result.Gate != nil {
		ports = s.Result.Gate.Ports
	}
	if s.Result.Query.Ports[0] != 0 {
		ports = s.Result.Query.Ports[:]
	}
	return ports
}
