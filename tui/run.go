package tui

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/term"
	"github.com/muesli/termenv"

	"rapport/knock"
	"rapport/knock/hosts"
)

// Errors that callers decide on.
var (
	// ErrNoTerminal says that there is no terminal that screens could be drawn on.
	ErrNoTerminal = errors.New("the screens need a terminal that can move its cursor")
	// ErrInterrupted says that the user left with ctrl+c.
	ErrInterrupted = errors.New("interrupted")
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
	ResultsPath string // where results of handshakes are kept; empty: nowhere
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

func (c Config) gaps() []time.Duration {
	if c.Options.Gaps != nil {
		return c.Options.Gaps
	}
	return knock.DefaultGaps()
}

// resolveTimeout bounds a look-up, so that a hanging resolver shows.
const resolveTimeout = 10 * time.Second

// resolve looks a server up by the name or address that its entry has.
func resolve(ctx context.Context, client *knock.Client, h hosts.Host) (netip.AddrPort, error) {
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	addr, err := client.Resolve(ctx, h.Lookup(), h.Family)
	return netip.AddrPortFrom(addr, uint16(h.SSHPort)), err
}

// HasTerminal reports whether there is a terminal to draw on.
func HasTerminal() bool {
	name := os.Getenv("TERM")
	return term.IsTerminal(os.Stdin.Fd()) && term.IsTerminal(os.Stdout.Fd()) && name != "" && name != "dumb"
}

// Run shows the screens until the user quits or ctx ends. It fails with
// ErrNoTerminal where there is none to draw on, with ErrInterrupted after
// ctrl+c, and with the cause of ctx.
func Run(ctx context.Context, c Config) error {
	if !HasTerminal() {
		return ErrNoTerminal
	}
	if c.Client == nil {
		c.Client = &knock.Client{}
	}
	last, err := runProgram(ctx, c.NoColor, c.ASCII, func(ctx context.Context, th theme, out *terminal) tea.Model {
		c.clipboard = func(s string) { _, _ = out.Write([]byte(ansi.SetSystemClipboard(s))) }
		a := newApp(ctx, c, th)
		if w, h, err := term.GetSize(out.Fd()); err == nil {
			a.width, a.height = w, h
		}
		return a
	})
	if m, ok := last.(app); ok && m.interrupted && err == nil {
		return ErrInterrupted
	}
	return err
}

// runProgram shows a model on the terminal until it quits or ctx ends, and
// returns it as it was last, with the cause of ctx.
func runProgram(ctx context.Context, noColor, ascii bool, model func(context.Context, theme, *terminal) tea.Model) (tea.Model, error) {
	// A frame leaves little behind and little is kept: collecting at 2 MB instead
	// of 4 saves as much again of resident memory, and costs nothing one sees.
	defer debug.SetGCPercent(debug.SetGCPercent(50))
	in, out := os.Stdin, &terminal{File: os.Stdout}
	renderer := lipgloss.NewRenderer(os.Stdout)
	if noColor {
		renderer.SetColorProfile(termenv.Ascii)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// ctrl+c is a key here. As a signal it is another program's business, such
	// as an ssh that runs in the same terminal.
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, syscall.SIGINT)
	defer signal.Stop(interrupts)

	m := model(ctx, newTheme(renderer, ascii || !unicodeLocale()), out)
	last, err := tea.NewProgram(m, tea.WithContext(ctx), tea.WithoutSignalHandler(), tea.WithAltScreen(),
		tea.WithFPS(30), tea.WithInput(in), tea.WithOutput(out)).Run()
	if ctx.Err() != nil {
		return last, context.Cause(ctx)
	}
	return last, err
}

// terminal lets the clipboard's escape sequence out between two frames, never
// inside one.
type terminal struct {
	*os.File
	mu sync.Mutex
}

// Write implements [io.Writer].
func (t *terminal) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.File.Write(b)
}

// unicodeLocale reports whether the locale's character set is UTF-8, see
// locale(7). Without any locale it is not, but for terminals that are UTF-8
// whatever the locale: tmux's and Windows's.
func unicodeLocale() bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := os.Getenv(name); v != "" {
			v = strings.ToLower(v)
			return strings.Contains(v, "utf-8") || strings.Contains(v, "utf8")
		}
	}
	return os.Getenv("TMUX") != "" || runtime.GOOS == "windows"
}
