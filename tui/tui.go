// Package tui runs the screens: [Run] shows the client's screens, [Watch] the
// server's one. It and its inner packages are the only ones that use a terminal.
// What the screens show is computed elsewhere; they draw snapshots of it.
//
// The root model, here, receives every message, draws the frame, and shows one screen
// in it. Every server has its own screens, which go on while others are shown. Each
// screen is a package with one component:
//
//   - hostlist: the overview of the servers of the hosts file
//   - knocking: handshake, window and SSH
//   - sequences: the ports of any hour
//   - clocks: the server's clock, and what a skew would mean
//   - activity: the log
//   - diagnose: the doctor
//   - rules: the server's rules beside this client, played with the machine, and audited
//   - watching: the gate of this machine
//
// Package plain prints the same as lines, for screen readers.
//
// Package ruler draws clocks over the hours, and record how handshakes ended, for the
// screens that have both.
//
// What the screens share, the terminal, the time and the server, is in package
// session. Package ui has the parts that know nothing of knocking. Package noquery
// is for main.
//
// The update loop never blocks: long work is a [ui.Job].
package tui

import (
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/term"
	"github.com/muesli/termenv"

	"rapport/knock/gate/watch"
	"rapport/knock/hosts"
	"rapport/tui/plain"
	"rapport/tui/session"
	"rapport/tui/ui"
)

// Errors that callers decide on.
var (
	// ErrNoTerminal says that there is no terminal to draw on.
	ErrNoTerminal = errors.New("the screens need a terminal that can move its cursor")
	// ErrInterrupted says that the user left with ctrl+c.
	ErrInterrupted = errors.New("interrupted")
	// ErrDemo says that the user left for the demo, which Config.OffersDemo offers.
	ErrDemo = session.ErrDemo
)

// Config is what the screens start with.
type Config = session.Config

// HasTerminal reports whether there is a terminal to draw on.
func HasTerminal() bool {
	name := os.Getenv("TERM")
	return term.IsTerminal(os.Stdin.Fd()) && term.IsTerminal(os.Stdout.Fd()) && name != "" && name != "dumb"
}

// Run shows the screens of a client until the user quits or ctx ends. Its errors are
// [ErrNoTerminal], [ErrInterrupted], the cause of ctx, and those of Bubble Tea. With
// Config.Plain it reads commands from standard input, prints lines, and needs no
// terminal.
func Run(ctx context.Context, c Config) error {
	if c.Plain {
		return plain.Run(ctx, c, os.Stdin, os.Stdout)
	}
	return show(ctx, c, newApp)
}

// Watch shows the Watch screen until the user quits, ctx ends or run returns. run
// watches the gate until its context ends, as [watch.Watcher] does. The errors are
// those of [Run], and that of run.
func Watch(ctx context.Context, c Config, run func(ctx context.Context, on func(watch.Snapshot)) error) error {
	return show(ctx, c, func(ctx context.Context, c Config, th ui.Theme) *app { return newWatchApp(ctx, c, th, run) })
}

// show shows the model that start returns; the context that start gets ends with the
// program.
func show(ctx context.Context, c Config, start func(context.Context, Config, ui.Theme) *app) error {
	if !HasTerminal() {
		return ErrNoTerminal
	}
	// Frames leave little garbage: collecting at 2 MB instead of 4 halves the memory
	// at no visible cost.
	defer debug.SetGCPercent(debug.SetGCPercent(50))
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// Here ctrl+c is a key. As a signal it is meant for a program that runs in the same
	// terminal, such as ssh.
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, syscall.SIGINT)
	defer signal.Stop(interrupts)

	renderer := lipgloss.NewRenderer(os.Stdout)
	if c.NoColor {
		renderer.SetColorProfile(termenv.Ascii)
	}
	out := &lockedFile{File: os.Stdout}
	c.Clipboard = func(text string) { _, _ = io.WriteString(out, ansi.SetSystemClipboard(text)) } // OSC 52
	th, err := theme(renderer, c)
	if err != nil {
		return err
	}
	a := start(ctx, c, th)
	if w, h, err := term.GetSize(out.Fd()); err == nil {
		a.Size = ui.Size{Width: w, Height: h}
	}
	_, err = tea.NewProgram(&paced{model: a}, tea.WithContext(ctx), tea.WithoutSignalHandler(), tea.WithAltScreen(),
		tea.WithFPS(30), tea.WithInput(os.Stdin), tea.WithOutput(out)).Run()
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return err
	}
	return a.Err
}

// theme returns the theme that the user chose.
func theme(r *lipgloss.Renderer, c Config) (ui.Theme, error) {
	ascii := c.ASCII || !unicodeLocale()
	if c.Theme == "" {
		return ui.NewTheme(r, ascii, c.Scheme), nil
	}
	own, err := hosts.LoadTheme(c.Theme)
	scheme := ui.Dark
	if own.Light {
		scheme = ui.Light
	}
	return ui.OwnTheme(r, ascii, scheme, own.Colours), err
}

// lockedFile writes the clipboard's escape sequence between two frames, never inside
// one.
type lockedFile struct {
	*os.File
	mu sync.Mutex
}

// Write implements [io.Writer].
func (f *lockedFile) Write(b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.File.Write(b)
}

// unicodeLocale reports whether the locale's character set is UTF-8; see locale(7).
// The terminals of tmux and Windows are UTF-8 without any locale too.
func unicodeLocale() bool {
	locale := strings.ToLower(cmp.Or(os.Getenv("LC_ALL"), os.Getenv("LC_CTYPE"), os.Getenv("LANG")))
	if locale != "" {
		return strings.Contains(locale, "utf-8") || strings.Contains(locale, "utf8")
	}
	return os.Getenv("TMUX") != "" || runtime.GOOS == "windows"
}
