package tui

import (
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"rapport/tui/ui"
)

// frameTime is the least time between two frames that jobs ask for.
const frameTime = time.Second / 30

// paced draws at most 30 frames a second while jobs report: Bubble Tea draws a view for
// every message, of which handshakes with many servers send thousands. What the user does
// is drawn at once.
type paced struct {
	model   tea.Model
	frame   string // the last one
	drawn   time.Time
	held    bool // the view waits for the next frame
	waiting bool // a frameDue is on its way
}

// frameDue is the message that draws what was held back.
type frameDue struct{}

// Init implements [tea.Model].
func (p *paced) Init() tea.Cmd { return p.model.Init() }

// Update implements [tea.Model].
func (p *paced) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	if _, due := msg.(frameDue); due {
		p.waiting, p.held = false, false
		return p, nil
	}
	_, cmd := p.model.Update(msg)
	_, reports := msg.(ui.JobEvent)
	since := time.Since(p.drawn)
	if p.held = reports && since < frameTime; p.held && !p.waiting {
		p.waiting = true
		cmd = tea.Batch(cmd, tea.Tick(frameTime-since, func(time.Time) tea.Msg { return frameDue{} }))
	}
	return p, cmd
}

// View implements [tea.Model].
func (p *paced) View() string {
	if !p.held {
		p.frame, p.drawn = p.model.View(), time.Now()
	}
	return p.frame
}
