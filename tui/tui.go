// Package tui runs the screens: [Run] those of a client, [Watch] the one of a server.
// It and its inner packages are the only ones that use a terminal. What the screens
// show is computed elsewhere; they draw snapshots of it.
//
// The root model, here, receives every message, draws the header and the key bar,
// and shows one screen between them. Each screen is a package with one component:
//
//   - hostlist: the servers of the hosts file
//   - knocking: sequences, handshake and SSH
//   - diagnose: the doctor
//   - compare: the server's rules beside this client
//   - watching: the gate of this machine
//
// What the screens share, the terminal, the time and the server, is in package
// session. Package ui has the parts that know nothing of knocking. Package noquery
// is for main.
//
// The update loop never blocks: long work is a [ui.Job].
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
	// ErrNoTerminal says that there is no terminal to draw on.
	ErrNoTerminal = ui.ErrNoTerminal
	// ErrInterrupted says that the user left with ctrl+c.
	ErrInterrupted = ui.ErrInterrupted
)

// Config is what Run starts with.
type Config struct {
	Client  *knock.Client // nil is the zero Client
	Host    *hosts.Host   // the server to start on; nil: the list of servers
	Secret  knock.Secret  // of Host
	Options knock.Options // of the handshakes
	Notes   []string      // first lines of the log
	Events  <-chan string // further lines of the log; nil: none

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

// Run shows the screens until the user quits or ctx ends. Its errors are
// [ErrNoTerminal], [ErrInterrupted], and the cause of ctx.
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
