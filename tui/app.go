// Package tui is the screens. It is the only package that knows a terminal;
// what the screens show is computed elsewhere, and they draw snapshots of it.
package tui

import (
	"context"
	"time"

	"github.com/charmbracelet/bubbles/key"
	"github.com/charmbracelet/bubbles/textinput"
	tea "github.com/charmbracelet/bubbletea"

	"rapport/knock"
	"rapport/knock/hosts"
)

// mode is which screen is shown.
type mode int

const (
	onKnock mode = iota
	onHosts
	onForm   // a server is added or changed
	onImport // the path of an old script is asked for
	onSecret // the secret of a server that keeps none is asked for
	onCompare
	onDiagnose
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
	help   bool
	// interrupted says that the user left with ctrl+c.
	interrupted bool

	mode     mode
	screen   knockScreen
	compare  compareScreen  // with the same server
	diagnose diagnoseScreen // of the same server
	list     hostsScreen
	form     form
	input    textinput.Model // of onImport, onSecret, and the Compare screen's path
	asked    hosts.Host      // the server whose secret is asked for

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

// startMsg asks for a job.
type startMsg struct{ stage stage }

func newApp(ctx context.Context, c Config, th theme) app {
	a := app{ctx: ctx, config: c, theme: th, keys: newKeys(), now: c.clock(), mode: onHosts}
	if c.Host != nil {
		a.onServer(*c.Host, c.Secret)
		for _, n := range c.Notes {
			a.screen.note(a.now, "%s", n)
		}
		return a
	}
	a.reload()
	if len(a.list.all) == 0 && a.list.broken == "" {
		a.mode, a.form = onForm, newForm(hosts.NewHost(""), false, knock.Secret{})
		a.form.first = true
	}
	return a
}

// onServer shows the Knock screen of a server.
func (a *app) onServer(h hosts.Host, secret knock.Secret) {
	t := h.Target()
	t.Secret = secret
	a.mode = onKnock
	a.forgetCompare()
	a.diagnose = diagnoseScreen{}
	a.screen = knockScreen{host: h, target: t, planned: len(a.config.gaps())}
}

// Init implements [tea.Model].
func (a app) Init() tea.Cmd {
	if a.mode == onKnock {
		return tea.Batch(everySecond(), a.listen(), func() tea.Msg { return startMsg{resolving} })
	}
	return tea.Batch(everySecond(), textinput.Blink)
}

// noted is a line for the log from outside.
type noted string

// listen waits for the next line from outside.
func (a app) listen() tea.Cmd {
	events := a.config.Events
	if events == nil {
		return nil
	}
	return func() tea.Msg { return noted(<-events) }
}

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
		cmd = tea.Batch(everySecond(), a.due())
	case fastBeat:
		a.fast = false
	case startMsg:
		cmd = a.start(msg.stage)
	case jobEvent:
		switch {
		case a.job != nil && msg.number == a.job.number && !a.job.muted:
			if a.diagnosing() {
				a.tookSnapshot(msg.event)
			} else {
				a.screen.take(a.now, msg.event)
			}
		case a.compare.job != nil && msg.number == a.compare.job.number:
			a.compare.take(msg.event)
		}
		cmd = msg.next
	case jobDone:
		a.compareDone(msg)
		cmd = a.done(msg)
	case ended:
		cmd = a.ended(msg)
	case tookOver:
		a.tookOver(msg)
	case noted:
		a.screen.note(a.now, "%s", string(msg))
		cmd = a.listen()
	case unlocked:
		cmd = a.unlocked(msg)
	case sshEnded:
		a.sshEnded(msg)
	case tea.KeyMsg:
		cmd = a.keyed(msg)
	default:
		cmd = a.typed(msg) // the cursor of a text field blinks
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
	typing := a.typing()
	if msg.Paste && !typing {
		if a.mode == onCompare && a.compare.step == compared && !a.now.Before(a.compare.deaf) {
			a.forgetCompare()
			return a.collect(msg)
		}
		return nil
	}
	if a.mode == onCompare && !typing && a.deafTo(msg) {
		return nil
	}
	if msg.Type == tea.KeyRunes && len(msg.Runes) > 1 && !typing {
		var cmds []tea.Cmd
		for _, r := range msg.Runes {
			cmds = append(cmds, a.keyed(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune{r}}))
		}
		return tea.Batch(cmds...)
	}
	switch {
	case msg.Type == tea.KeyCtrlC:
		a.interrupted = true
		return tea.Quit
	case key.Matches(msg, a.keys.Suspend):
		a.cancel() // the kernel would repeat knocks whose sockets nobody closes
		return tea.Suspend
	case typing:
		return a.typed(msg)
	case a.mode == onDiagnose && a.diagnose.asking:
		return a.diagnoseKey(msg) // any key is an answer
	case key.Matches(msg, a.keys.Quit):
		return tea.Quit
	case key.Matches(msg, a.keys.Help):
		a.help = !a.help
		return nil
	case key.Matches(msg, a.keys.Cancel) && a.help:
		a.help = false
		return nil
	case a.mode == onHosts:
		return a.hostsKey(msg)
	case a.mode == onCompare:
		return a.compareKey(msg)
	case a.mode == onDiagnose:
		return a.diagnoseKey(msg)
	}
	return a.knockKey(msg)
}

// typing reports whether keys are text.
func (a *app) typing() bool {
	switch a.mode {
	case onForm, onImport, onSecret:
		return true
	case onCompare:
		return a.compare.step == collecting || a.compare.step == naming
	}
	return a.mode == onHosts && a.list.filtering
}

// cancel ends the job that is under way, and hears no more of it than its end.
func (a *app) cancel() {
	a.queued, a.screen.waitFor = idle, nil
	if a.job != nil {
		a.job.muted = true
		a.job.cancel()
	}
}
