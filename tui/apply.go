package tui

import (
	"errors"
	"fmt"
	"net/netip"

	tea "github.com/charmbracelet/bubbletea"

	"rapport/knock"
	"rapport/knock/hosts"
)

// Applied says what became of a change in the hosts file.
type Applied struct {
	By     Screen
	Name   string // of the server
	Change hosts.Change
	path   string // where it was written, empty for nowhere
	err    error
}

// apply makes a change to the server as this run has it, and returns what writes
// it into the hosts file if the server stands there. found says how the change
// was found.
func (s *session) apply(by Screen, change hosts.Change, found string) tea.Cmd {
	family := s.host.Family
	s.host = change.Apply(s.host)
	s.target.Range, s.target.Skew = s.host.Range, s.host.Skew
	s.target.Strict, s.target.Gap, s.target.SweepGuard = s.host.Strict, s.host.Gap, s.host.SweepGuard
	if s.host.Family != family {
		// What was pinned is of the other family.
		s.target.Addr = netip.AddrPortFrom(netip.Addr{}, s.target.Addr.Port())
	}
	s.stopWaiting()
	s.note("applied %s, found by %s", change, found)
	ctx, path, name := s.ctx, s.config.hostsPath, s.host.Name
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

// String says what became of the change.
func (a Applied) String() string {
	switch {
	case a.err != nil:
		return fmt.Sprintf("for this run only: %v", a.err)
	case a.path == "":
		return "for this run only: the hosts file does not have this server"
	}
	return "written to " + a.path
}

// isListed reports whether the hosts file has a server.
func isListed(path, name string) bool {
	if path == "" {
		return false
	}
	file, err := hosts.Load(path)
	_, ok := file.Host(name)
	return err == nil && ok
}
