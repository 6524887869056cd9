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
		p.Lines = s.paragraph(s.Theme.Ink, playing())
		return s.Frame(p), 0
	}
	p.Note = s.failed()
	l := listing{list: p, rows: s.auditRows(s.Size.Width - 2)}
	c := s.audited.Checks[s.at(len(l.rows))]
	l.chosen = ui.Pane{Title: c.ID + ": " + string(c.Status), Lines: s.part(5, checkTexts(c)...)}
	return s.listLines(l)
}

func playing() string {
	return fmt.Sprintf("playing %d attacks and accidents against these rules, on this machine", len(audit.Names()))
}

// failed names the checks that failed.
func (s *Screen) failed() string {
	if len(s.audited.Failed()) > 0 {
		return "failed: " + strings.Join(s.audited.Failed(), ", ")
	}
	return "nothing fails"
}

// checkTexts are what is said of a check, and its fix.
func checkTexts(c audit.Check) []string {
	if c.Fix == "" {
		return []string{c.Summary + c.Cost.String()}
	}
	return []string{c.Summary + c.Cost.String(), "fix: " + c.Fix}
}

// auditRows are the checks in w cells, each with as much of its summary as fits, or in a
// wide screen with what it plays: the summary of the chosen one stands below.
func (s *Screen) auditRows(w int) (rows []string) {
	const status, name = 8, 16
	styles := map[audit.Status]ui.Style{audit.OK: s.Theme.Open, audit.Warn: s.Theme.Warn, audit.Fail: s.Theme.Bad, audit.Unknown: s.Theme.Quiet}
	for _, c := range s.audited.Checks {
		line := "  " + styles[c.Status].Render(ui.Fit(string(c.Status), status)) + ui.Fit(c.ID, name)
		text, room := c.Summary, w-status-name-3
		if s.Size.Wide() {
			text, room = audit.About(c.ID), room+1
		}
		if room > 12 {
			line += s.cut(knock.Clean(text, 400), room)
		}
		rows = append(rows, line)
	}
	return rows
}
