package ui

import (
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
)

// Errors that callers decide on.
var (
	// ErrNoTerminal says that there is no terminal to draw on.
	ErrNoTerminal = errors.New("the screens need a terminal that can move its cursor")
	// ErrInterrupted says that the user quit with ctrl+c.
	ErrInterrupted = errors.New("interrupted")
)

// HasTerminal reports whether there is a terminal to draw on.
func HasTerminal() bool {
	name := os.Getenv("TERM")
	return term.IsTerminal(os.Stdin.Fd()) && term.IsTerminal(os.Stdout.Fd()) && name != "" && name != "dumb"
}

// Program says how to show a model.
type Program struct {
	ASCII   bool // draw with ASCII alone
	NoColor bool // draw without colour
}

// Terminal is the terminal that a model is shown on.
type Terminal struct {
	Theme Theme
	Size  Size // when the program starts; zero if it is not known
	out   io.Writer
}

// Copy copies a text to the terminal's clipboard (OSC 52).
func (t Terminal) Copy(text string) { _, _ = io.WriteString(t.out, ansi.SetSystemClipboard(text)) }

// Run shows the model that start returns until it quits or ctx ends. Its errors are
// ErrNoTerminal, the cause of ctx, and those of Bubble Tea. The context that start
// gets ends with the program.
func (p Program) Run(ctx context.Context, start func(context.Context, Terminal) tea.Model) error {
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
	if p.NoColor {
		renderer.SetColorProfile(termenv.Ascii)
	}
	out := &lockedFile{File: os.Stdout}
	t := Terminal{Theme: NewTheme(renderer, p.ASCII || !unicodeLocale()), out: out}
	if w, h, err := term.GetSize(out.Fd()); err == nil {
		t.Size = Size{w, h}
	}
	_, err := tea.NewProgram(start(ctx, t), tea.WithContext(ctx), tea.WithoutSignalHandler(), tea.WithAltScreen(),
		tea.WithFPS(30), tea.WithInput(os.Stdin), tea.WithOutput(out)).Run()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
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
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := os.Getenv(name); v != "" {
			v = strings.ToLower(v)
			return strings.Contains(v, "utf-8") || strings.Contains(v, "utf8")
		}
	}
	return os.Getenv("TMUX") != "" || runtime.GOOS == "windows"
}
