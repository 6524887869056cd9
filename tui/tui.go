// Package tui is the screens. It is the only package that knows a terminal; what
// the screens show is computed elsewhere, and they draw snapshots of it.
//
// The root model, app, receives every message, draws header and key bar, and shows
// one [Screen]: Hosts, Knock, Diagnose, Compare or Watch. A screen is a plain struct with
// its own state, keys and view. What all of them see, the terminal, the time and the
// server, is the session. Package tui/ui has the parts that know nothing of knocking.
//
// Update never blocks: long work is a [ui.Job], and those that send packets to the
// server take turns on the wire.
package tui

import (
	"context"
	"os/exec"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"rapport/knock"
	"rapport/knock/hosts"
	"rapport/tui/session"
	"rapport/tui/ui"
)

// Errors that callers decide on.
var (
	// ErrNoTerminal says that there is no terminal that screens could be drawn on.
	ErrNoTerminal = ui.ErrNoTerminal
	// ErrInterrupted says that the user left with ctrl+c.
	ErrInterrupted = ui.ErrInterrupted
)

// Config is what the screens start with.
type Config struct {
	Client  *knock.Client // nil is the zero Client
	Host    *hosts.Host   // the server to start on; nil is the list of servers
	Secret  knock.Secret  // of Host
	Options knock.Options
	Notes   []string      // first lines of the log
	Events  <-chan string // further lines of it, as they come; nil: none

	HostsPath   string // the hosts file; empty: there is no list of servers
	ResultsPath string // where results of handshakes are stored; empty: nowhere
	// SSH makes the command that logs in to a server; nil: there is none.
	SSH func(h hosts.Host, s knock.Secret) (*exec.Cmd, error)

	ASCII   bool // draw with ASCII alone
	NoColor bool // draw without colour

	clipboard func(string)
}

func (c Config) clock() time.Time {
	if c.Client.Clock != nil {
		return c.Client.Clock()
	}
	return time.Now()
}

// shared is what the screens see of c.
func (c Config) shared() session.Config {
	return session.Config{Client: c.Client, Options: c.Options, HostsPath: c.HostsPath, ResultsPath: c.ResultsPath, SSH: c.SSH, Clipboard: c.clipboard}
}

// HasTerminal reports whether there is a terminal to draw on.
func HasTerminal() bool { return ui.HasTerminal() }

// Run shows the screens until the user quits or ctx ends. It fails with
// ErrNoTerminal where there is none to draw on, with ErrInterrupted after
// ctrl+c, and with the cause of ctx.
func Run(ctx context.Context, c Config) error {
	if c.Client == nil {
		c.Client = &knock.Client{}
	}
	var a *app
	err := ui.Program{ASCII: c.ASCII, NoColor: c.NoColor}.Run(ctx, func(ctx context.Context, t ui.Terminal) tea.Model {
		c.clipboard = t.Copy
		a = newApp(ctx, c, t.Theme)
		a.Size = t.Size
		return a
	})
	return a.result(err)
}
