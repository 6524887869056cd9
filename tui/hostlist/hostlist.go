// Package hostlist is the Hosts screen: the list of servers with the result of the
// last handshake, the form that adds or edits one, the import of an old script, and
// the field for a secret that is stored nowhere.
package hostlist

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/charmbracelet/bubbles/textinput"
	tea "github.com/charmbracelet/bubbletea"

	"rapport/knock"
	"rapport/knock/hosts"
	"rapport/knock/hosts/legacy"
	"rapport/knock/hosts/sshconfig"
	"rapport/tui/session"
	"rapport/tui/ui"
)

// step is what the Hosts screen is doing.
type step int

const (
	listing   step = iota
	filtering      // the filter of the list is typed
	removing       // the removal of the selected server awaits its confirmation
	editing        // a server is added or changed in the form
	importing      // the path of an old script is typed
	unlocking      // the secret of a server that stores none is typed
)

// Screen is the list of servers, the form for one of them, or a text field.
type Screen struct {
	*session.Session
	step    step
	all     []hosts.Host // of the hosts file
	results map[string]hosts.Result
	filter  string
	cursor  int
	broken  string // why the hosts file cannot be read
	failure string
	notice  string
	form    form
	input   textinput.Model // of the filter, of importing and of unlocking
	asked   hosts.Host      // the server whose secret is being read
}

// Begin shows the list once it was loaded, or the form where it is empty.
func (s *Screen) Begin() {
	if len(s.all) == 0 && s.broken == "" {
		s.edit(newForm(hosts.NewHost(""), false, knock.Secret{}))
		s.form.first = true
	}
}

// Header implements [session.Screen].
func (s *Screen) Header() (about string, at time.Time) { return "", s.Now }

// Keys implements [session.Screen].
func (s *Screen) Keys() ui.Keys {
	back := ui.NewKey("esc", "back", "", ui.Act(s.back))
	switch s.step {
	case filtering:
		return ui.ModalKeys(ui.NewKey("enter", "use the filter", "", ui.Act(func() { s.step = listing })), back)
	case removing:
		k := ui.ModalKeys(ui.NewKey("y", "remove", "", ui.Act(s.remove)))
		k.Bar = append(k.Bar, ui.NewKey("any other key", "leave it", "", nil))
		return k
	case editing:
		return s.form.keys(s.save, back)
	case importing:
		return ui.ModalKeys(ui.NewKey("enter", "import", "", ui.Act(s.importScript)), back)
	case unlocking:
		return ui.ModalKeys(ui.NewKey("enter", "open", "", s.typedSecret), back)
	}
	return s.listKeys()
}

func (s *Screen) listKeys() ui.Keys {
	h, any := s.selected()
	do := func(f func() tea.Cmd) func() tea.Cmd {
		return func() tea.Cmd {
			s.forget()
			return f()
		}
	}
	now := func(f func()) func() tea.Cmd { return do(ui.Act(f)) }
	open := ui.NewKey("enter", "open", "open the selected server", do(func() tea.Cmd { return s.unlock(h) }), "k", " ").If(any)
	move := ui.MoveKeys("select", 10, func(by int) { s.forget(); s.cursor = max(0, min(s.cursor+by, len(s.shown())-1)) })
	filter := ui.NewKey("/", "filter", "filter by name and address", now(s.startFilter))
	add := ui.NewKey("a", "add", "add a server", now(func() { s.edit(newForm(hosts.NewHost(""), false, knock.Secret{})) }))
	edit := ui.NewKey("e", "edit", "edit the selected one", now(func() { s.edit(newForm(h, true, knock.Secret{})) })).If(any)
	imports := ui.NewKey("i", "import", "import an old script", now(func() { s.ask(importing, ui.NewInput(50, 4096)) }))
	remove := ui.NewKey("x", "remove", "remove the selected one (asks first)", now(func() { s.step = removing }), "delete").If(any)
	clear := ui.NewKey("esc", "", "clear it", now(func() { s.filter = "" }))
	k := ui.Keys{Rows: [][]ui.Key{{open}, move, {filter, clear}, {add}, {edit}, {imports}, {remove}}}
	k.Bar = []ui.Key{open, add, edit, imports, remove, filter}
	return k
}

// forget drops the last message, and the server whose secret is being read.
func (s *Screen) forget() { s.failure, s.notice, s.asked = "", "", hosts.Host{} }

// Update implements [session.Screen].
func (s *Screen) Update(msg tea.Msg) (cmd tea.Cmd) {
	if msg, ok := msg.(Unlocked); ok {
		return s.unlocked(msg)
	}
	_, isKey := msg.(tea.KeyMsg)
	switch s.step {
	case listing, removing:
		if isKey {
			s.forget()
			s.step = listing
		}
	case editing:
		return s.form.update(msg)
	case filtering, importing, unlocking:
		s.input, cmd = s.input.Update(msg)
		if s.step == filtering && s.filter != s.input.Value() {
			s.filter, s.cursor = s.input.Value(), 0
		}
	}
	return cmd
}

// back returns to the list from a form or a text field.
func (s *Screen) back() {
	s.asked = hosts.Host{}
	if s.step != filtering {
		s.Reload()
	}
	s.step = listing
}

func (s *Screen) edit(f form) { s.step, s.form = editing, f }

func (s *Screen) ask(step step, input textinput.Model) {
	s.step, s.input, s.failure = step, input, ""
	s.input.Focus()
}

func (s *Screen) startFilter() {
	filter := s.filter
	s.ask(filtering, ui.NewInput(40, 255))
	s.input.SetValue(filter)
}

// importScript fills the form from the script whose path was typed.
func (s *Screen) importScript() {
	var script legacy.Script
	path, err := sshconfig.ExpandHome(strings.TrimSpace(s.input.Value()))
	if err == nil {
		script, err = hosts.ReadScript(path)
	}
	if err != nil {
		s.failure = err.Error()
		return
	}
	s.failure = ""
	h := hosts.NewHost(script.Host)
	h.Range, h.SSHPort = script.Range, cmp.Or(script.SSHPort, h.SSHPort)
	s.edit(newForm(h, false, script.Secret))
}

// Reload reads the hosts file and the results again.
func (s *Screen) Reload() {
	file, err := hosts.Load(s.Config.HostsPath)
	if s.broken = ""; err != nil {
		s.broken = err.Error()
		return
	}
	s.all = file.Hosts()
	s.results = hosts.LoadResults(s.Config.ResultsPath)
}

func (s *Screen) save() tea.Cmd {
	r, field, err := s.form.complete()
	if err != nil {
		s.form.failure = err.Error()
		s.form.to(field)
		return nil
	}
	path, old := s.Config.HostsPath, s.form.old
	var h hosts.Host
	if old == nil {
		h, err = hosts.Add(s.Ctx, path, r.host, r.secret, r.store)
	} else {
		h, err = hosts.Edit(s.Ctx, path, old.Name, func(now hosts.Host) (hosts.Host, error) { return r.apply(now, *old), nil }, r.secret, r.store)
	}
	if err != nil {
		s.form.failure = err.Error()
		return nil
	}
	s.step, s.filter = listing, ""
	s.Reload()
	s.cursor = max(0, slices.IndexFunc(s.all, func(other hosts.Host) bool { return other.Name == h.Name }))
	if !r.secret.IsZero() {
		s.notice = "the secret of " + h.Name + " is in " + cmp.Or(h.Secret.Path, "the keyring") + "; the server needs the same"
	}
	if old == nil {
		return s.unlock(h)
	}
	return nil
}

func (s *Screen) remove() {
	s.step = listing
	h, ok := s.selected()
	if !ok {
		return
	}
	err := hosts.Update(s.Ctx, s.Config.HostsPath, func(e *hosts.Editor) error { return e.Remove(h.Name) })
	if err != nil {
		s.failure = err.Error()
		return
	}
	s.Reload()
	s.notice = fmt.Sprintf("removed %s; its secret stays where it is stored", h.Name)
}

// View implements [session.Screen].
func (s *Screen) View() []string {
	w, h := s.Size.Width-2, s.Size.Height-4
	p := ui.Pane{Note: s.Config.HostsPath}
	switch s.step {
	case editing:
		p.Title, p.Lines = "add a server", s.form.lines(s.Theme, w)
		if s.form.old != nil {
			p.Title = "edit " + s.form.old.Name
		}
	case importing:
		p = s.question("import an old script", "path")
	case unlocking:
		p = s.question("the secret of "+s.asked.Name, "secret")
	default:
		p.Title, p.Lines = "hosts", s.lines(w, h)
		if s.Size.Framed() {
			p.Fill(h)
		}
	}
	return s.Frame(p)
}

// question is a pane with one text field.
func (s *Screen) question(title, label string) ui.Pane {
	p := ui.Pane{Title: title, Lines: []string{" " + s.Theme.Accent.Render(label) + "  " + s.input.View(), ""}}
	p.Add(ui.Paragraph(s.Theme.Bad, s.failure, " ", s.Size.Width-3)...)
	return p
}

// Unlocked is the event that a server's secret has been read, or could not be.
type Unlocked struct {
	host   hosts.Host
	secret knock.Secret
	err    error
}

// unlock reads the secret of a server. A secret_command gets the terminal, since it
// may ask for a passphrase; any other secret is read while the list is shown.
func (s *Screen) unlock(h hosts.Host) tea.Cmd {
	ctx := s.Ctx
	s.asked = h
	var secret knock.Secret
	read := func() (err error) {
		secret, err = h.ReadSecret(ctx)
		return err
	}
	done := func(err error) tea.Msg { return Unlocked{h, secret, err} }
	if h.Secret.Source() != hosts.FromCommand {
		return func() tea.Msg { return done(read()) }
	}
	return ui.Exec(func() error {
		fmt.Printf("rapport: reading the secret of %s with its secret_command\n", h.Name)
		return read()
	}, done)
}

// typedSecret opens the server with the secret that was typed.
func (s *Screen) typedSecret() tea.Cmd {
	secret, err := knock.ParseSecret(strings.TrimSpace(s.input.Value()))
	if err != nil {
		s.failure = err.Error()
		return nil
	}
	return s.unlocked(Unlocked{s.asked, secret, nil})
}

// unlocked opens a server whose secret has been read, or asks for the secret.
func (s *Screen) unlocked(msg Unlocked) tea.Cmd {
	if s.step != listing && s.step != unlocking || s.asked.Name != msg.host.Name {
		return nil // the user has left that server
	}
	switch {
	case errors.Is(msg.err, hosts.ErrNoSecret):
		s.ask(unlocking, ui.NewSecretInput(50, 4096))
		return textinput.Blink
	case errors.Is(msg.err, context.Canceled):
		s.asked = hosts.Host{}
		return nil
	case msg.err != nil:
		s.step, s.failure, s.asked = listing, msg.err.Error(), hosts.Host{}
		return nil
	}
	notice := s.notice
	s.step = listing
	s.forget()
	cmd := s.Use(msg.host, msg.secret)
	if notice != "" {
		s.Note("%s", notice)
	}
	return cmd
}
