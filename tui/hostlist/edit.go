package hostlist

import (
	"cmp"
	"fmt"
	"slices"

	tea "github.com/charmbracelet/bubbletea"

	"rapport/knock/gate/script"
	"rapport/knock/hosts"
	"rapport/tui/session"
)

// save writes what the form says into the hosts file, and opens a new server.
func (s *Screen) save() tea.Cmd {
	r, field, err := s.form.complete()
	if err != nil {
		s.form.failure = err.Error()
		s.form.to(field)
		return nil
	}
	path, old := s.Config.HostsPath, s.form.old
	var h hosts.Host
	undo := &session.Undo{What: "adding " + r.host.Name}
	if old != nil {
		undo.What, undo.Revert = "the edit of "+old.Name, func() { s.changed(*old) }
	}
	err = undo.Watch(path, func() (err error) {
		if old == nil {
			h, err = hosts.Add(s.Ctx, path, r.host, r.secret, r.store)
		} else {
			h, err = hosts.Edit(s.Ctx, path, old.Name, func(now hosts.Host) (hosts.Host, error) { return r.apply(now, *old), nil }, r.secret, r.store)
		}
		return err
	})
	if err != nil {
		s.form.failure = err.Error()
		return nil
	}
	s.step, s.filter, s.Undo = listing, "", undo
	s.changed(h)
	s.Reload()
	s.cursor = max(0, slices.IndexFunc(s.all, func(other hosts.Host) bool { return other.Name == h.Name }))
	if old == nil || !r.secret.IsZero() {
		s.notice = fmt.Sprintf("its secret is in %s\nnext: rapport rules %s prints the server's script; the secret goes into %s there",
			cmp.Or(h.Secret.Path, "the keyring"), h.Name, script.DefaultSecretPath)
	}
	if old == nil {
		return s.unlock(thenOpen, h)
	}
	return nil
}

// changed gives an opened server its new entry.
func (s *Screen) changed(h hosts.Host) {
	if server := s.At(h.Name); server != nil {
		server.SetHost(h)
	}
}

// remove takes the selected server out of the hosts file.
func (s *Screen) remove() {
	s.step = listing
	h, ok := s.selected()
	if !ok {
		return
	}
	undo := &session.Undo{What: "removing " + h.Name}
	err := undo.Record(s.Ctx, s.Config.HostsPath, func(e *hosts.Editor) error { return e.Remove(h.Name) })
	if err != nil {
		s.failure = err.Error()
		return
	}
	s.Undo = undo
	s.Reload()
	s.notice = fmt.Sprintf("removed %s; its secret stays where it is stored; u undoes it", h.Name)
}
