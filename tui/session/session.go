package session

import (
	"context"
	"fmt"
	"net/netip"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"

	"rapport/knock"
	"rapport/knock/hosts"
	"rapport/tui/ui"
)

// Screen is one of the screens, between header and key bar.
type Screen interface {
	// Header says what the screen is about, and the time that it shows.
	Header() (about string, at time.Time)
	// Keys are what the screen answers to at the moment.
	Keys() ui.Keys
	// Update takes a message: what happened, for any screen, and keys that are
	// neither the root's nor in keys, for the one that is shown.
	Update(msg tea.Msg) tea.Cmd
	// View draws the screen for the session's size.
	View() []string
	// Moving reports whether more moves than seconds do.
	Moving() bool
}

// Page names a screen that another one leads to.
type Page int

const (
	ToHosts Page = iota
	ToKnock
	ToHandshake // the Knock screen, where a handshake begins
	ToDiagnose
	ToCompare
)

// Config is what the user started the screens with.
type Config struct {
	Client  *knock.Client
	Options knock.Options // of a handshake
	// HostsPath is the hosts file; empty: there is no list of servers.
	HostsPath string
	// ResultsPath is where results of handshakes are stored; empty: nowhere.
	ResultsPath string
	// SSH makes the command that logs in to a server; nil: there is none.
	SSH func(h hosts.Host, s knock.Secret) (*exec.Cmd, error)
	// Clipboard hands a text to the terminal's clipboard.
	Clipboard func(string)
}

// Session is what the screens share: what they are drawn with, the time, and the
// server that they are about.
type Session struct {
	Ctx    context.Context // ends with the program
	Config Config
	Theme  ui.Theme
	Size   ui.Size
	Now    time.Time // of this message
	Server
	Wire Wire

	// The root's: to show a screen, and to turn to another server.
	Open func(Page) tea.Cmd
	Use  func(hosts.Host, knock.Secret) tea.Cmd
}

// Server is the server as this run of the program has it.
type Server struct {
	Host    hosts.Host
	Target  knock.Target // its address is not valid until the name is resolved
	WaitFor *knock.Hour  // the hour at whose start a handshake is to begin
	Masked  bool
	Log     []Entry
}

// Entry is one line of the log.
type Entry struct {
	At   time.Time
	Text string
}

// maxLog is how many lines of the log are kept.
const maxLog = 200

func (s *Session) Note(format string, args ...any) {
	s.Log = append(s.Log, Entry{s.Now, fmt.Sprintf(format, args...)})
	if len(s.Log) > maxLog {
		s.Log = s.Log[len(s.Log)-maxLog:]
	}
}

// Frame draws a pane for the session's size.
func (s *Session) Frame(p ui.Pane) []string { return s.Theme.Frame(s.Size, p) }

// Pin notes the address of the server.
func (s *Session) Pin(a netip.Addr) {
	addr := netip.AddrPortFrom(a, s.Target.Addr.Port())
	if addr != s.Target.Addr && s.Target.Host != a.String() {
		s.Note("resolved %s to %s, pinned", s.Target.Host, a)
	}
	s.Target.Addr = addr
}

// StopWaiting drops the handshake that waits for its hour.
func (s *Session) StopWaiting() {
	if s.WaitFor != nil {
		s.WaitFor = nil
		s.Note("no longer waiting for the hour change")
	}
}

// Window is how long the gate stays open.
func (s *Server) Window() time.Duration {
	if s.Target.Window == 0 {
		return knock.DefaultWindow
	}
	return s.Target.Window
}

// Hour is the server's hour.
func (s *Session) Hour() knock.Hour { return knock.HourOf(s.Now.Add(s.Target.Skew)) }

// Sequence returns the ports of an hour.
func (s *Server) Sequence(h knock.Hour) knock.Sequence {
	return knock.Derive(h, s.Target.Range, s.Target.Secret)
}

// Port shows a port, unless the screens are masked.
func (s *Server) Port(p uint16) string {
	if s.Masked {
		return "*****"
	}
	return fmt.Sprint(p)
}

// Hide hides the given ports in a text, if the screens are masked.
func (s *Server) Hide(text string, ports []uint16) string {
	if !s.Masked {
		return text
	}
	return regexp.MustCompile(`\b\d+\b`).ReplaceAllStringFunc(text, func(word string) string {
		n, err := strconv.ParseUint(word, 10, 16)
		if err == nil && n != 0 && slices.Contains(ports, uint16(n)) {
			return s.Port(uint16(n))
		}
		return word
	})
}

// Mask is the key that hides the ports, or shows them again.
func (s *Session) Mask(about string) ui.Key {
	k := ui.NewKey("m", "mask", about, ui.Act(func() { s.Masked = !s.Masked }))
	if s.Masked {
		return k.As("unmask")
	}
	return k
}

// CopyText hands a text to the terminal's clipboard.
func (s *Session) CopyText(text string) tea.Cmd {
	clipboard := s.Config.Clipboard
	return func() tea.Msg {
		clipboard(text)
		return nil
	}
}

// Moving reports that nothing but seconds moves: the default of a screen.
func (s *Session) Moving() bool { return false }

// Header says which server the screens are about, and at which address.
func (s *Session) Header() (about string, at time.Time) {
	t := s.Target
	addr := "no address"
	switch {
	case t.Addr.Addr().Is4():
		addr = fmt.Sprintf("%s (IPv4)", t.Addr)
	case t.Addr.Addr().IsValid():
		addr = fmt.Sprintf("%s (IPv6)", t.Addr)
	case s.Wire.Busy():
		addr = "resolving"
	}
	if t.Host == t.Addr.Addr().String() && s.Size.Width < ui.FramedWidth {
		return addr, s.Now
	}
	return s.Theme.Strong.Render(ansi.Truncate(t.Host, max(8, s.Size.Width-60), "")) + "  " + addr, s.Now
}
