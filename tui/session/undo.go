package session

import (
	"bytes"
	"context"
	"os"
	"sync"

	tea "github.com/charmbracelet/bubbletea"

	"rapport/knock/hosts"
)

// Undo takes back one change of the hosts file.
type Undo struct {
	What   string // was changed
	Revert func() // takes the change back for this run; nil: nothing to do

	mu            sync.Mutex // held while the file is edited
	path          string     // of the hosts file; empty: it was not changed
	before, after []byte
}

// Record edits the hosts file, and remembers its text.
func (u *Undo) Record(ctx context.Context, path string, edit func(*hosts.Editor) error) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	return hosts.Update(ctx, path, func(e *hosts.Editor) error {
		before := e.Text()
		if err := edit(e); err != nil {
			return err
		}
		if after := e.Text(); !bytes.Equal(before, after) {
			u.path, u.before, u.after = path, before, after
		}
		return nil
	})
}

// Watch remembers what change does to the hosts file at path, which it edits itself.
func (u *Undo) Watch(path string, change func() error) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	before, _ := os.ReadFile(path)
	err := change()
	if after, e := os.ReadFile(path); err == nil && e == nil {
		u.path, u.before, u.after = path, before, after
	}
	return err
}

// Undone says that a change was taken back, or why it was not.
type Undone struct {
	What string
	Err  error
}

// TakeBack undoes the last change of the hosts file, once.
func (s *Shared) TakeBack() tea.Cmd {
	u, ctx := s.Undo, s.Ctx
	if u == nil {
		return nil
	}
	s.Undo = nil
	if u.Revert != nil {
		u.Revert()
	}
	return func() tea.Msg {
		u.mu.Lock()
		defer u.mu.Unlock()
		if u.path == "" {
			return Undone{What: u.What}
		}
		return Undone{u.What, hosts.Update(ctx, u.path, func(e *hosts.Editor) error { return e.Restore(u.before, u.after) })}
	}
}
