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
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"rapport/knock"
	"rapport/knock/hosts"
	"rapport/knock/hosts/history"
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

// The pages: the tabs in their order, and two that begin something.
const (
	ToOverview Page = iota
	ToKnock
	ToSequences
	ToClocks
	ToDiagnose
	ToRules
	ToLog
	ToHandshake // the Knock screen, where a handshake begins
	ToDiagnosis // the Diagnose screen, where a diagnosis begins unless there is one
)

// ErrDemo says that the user left for the demo.
var ErrDemo = errors.New("the demo was chosen")

// Config is what the user started the screens with.
type Config struct {
	Client  *knock.Client // nil is the zero Client
	Host    *hosts.Host   // the server to start on; nil: the list of servers
	Secret  knock.Secret  // of Host
	Options knock.Options // of the handshakes
	Notes   []string      // first lines of the log
	Events  <-chan string // further lines of the log; nil: none

	HostsPath   string // the hosts file; empty: there is no list of servers
	HistoryPath string // where handshakes are stored; empty: nowhere
	OffersDemo  bool   // the form of the first start may end with ErrDemo
	Demo        bool   // the server is the built-in one, which accepts knocks to see them
	// SSH makes the command that logs in to a server until ctx ends; nil: there is none.
	SSH func(ctx context.Context, h hosts.Host, s knock.Secret) (*exec.Cmd, error)

	ASCII    bool           // draw with ASCII alone
	NoColor  bool           // draw without colour
	NoMotion bool           // draw ends at once
	Plain    bool           // print lines, and draw no screens
	Scheme   ui.Scheme      // of colours
	Theme    string         // the file of the user's own theme; empty: none
	Mouse    bool           // the mouse is used from the start
	Zone     *time.Location // of the user's own time; nil: time.Local

	Clipboard func(string) // hands a text to the terminal's clipboard; the program sets it
}

// Use applies the settings of a hosts file, which is, or would be, at path; theme, if not
// empty, is a flag's.
func (c *Config) Use(s hosts.Settings, theme, path string) {
	theme = cmp.Or(theme, s.Theme)
	c.NoMotion, c.Mouse = c.NoMotion || !s.Motion, s.Mouse
	c.Scheme, c.Theme = ui.SchemeOf(theme), hosts.ThemePath(path, theme)
	if !s.History {
		c.HistoryPath = ""
	}
}

// Shared is what the screens of all servers share.
type Shared struct {
	Ctx    context.Context // ends with the program
	Config Config
	Theme  ui.Theme
	Size   ui.Size
	Now    time.Time // when the message arrived that is being handled
	Masked bool      // ports are hidden
	Log    []Entry   // of all servers, the last 400 lines, oldest first
	Front  Screen    // the one that is shown
	Undo   *Undo     // of the last change of the hosts file; nil: none

	Open func(Page) tea.Cmd                     // shows a screen
	Use  func(hosts.Host, knock.Secret) tea.Cmd // shows a server, and resolves its name
	Err  error                                  // why the program ends; nil: the user quit
}

// Session is what the screens of one server share.
type Session struct {
	*Shared
	Server
	Wire Wire
}

// Server is the server that the screens show, with the changes of this run.
type Server struct {
	Host    hosts.Host
	Target  knock.Target // its address is not valid until the name is resolved
	WaitFor *knock.Hour  // the hour at whose start to knock; nil: none
	Offset  int          // of the chosen hour from this one
	Opened  time.Time    // when a diagnosis last opened the gate; zero: none did
	History []history.Handshake
	Judged  history.Diagnosis // the last diagnosis of this run; zero: none
	Fix     hosts.Change      // this side's part of the fix that it found, until it is applied; zero: none
}

// Tone is what a line of the log tells.
type Tone int

// The tones.
const (
	Plain Tone = iota
	Good
	Bad
)

// Entry is one line of the log.
type Entry struct {
	At   time.Time
	Host string // whose it is; empty: none
	Text string
	Tone Tone
}

// Note adds a line to the log.
func (s *Session) Note(format string, args ...any) { s.NoteAs(Plain, format, args...) }

// NoteAs adds a line with a tone to the log.
func (s *Session) NoteAs(tone Tone, format string, args ...any) {
	const most = 400
	s.Log = append(s.Log, Entry{s.Now, s.Host.Name, fmt.Sprintf(format, args...), tone})
	s.Log = s.Log[max(0, len(s.Log)-most):]
}

// OwnLog returns the last n entries of the server, and those of none, the oldest first.
func (s *Session) OwnLog(n int) (own []Entry) {
	for _, e := range slices.Backward(s.Log) {
		if len(own) == n {
			break
		}
		if e.Host == s.Host.Name || e.Host == "" {
			own = append(own, e)
		}
	}
	slices.Reverse(own)
	return own
}

// Zone is where the user's own time is.
func (s *Shared) Zone() *time.Location { return cmp.Or(s.Config.Zone, time.Local) }

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
func (s *Server) Window() time.Duration { return cmp.Or(s.Target.Window, knock.DefaultWindow) }

// Hour is the server's hour.
func (s *Session) Hour() knock.Hour { return knock.HourOf(s.Now.Add(s.Target.Skew)) }

// Sequence returns the sequence of an hour.
func (s *Server) Sequence(h knock.Hour) knock.Sequence {
	return knock.Derive(h, s.Target.Range, s.Target.Secret)
}

// Port writes a port, as stars while the screens are masked.
func (s *Shared) Port(p uint16) string {
	if s.Masked {
		return "*****"
	}
	return fmt.Sprint(p)
}

// Mask returns the key that hides the ports or shows them again.
func (s *Shared) Mask(about string) ui.Key {
	return ui.NewKey("m", "mask", about, ui.Act(func() { s.Masked = !s.Masked }))
}

// CopyText copies a text to the terminal's clipboard.
func (s *Shared) CopyText(text string) tea.Cmd {
	return func() tea.Msg {
		s.Config.Clipboard(text)
		return nil
	}
}

// Moving is the default of a screen: nothing changes within a second.
func (s *Shared) Moving() bool { return false }

// Header is the default of a screen: the server, its address, and the time.
func (s *Session) Header() (about string, at time.Time) {
	t, th := s.Target, s.Theme
	addr := "no address"
	switch {
	case t.Addr.Addr().Is4():
		addr = fmt.Sprintf("%s (IPv4)", t.Addr)
	case t.Addr.Addr().IsValid():
		addr = fmt.Sprintf("%s (IPv6)", t.Addr)
	case s.Wire.Job != nil:
		addr = "resolving"
	}
	if t.Host == t.Addr.Addr().String() && s.Size.Width < ui.FramedWidth {
		return addr, s.Now
	}
	name := s.Host.Name
	if s.Size.Framed() {
		name = ui.Truncate(name, max(8, s.Size.Width-60))
	}
	return th.Strong.Render(name) + "  " + th.Quiet.Render(addr), s.Now
}

// IsListed reports whether the hosts file has a server.
func IsListed(path, name string) bool {
	if path == "" {
		return false
	}
	file, err := hosts.Load(path)
	_, ok := file.Host(name)
	return err == nil && ok
}

// ErrorText is an error as the screens say it: without the words of the Go library.
func ErrorText(err error) string {
	return strings.NewReplacer("context deadline exceeded", "no answer in time", "context canceled", "cancelled").Replace(err.Error())
}

// ClockHour writes an hour without its date: 08h.
func ClockHour(h knock.Hour) string { return h.String()[11:] + "h" }

// Positions returns where the ports of a sequence lie in a range, from 0 to 1.
func Positions(s knock.Sequence, r knock.Range) (out []float64) {
	for _, p := range s.Ports() {
		out = append(out, float64(int(p)-r.Bottom())/float64(r.Size()))
	}
	return out
}

// Ago writes how long ago something was, in one unit.
func Ago(d time.Duration) string {
	switch {
	case d < time.Minute:
		return "moments"
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

// PortList writes ports with a space between them.
func PortList(ports []uint16) string { return strings.Trim(fmt.Sprint(ports), "[]") }

// Ordinals names the knocks in order, as the screens do.
func Ordinals() [knock.Knocks]string { return [...]string{"1st", "2nd", "3rd", "4th", "5th"} }
