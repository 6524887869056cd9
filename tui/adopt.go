package tui

import (
	"errors"
	"fmt"
	"net/netip"

	tea "github.com/charmbracelet/bubbletea"

	"rapport/knock"
	"rapport/knock/hosts"
)

// tookOver says what became of the hosts file.
type tookOver struct {
	name string // of the server
	what string
	path string // where it was written, empty for nowhere
	err  error
}

// adopt makes a change to the server as this run has it, and returns what writes
// it into the hosts file if the server stands there. what names the change, by
// says how it was found.
func (a *app) adopt(what string, change func(hosts.Host) hosts.Host, by string) tea.Cmd {
	s := &a.screen
	family := s.host.Family
	s.host = change(s.host)
	s.target.Range, s.target.Skew = s.host.Range, s.host.Skew
	s.target.Strict, s.target.Gap, s.target.SweepGuard = s.host.Strict, s.host.Gap, s.host.SweepGuard
	if s.host.Family != family {
		// What was pinned is of the other family.
		s.target.Addr = netip.AddrPortFrom(netip.Addr{}, s.target.Addr.Port())
	}
	if s.waitFor != nil {
		s.waitFor = nil
		s.note(a.now, "no longer waiting for the turn of the hour")
	}
	s.note(a.now, "took %s over %s", what, by)
	ctx, path, name := a.ctx, a.config.HostsPath, s.host.Name
	return func() tea.Msg {
		if path == "" {
			return tookOver{name, what, "", nil}
		}
		_, err := hosts.Edit(ctx, path, name, func(h hosts.Host) (hosts.Host, error) { return change(h), nil }, knock.Secret{}, "")
		if errors.Is(err, hosts.ErrNoHost) {
			return tookOver{name, what, "", nil}
		}
		return tookOver{name, what, path, err}
	}
}

// tookOver tells what became of the hosts file.
func (a *app) tookOver(msg tookOver) {
	if msg.name != a.screen.host.Name {
		return // the user has gone elsewhere
	}
	if a.mode != onCompare {
		switch {
		case msg.err != nil:
			a.screen.note(a.now, "for this run alone: %v", msg.err)
		case msg.path == "":
			a.screen.note(a.now, "for this run alone, as the hosts file does not have this server")
		default: // the file's path is on the Hosts screen: here it would push the rest out
			a.screen.note(a.now, "written to the hosts file: %s", msg.what)
		}
		return
	}
	where := "written to " + msg.path
	switch {
	case msg.err != nil:
		where = "for this run alone: " + msg.err.Error()
		a.screen.note(a.now, "%v", msg.err)
	case msg.path == "":
		where = "for this run alone: the hosts file does not have this server"
	}
	a.compare.notice = fmt.Sprintf("took %s over, %s", msg.what, where)
}
