package session

import (
	"errors"
	"fmt"
	"net/netip"

	tea "github.com/charmbracelet/bubbletea"

	"rapport/knock/hosts"
)

// Applied says whether a change was written to the hosts file.
type Applied struct {
	By     Screen // whose change it is
	Name   string // of the server
	Change hosts.Change
	path   string // where it was written, empty for nowhere
	err    error
}

// SetHost changes the server's entry for this run.
func (s *Session) SetHost(h hosts.Host) {
	before, addr := s.Host, s.Target.Addr.Addr()
	s.Host = h
	t := h.Target()
	if h.Family != before.Family || h.Lookup() != before.Lookup() {
		addr = netip.Addr{} // the pinned one is of another family, or another machine's
	}
	t.Addr, t.Secret = netip.AddrPortFrom(addr, t.Addr.Port()), s.Target.Secret
	s.Target = t
	s.StopWaiting()
}

// Apply changes the server for this run, and returns the command that writes the
// change into the hosts file if the server is there; it sends an [Applied]. found
// says in the log what found the change.
func (s *Session) Apply(by Screen, change hosts.Change, found string) tea.Cmd {
	before, fix := s.Host, s.Fix
	s.SetHost(change.Apply(s.Host))
	s.Fix = hosts.Change{}
	s.Note("applied %s, found by %s; u undoes it", change, found)
	undo := &Undo{What: fmt.Sprintf("%s of %s", change, s.Host.Name), Revert: func() {
		s.SetHost(before)
		s.Fix = fix
	}}
	s.Undo = undo
	ctx, path, name := s.Ctx, s.Config.HostsPath, s.Host.Name
	return func() tea.Msg {
		if path == "" {
			return Applied{By: by, Name: name, Change: change}
		}
		err := undo.Record(ctx, path, func(e *hosts.Editor) error {
			h, ok := e.Host(name)
			if !ok {
				return hosts.ErrNoHost
			}
			return e.Replace(name, change.Apply(h))
		})
		if errors.Is(err, hosts.ErrNoHost) {
			path, err = "", nil
		}
		return Applied{by, name, change, path, err}
	}
}

// Stored reports whether the hosts file has the change.
func (a Applied) Stored() bool { return a.err == nil && a.path != "" }

// String says where the change was written, or why it was not.
func (a Applied) String() string {
	switch {
	case a.err != nil:
		return fmt.Sprintf("for this run only: %v", a.err)
	case a.path == "":
		return "for this run only: the hosts file does not have this server"
	}
	return "written to " + a.path
}

// ApplyFix applies what the last diagnosis found, and knocks.
func (s *Session) ApplyFix(by Screen) tea.Cmd {
	write := s.Apply(by, s.Fix, "the diagnosis")
	return tea.Batch(write, s.Open(ToHandshake))
}
