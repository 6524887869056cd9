package session

import (
	"errors"
	"fmt"
	"net/netip"

	tea "github.com/charmbracelet/bubbletea"

	"rapport/knock"
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

// Apply changes the server for this run, and returns the command that writes the
// change into the hosts file if the server is there; it sends an [Applied]. found
// says in the log what found the change.
func (s *Session) Apply(by Screen, change hosts.Change, found string) tea.Cmd {
	family := s.Host.Family
	s.Host = change.Apply(s.Host)
	s.Target.Range, s.Target.Skew = s.Host.Range, s.Host.Skew
	s.Target.Strict, s.Target.Gap, s.Target.SweepGuard = s.Host.Strict, s.Host.Gap, s.Host.SweepGuard
	if s.Host.Family != family {
		// The pinned address is of the other family.
		s.Target.Addr = netip.AddrPortFrom(netip.Addr{}, s.Target.Addr.Port())
	}
	s.StopWaiting()
	s.Note("applied %s, found by %s", change, found)
	ctx, path, name := s.Ctx, s.Config.HostsPath, s.Host.Name
	return func() tea.Msg {
		if path == "" {
			return Applied{by, name, change, "", nil}
		}
		_, err := hosts.Edit(ctx, path, name, func(h hosts.Host) (hosts.Host, error) { return change.Apply(h), nil }, knock.Secret{}, "")
		if errors.Is(err, hosts.ErrNoHost) {
			return Applied{by, name, change, "", nil}
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

// IsListed reports whether the hosts file has a server.
func IsListed(path, name string) bool {
	if path == "" {
		return false
	}
	file, err := hosts.Load(path)
	_, ok := file.Host(name)
	return err == nil && ok
}
