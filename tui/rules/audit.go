package rules

import (
	"context"
	"fmt"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"rapport/knock"
	"rapport/knock/gate/audit"
	"rapport/knock/gate/script/dryrun"
	"rapport/tui/ui"
)

// startAudit plays attacks and accidents against the rules.
func (s *Screen) startAudit() tea.Cmd {
	q := s.Result.Query
	r := audit.Request{Findings: s.seen.Findings, Inspection: s.seen.Inspection, Range: q.Range, Secret: q.Secret, Hour: q.Hour, SSHPort: s.Host.SSHPort}
	job, cmd := ui.StartJob(s.Ctx, func(ctx context.Context, emit func(any)) error {
		r, err := dryrun.Loaded(ctx, r)
		if err != nil {
			return err
		}
		report, err := audit.Run(ctx, r)
		if err == nil {
			emit(report)
		}
		return err
	})
	s.Job = job
	return cmd
}

// auditLines draws the audit.
func (s *Screen) auditLines() (lines []string, most int) {
	p := ui.Pane{Title: "audit"}
	if s.audited == nil {
		p.Lines = s.paragraph(s.Theme.Ink, fmt.Sprintf("playing %d attacks and accidents against these rules, on this machine", len(audit.Names())))
		return s.Frame(p), 0
	}
	if p.Note = "nothing fails"; len(s.audited.Failed()) > 0 {
		p.Note = "failed: " + strings.Join(s.audited.Failed(), ", ")
	}
	l := listing{list: p}
	const status, name = 9, 17
	styles := map[audit.Status]ui.Style{audit.OK: s.Theme.Open, audit.Warn: s.Theme.Warn, audit.Fail: s.Theme.Bad, audit.Unknown: s.Theme.Quiet}
	for _, c := range s.audited.Checks {
		l.rows = append(l.rows, "  "+styles[c.Status].Render(ui.Fit(string(c.Status), status))+
			ui.Fit(c.ID, name)+s.cut(knock.Clean(c.Summary, 400), s.Size.Width-status-name-5))
	}
	c := s.audited.Checks[s.at(len(l.rows))]
	fix := c.Fix
	if fix != "" {
		fix = "fix: " + fix
	}
	l.chosen = ui.Pane{Title: c.ID + ": " + string(c.Status), Lines: s.part(5, c.Summary+c.Cost.String(), fix)}
	return s.listLines(l)
}
