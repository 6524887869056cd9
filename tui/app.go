// Package tui is the screens. It is the only package that knows a terminal;
// what the screens show is computed elsewhere, and they draw snapshots of it.
package tui

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"

	"rapport/knock"
)

// app is the one tea.Model. Update never blocks: whatever takes time is a job.
type app struct {
	ctx    context.Context
	config Config
	theme  theme
	keys   keys
	width  int
	height int
	now    time.Time
	screen knockScreen
	help   bool
	// interrupted says that the user left with ctrl+c.
	interrupted bool

	job    *job  // under way, or nil
	jobs   int   // how many there have been
	queued stage // what to start when the cancelled job has returned
	fast   bool  // a fast beat is on its way
}

// beat is the heartbeat, once a second; fastBeat comes ten times a second while
// something moves.
type (
	beat     time.Time
	fastBeat time.Time
)

func newApp(ctx context.Context, c Config, th theme) app {
	a := app{ctx: ctx, config: c, theme: th, keys: newKeys(), now: c.clock()}
	a.screen = knockScreen{target: c.Target, planned: len(c.gaps())}
	for _, n := range c.Notes {
		a.screen.note(a.now, "%s", n)
	}
	return a
}

// Init implements [tea.Model].
func (a app) Init() tea.Cmd {
	return tea.Batch(everySecond(), func() tea.Msg { return startMsg{resolving} })
}

// startMsg asks for a job.
type startMsg struct{ stage stage }

func everySecond() tea.Cmd {
	return tea.Every(time.Second, func(t time.Time) tea.Msg { return beat(t) })
}

// Update implements [tea.Model].
func (a app) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	a.now = a.config.clock()
	var cmd tea.Cmd
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		a.width, a.height = msg.Width, msg.Height
	case beat:
		cmd = everySecond()
	case fastBeat:
		a.fast = false
	case startMsg:
		cmd = a.start(msg.stage)
	case jobEvent:
		if a.job != nil && msg.number == a.job.number {
			a.screen.take(a.now, msg.event)
		}
		cmd = msg.next
	case jobDone:
		cmd = a.done(msg)
	case tea.KeyMsg:
		cmd = a.keyed(msg)
	}
	return a, tea.Batch(cmd, a.quicken())
}

// quicken arms the fast beat while something moves on the screen.
func (a *app) quicken() tea.Cmd {
	left, _ := a.screen.window(a.now)
	if a.fast || a.screen.stage == idle && left == 0 {
		return nil
	}
	a.fast = true
	return tea.Tick(100*time.Millisecond, func(t time.Time) tea.Msg { return fastBeat(t) })
}

// keyed answers a key. Keys that were read together arrive as one message, and
// count one by one.
func (a *app) keyed(msg tea.KeyMsg) tea.Cmd {
	if msg.Paste {
		return nil
	}
	if msg.Type == tea.KeyRunes && len(msg.Runes) > 1 {
		var cmds []tea.Cmd
		for _, r := range msg.Runes {
			cmds = append(cmds, a.keyed(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune{r}}))
		}
		return tea.Sequence(cmds...)
	}
	switch {
	case key.Matches(msg, a.keys.Quit):
		a.interrupted = msg.Type == tea.KeyCtrlC
		return tea.Quit
	case key.Matches(msg, a.keys.Suspend):
		return tea.Suspend
	case key.Matches(msg, a.keys.Help):
		a.help = !a.help
	case key.Matches(msg, a.keys.Cancel):
		if a.help {
			a.help = false
		} else if a.job != nil {
			a.queued = idle
			a.job.cancel()
		}
	case key.Matches(msg, a.keys.Mask):
		a.screen.masked = !a.screen.masked
	case key.Matches(msg, a.keys.Copy):
		return a.copySequence()
	case key.Matches(msg, a.keys.Knock):
		a.help = false
		return a.start(knocking)
	case key.Matches(msg, a.keys.Probe):
		a.help = false
		return a.start(probing)
	}
	return nil
}

// start begins a job. There is only ever one: another that is under way is
// cancelled, and the new one begins when that has returned, so that two
// handshakes never mix on the wire.
func (a *app) start(st stage) tea.Cmd {
	if a.job != nil {
		a.queued = st
		a.job.cancel()
		return nil
	}
	a.screen.start(st)
	target, client, config := a.screen.target, a.config.Client, a.config
	a.jobs++
	j, cmd := startJob(a.ctx, a.jobs, func(ctx context.Context, emit func(any)) error {
		addr, err := resolve(ctx, client, config)
		if err != nil {
			return err
		}
		emit(pinned{addr.Addr()})
		target.Addr = addr
		switch st {
		case knocking:
			_, err = client.Knock(ctx, target, config.Options, func(e knock.Event) { emit(e) })
		case probing:
			var r knock.ProbeReport
			if r, err = client.Probe(ctx, target.Host, addr, knock.Options{}); err == nil {
				emit(probed{r})
			}
		}
		return err
	})
	a.job = &j
	return cmd
}

// done takes the end of a job, and starts what was queued behind it.
func (a *app) done(msg jobDone) tea.Cmd {
	if a.job == nil || msg.number != a.job.number {
		return nil
	}
	a.job = nil
	was := a.screen.stage
	a.screen.stage = idle
	switch {
	case errors.Is(msg.err, context.Canceled):
		a.screen.looking = false
		a.screen.failure = "cancelled"
		a.screen.note(a.now, "cancelled")
	case msg.err != nil:
		a.screen.failure = msg.err.Error()
		if was != knocking || errors.Is(msg.err, knock.ErrName) {
			a.screen.note(a.now, "%v", msg.err)
		}
	}
	if next := a.queued; next != idle {
		a.queued = idle
		return a.start(next)
	}
	return nil
}

// copySequence hands this hour's ports to the terminal's clipboard.
func (a *app) copySequence() tea.Cmd {
	ports := a.screen.current(a.now).Ports()
	text := fmt.Sprint(ports[0])
	for _, p := range ports[1:] {
		text += fmt.Sprintf(" %d", p)
	}
	a.screen.note(a.now, "sequence sent to the terminal's clipboard (OSC 52)")
	clipboard := a.config.clipboard
	return func() tea.Msg {
		clipboard(text)
		return nil
	}
}
