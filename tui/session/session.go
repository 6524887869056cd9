// Package session is what the screens share: the terminal's size and theme, the
// time, the server with its log, and the way from one screen to another.
//
// A screen is a [Screen]: a struct with its own state, keys and view that embeds the
// [Session]. Screens do not know each other. One leads to another by
// [Session.Open] and [Session.Use], which the root sets. Everything here is used by
// Bubble Tea's update loop alone, and is not safe for concurrent use.
//
// Work that sends packets to the server takes a [Turn] on the [Wire], one at a time.
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

// Screen is what the root model knows of a screen.
type Screen interface {
	// Header says what the screen is about, and the time that it shows.
	Header() (about string, at time.Time)
	// Keys are what the screen answers to at the moment.
	Keys() ui.Keys
	// Update handles a message. Every screen gets events; only the one that is shown
	// gets keys, except the root's and those in Keys.
	Update(msg tea.Msg) tea.Cmd
	// View draws the lines between header and key bar for the session's size.
	View() []string
	// Moving reports whether the screen shows tenths of seconds, and must be redrawn
	// ten times a second.
	Moving() bool
}

// Page names a screen that another one opens.
type Page int

// The pages.
const (
	ToHosts     Page = iota // the list of servers
	ToKnock                 // the Knock screen
	ToHandshake             // the Knock screen, where a handshake begins
	ToDiagnose              // the Diagnose screen
	ToCompare               // the Compare screen
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
// server.
type Session struct {
	Ctx    context.Context // ends with the program
	Config Config
	Theme  ui.Theme
	Size   ui.Size
	Now    time.Time // when the message arrived that is being handled
	Server
	Wire Wire

	Open func(Page) tea.Cmd                     // shows a screen
	Use  func(hosts.Host, knock.Secret) tea.Cmd // changes to another server
}

// Server is the server that the screens show, with the changes of this run.
type Server struct {
	Host    hosts.Host
	Target  knock.Target // its address is not valid until the name is resolved
	WaitFor *knock.Hour  // the hour at whose start to knock; nil: none
	Masked  bool         // ports are hidden
	Log     []Entry      // the last 200 lines, oldest first
}

// Entry is one line of the log.
type Entry struct {
	At   time.Time
	Text string
}

// maxLog is how many lines of the log are kept.
const maxLog = 200

// Note adds a line to the log.
func (s *Session) Note(format string, args ...any) {
	s.Log = append(s.Log, Entry{s.Now, fmt.Sprintf(format, args...)})
	if len(s.Log) > maxLog {
		s.Log = s.Log[len(s.Log)-maxLog:]
	}
}

// Frame draws a pane for the session's size.
func (s *Session) Frame(p ui.Pane) []string { return s.Theme.Frame(s.Size, p) }

// Pin sets the address to which the server's name was resolved.
func (s *Session) Pin(a netip.Addr) {
	addr := netip.AddrPortFrom(a, s.Target.Addr.Port())
	if addr != s.Target.Addr && s.Target.Host != a.String() {
		s.Note("resolved %s to %s, pinned", s.Target.Host, a)
	}
	s.Target.Addr = addr
}

// StopWaiting cancels the handshake that waits for its hour.
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

// Sequence returns the sequence of an hour.
func (s *Server) Sequence(h knock.Hour) knock.Sequence {
	return knock.Derive(h, s.Target.Range, s.Target.Secret)
}

// Port writes a port, as stars while the screens are masked.
func (s *Server) Port(p uint16) string {
	if s.Masked {
		return "*****"
	}
	return fmt.Sprint(p)
}

// Hide replaces the given ports in a text by stars while the screens are masked.
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

// Mask returns the key that hides the ports or shows them again.
func (s *Session) Mask(about string) ui.Key {
	k := ui.NewKey("m", "mask", about, ui.Act(func() { s.Masked = !s.Masked }))
	if s.Masked {
		return k.As("unmask")
	}
	return k
}

// CopyText copies a text to the terminal's clipboard.
func (s *Session) CopyText(text string) tea.Cmd {
	clipboard := s.Config.Clipboard
	return func() tea.Msg {
		clipboard(text)
		return nil
	}
}

// Moving is the default of a screen: nothing changes within a second.
func (s *Session) Moving() bool { return false }

// Header is the default of a screen: the server, its address, and the time.
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
