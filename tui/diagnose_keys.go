package tui

import (
	"context"
	"errors"
	"net/netip"

	tea "github.com/charmbracelet/bubbletea"

	"rapport/diag"
	"rapport/knock"
)

// futureHours is how many hours to come are tried once the user has agreed: as
// many as past ones.
const futureHours = diag.DefaultPast

// toDiagnose shows the Diagnose screen and begins.
func (a *app) toDiagnose() tea.Cmd {
	a.mode, a.help = onDiagnose, false
	return a.startDiagnosis(0)
}

// startDiagnosis runs the diagnosis, with so many hours to come.
func (a *app) startDiagnosis(future int) tea.Cmd {
	t := a.screen.target
	d := diagnoseScreen{began: a.now, future: future, listed: a.diagnose.listed, target: t}
	for _, h := range diag.Hypotheses(a.now, t, diag.DefaultPast, future, nil, nil) {
		d.planned = append(d.planned, diag.Cell{Hypothesis: h})
	}
	a.diagnose = d
	return a.start(diagnosing)
}

// diagnoseKey answers a key on the Diagnose screen.
func (a *app) diagnoseKey(msg tea.KeyMsg) tea.Cmd {
	d := &a.diagnose
	if d.asking {
		d.asking = false
		if msg.String() == "y" {
			return a.startDiagnosis(futureHours)
		}
		return nil
	}
	page := max(1, a.height/3)
	switch msg.String() {
	case "esc":
		if a.job != nil || a.diagnosing() {
			a.cancel()
			d.failure = cancelled
		} else {
			a.mode = onKnock
		}
	case "r":
		return a.startDiagnosis(0)
	case "F":
		d.asking = true
	case "f":
		return a.applyFix()
	case "y":
		return a.copyReport()
	case "m":
		a.screen.masked = !a.screen.masked
	case "tab":
		d.scroll = a.nextSection()
	default:
		d.scroll = scrolled(d.scroll, msg.String(), page)
	}
	_, room := a.diagnosePanes()
	d.scroll = max(0, min(d.scroll, room))
	return nil
}

// applyFix takes over what of the fix is on this side, and knocks.
func (a *app) applyFix() tea.Cmd {
	c := a.change()
	if c.IsZero() {
		return nil
	}
	write := a.adopt(c.String(), c.Apply, "by the diagnosis")
	a.mode = onKnock
	return tea.Batch(write, a.start(knocking))
}

// copyReport hands the report to the terminal's clipboard.
func (a *app) copyReport() tea.Cmd {
	if !a.diagnose.report.Done {
		return nil
	}
	a.diagnose.copied = true
	text, clipboard := a.diagnose.report.Text(false), a.config.clipboard
	return func() tea.Msg {
		clipboard(text)
		return nil
	}
}

// tookSnapshot notes an event of the diagnosis, and shows the address that it found.
func (a *app) tookSnapshot(event any) {
	a.diagnose.take(event)
	addr, err := netip.ParseAddr(a.diagnose.report.Address)
	if err == nil && addr != a.screen.target.Addr.Addr() {
		a.screen.take(a.now, pinned{addr})
	}
}

// diagnosed takes the end of a diagnosis.
func (a *app) diagnosed(err error) {
	d := &a.diagnose
	switch v := d.report.Verdict; {
	case errors.Is(err, context.Canceled):
		d.failure = cancelled
	case err != nil:
		d.failure = knock.Clean(err.Error(), 400)
		a.screen.note(a.now, "diagnosis: %s", d.failure)
	default:
		a.screen.note(a.now, "diagnosis: %s", v.Summary)
	}
}
