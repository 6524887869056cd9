package tui

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

// sharedConfig is what the user started the screens with.
type sharedConfig struct {
	Client  *knock.Client
	options knock.Options // of a handshake
	// hostsPath is the hosts file; empty: there is no list of servers.
	hostsPath string
	// resultsPath is where results of handshakes are stored; empty: nowhere.
	resultsPath string
	// SSH makes the command that logs in to a server; nil: there is none.
	SSH func(h hosts.Host, s knock.Secret) (*exec.Cmd, error)
	// Clipboard hands a text to the terminal's clipboard.
	Clipboard func(string)
}

// session is what the screens share: what they are drawn with, the time, and the
// server that they are about.
type session struct {
	ctx    context.Context // ends with the program
	config sharedConfig
	theme  ui.Theme
	size   ui.Size
	now    time.Time // of this message
	Server
	wire Wire

	// The root's: to show a screen, and to turn to another server.
	open func(Page) tea.Cmd
	use  func(hosts.Host, knock.Secret) tea.Cmd
}

// Server is the server as this run of the program has it.
type Server struct {
	host    hosts.Host
	target  knock.Target // its address is not valid until the name is resolved
	waitFor *knock.Hour  // the hour at whose start a handshake is to begin
	masked  bool
	log     []Entry
}

// Entry is one line of the log.
type Entry struct {
	At   time.Time
	Text string
}

// maxLog is how many lines of the log are kept.
const maxLog = 200

func (s *session) note(format string, args ...any) {
	s.log = append(s.log, Entry{s.now, fmt.Sprintf(format, args...)})
	if len(s.log) > maxLog {
		s.log = s.log[len(s.log)-maxLog:]
	}
}

// frame draws a pane for the session's size.
func (s *session) frame(p ui.Pane) []string { return s.theme.Frame(s.size, p) }

// pin notes the address of the server.
func (s *session) pin(a netip.Addr) {
	addr := netip.AddrPortFrom(a, s.target.Addr.Port())
	if addr != s.target.Addr && s.target.Host != a.String() {
		s.note("resolved %s to %s, pinned", s.target.Host, a)
	}
	s.target.Addr = addr
}

// stopWaiting drops the handshake that waits for its hour.
func (s *session) stopWaiting() {
	if s.waitFor != nil {
		s.waitFor = nil
		s.note("no longer waiting for the hour change")
	}
}

// window is how long the gate stays open.
func (s *Server) window() time.Duration {
	if s.target.Window == 0 {
		return knock.DefaultWindow
	}
	return s.target.Window
}

// hour is the server's hour.
func (s *session) hour() knock.Hour { return knock.HourOf(s.now.Add(s.target.Skew)) }

// sequence returns the ports of an hour.
func (s *Server) sequence(h knock.Hour) knock.Sequence {
	return knock.Derive(h, s.target.Range, s.target.Secret)
}

// port shows a port, unless the screens are masked.
func (s *Server) port(p uint16) string {
	if s.masked {
		return "*****"
	}
	return fmt.Sprint(p)
}

// hide hides the given ports in a text, if the screens are masked.
func (s *Server) hide(text string, ports []uint16) string {
	if !s.masked {
		return text
	}
	return regexp.MustCompile(`\b\d+\b`).ReplaceAllStringFunc(text, func(word string) string {
		n, err := strconv.ParseUint(word, 10, 16)
		if err == nil && n != 0 && slices.Contains(ports, uint16(n)) {
			return s.port(uint16(n))
		}
		return word
	})
}

// mask is the key that hides the ports, or shows them again.
func (s *session) mask(about string) ui.Key {
	k := ui.NewKey("m", "mask", about, ui.Act(func() { s.masked = !s.masked }))
	if s.masked {
		return k.As("unmask")
	}
	return k
}

// copyText hands a text to the terminal's clipboard.
func (s *session) copyText(text string) tea.Cmd {
	clipboard := s.config.Clipboard
	return func() tea.Msg {
		clipboard(text)
		return nil
	}
}

// Moving reports that nothing but seconds moves: the default of a screen.
func (s *session) Moving() bool { return false }

// Header says which server the screens are about, and at which address.
func (s *session) Header() (about string, at time.Time) {
	t := s.target
	addr := "no address"
	switch {
	case t.Addr.Addr().Is4():
		addr = fmt.Sprintf("%s (IPv4)", t.Addr)
	case t.Addr.Addr().IsValid():
		addr = fmt.Sprintf("%s (IPv6)", t.Addr)
	case s.wire.busy():
		addr = "resolving"
	}
	if t.Host == t.Addr.Addr().String() && s.size.Width < ui.FramedWidth {
		return addr, s.now
	}
	return s.theme.Strong.Render(ansi.Truncate(t.Host, max(8, s.size.Width-60), "")) + "  " + addr, s.now
}
