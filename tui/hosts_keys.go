package tui

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/charmbracelet/bubbles/textinput"
	tea "github.com/charmbracelet/bubbletea"

	"rapport/knock"
	"rapport/knock/hosts"
)

// hostsKey answers a key on the Hosts screen.
func (a *app) hostsKey(msg tea.KeyMsg) tea.Cmd {
	l := &a.list
	l.failure, l.notice, a.asked = "", "", hosts.Host{}
	if l.removing {
		l.removing = false
		if msg.String() == "y" {
			a.remove()
		}
		return nil
	}
	h, any := l.selected()
	switch msg.String() {
	case "up":
		l.move(-1)
	case "down":
		l.move(1)
	case "pgup":
		l.move(-10)
	case "pgdown":
		l.move(10)
	case "home", "g":
		l.move(-len(l.all))
	case "end", "G":
		l.move(len(l.all))
	case "/":
		l.filtering = true
	case "esc":
		l.filter = ""
	case "enter", "k", " ":
		if any {
			return a.unlock(h)
		}
	case "a":
		a.mode, a.form = onForm, newForm(hosts.NewHost(""), false, knock.Secret{})
	case "e":
		if any {
			a.mode, a.form = onForm, newForm(h, true, knock.Secret{})
		}
	case "i":
		a.ask(onImport, "")
	case "x", "delete":
		l.removing = any
	}
	return nil
}

// typed hands a message to the text field that is shown.
func (a *app) typed(msg tea.Msg) tea.Cmd {
	if a.mode == onCompare {
		return a.compareTyped(msg)
	}
	k, isKey := msg.(tea.KeyMsg)
	if isKey && k.String() == "esc" {
		a.list.filtering = false
		if a.mode != onHosts {
			a.mode = onHosts
			a.reload()
		}
		return nil
	}
	switch a.mode {
	case onForm:
		result, cmd := a.form.update(msg)
		if result != nil {
			return a.save(*result)
		}
		return cmd
	case onImport, onSecret:
		if isKey && k.String() == "enter" {
			return a.entered()
		}
		var cmd tea.Cmd
		a.input, cmd = a.input.Update(msg)
		return cmd
	}
	if isKey && a.list.filtering {
		a.filterKey(k)
	}
	return nil
}

// filterKey answers a key while the filter is typed.
func (a *app) filterKey(k tea.KeyMsg) {
	l := &a.list
	switch {
	case k.String() == "enter":
		l.filtering = false
	case k.String() == "backspace":
		if r := []rune(l.filter); len(r) > 0 {
			l.filter = string(r[:len(r)-1])
		}
	case k.Type == tea.KeyRunes, k.Type == tea.KeySpace:
		l.filter += string(k.Runes)
	}
	l.cursor = 0
}

// ask shows a text field: for the path of a script, or for a secret.
func (a *app) ask(m mode, failure string) {
	a.mode = m
	a.input = textinput.New()
	a.input.Prompt = ""
	a.input.CharLimit = 4096
	a.input.Width = 50
	if m == onSecret {
		a.input.EchoMode, a.input.EchoCharacter = textinput.EchoPassword, '*'
	}
	a.input.Focus()
	a.list.failure = failure
}

// entered takes what was typed into the text field.
func (a *app) entered() tea.Cmd {
	text := a.input.Value()
	if a.mode == onSecret {
		secret, err := knock.ParseSecret(strings.TrimSpace(text))
		if err != nil {
			a.list.failure = err.Error()
			return nil
		}
		return a.unlocked(unlocked{a.asked, secret, nil})
	}
	script, err := hosts.ReadScript(expandHome(strings.TrimSpace(text)))
	if err != nil {
		a.list.failure = err.Error()
		return nil
	}
	a.list.failure = ""
	h := hosts.NewHost(script.Host)
	h.Range = script.Range
	if script.SSHPort != 0 {
		h.SSHPort = script.SSHPort
	}
	a.mode, a.form = onForm, newForm(h, false, script.Secret)
	return nil
}

func expandHome(path string) string {
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		if home, err := os.UserHomeDir(); err == nil {
			return filepath.Join(home, rest)
		}
	}
	return path
}

// reload reads the hosts file and the results anew.
func (a *app) reload() {
	file, err := hosts.Load(a.config.HostsPath)
	if a.list.broken = ""; err != nil {
		a.list.broken = err.Error()
		return
	}
	a.list.all = file.Hosts()
	a.list.results = hosts.LoadResults(a.config.ResultsPath)
}

// save writes what the form asks for.
func (a *app) save(r formResult) tea.Cmd {
	path, old := a.config.HostsPath, a.form.old
	var h hosts.Host
	var err error
	if old == nil {
		h, err = hosts.Add(a.ctx, path, r.host, r.secret, r.store)
	} else {
		h, err = hosts.Edit(a.ctx, path, old.Name, func(now hosts.Host) (hosts.Host, error) { return r.onto(now, *old), nil }, r.secret, r.store)
	}
	if err != nil {
		a.form.failure = err.Error()
		return nil
	}
	a.mode, a.list.filter = onHosts, ""
	a.reload()
	a.list.pick(h.Name)
	if !r.secret.IsZero() {
		where := "the keyring"
		if h.SecretFile != "" {
			where = h.SecretFile
		}
		a.list.notice = "the secret of " + h.Name + " is in " + where + "; the server needs the same"
	}
	if old == nil {
		return a.unlock(h)
	}
	return nil
}

// remove takes the selected server out of the hosts file.
func (a *app) remove() {
	h, ok := a.list.selected()
	if !ok {
		return
	}
	err := hosts.Update(a.ctx, a.config.HostsPath, func(e *hosts.Editor) error { return e.Remove(h.Name) })
	if err != nil {
		a.list.failure = err.Error()
		return
	}
	a.reload()
	a.list.notice = fmt.Sprintf("removed %s; its secret stays where it was kept", h.Name)
}

// toHosts leaves the Knock screen for the list.
func (a *app) toHosts() tea.Cmd {
	if a.config.HostsPath == "" {
		return nil
	}
	if a.cancel(); a.job != nil {
		a.job.left = true
	}
	a.mode, a.help = onHosts, false
	a.screen = knockScreen{}
	a.forgetCompare()
	a.diagnose = diagnoseScreen{}
	a.reload()
	return nil
}

// reading is what the list says while a secret is being read.
func reading(h hosts.Host) string { return "reading the secret of " + h.Name + "; esc gives up" }

// unlocked is a server whose secret has been read.
type unlocked struct {
	host   hosts.Host
	secret knock.Secret
	err    error
}

// unlock reads the secret of a server. A command that prints it may ask for a
// passphrase, so it gets the terminal; everything else is read beside the screen.
func (a *app) unlock(h hosts.Host) tea.Cmd {
	ctx := a.ctx
	if len(h.SecretCommand) > 0 {
		a.asked = h
		var secret knock.Secret
		run := execFunc(func() (err error) {
			fmt.Printf("rapport: reading the secret of %s with its secret_command\n", h.Name)
			secret, err = h.ReadSecret(ctx)
			return err
		})
		return tea.Exec(run, func(err error) tea.Msg { return unlocked{h, secret, err} })
	}
	a.asked = h
	if a.list.notice == "" {
		a.list.notice = reading(h)
	}
	return func() tea.Msg {
		secret, err := h.ReadSecret(ctx)
		return unlocked{h, secret, err}
	}
}

func (a *app) unlocked(msg unlocked) tea.Cmd {
	if a.mode != onHosts && a.mode != onSecret || a.asked.Name != msg.host.Name {
		return nil // the user has gone elsewhere
	}
	if a.list.notice == reading(msg.host) {
		a.list.notice = ""
	}
	switch {
	case errors.Is(msg.err, hosts.ErrNoSecret):
		a.ask(onSecret, "")
		return textinput.Blink
	case msg.err != nil:
		if !errors.Is(msg.err, context.Canceled) {
			a.mode, a.list.failure = onHosts, msg.err.Error()
		}
		return nil
	}
	a.onServer(msg.host, msg.secret)
	if a.list.notice != "" {
		a.screen.note(a.now, "%s", a.list.notice)
	}
	a.list.failure, a.list.notice = "", ""
	return func() tea.Msg { return startMsg{resolving} }
}

// execFunc is a function that wants the terminal to itself.
type execFunc func() error

// Run implements [tea.ExecCommand].
func (f execFunc) Run() error { return f() }

// SetStdin implements [tea.ExecCommand]; the function uses the process's own.
func (execFunc) SetStdin(io.Reader) {}

// SetStdout implements [tea.ExecCommand].
func (execFunc) SetStdout(io.Writer) {}

// SetStderr implements [tea.ExecCommand].
func (execFunc) SetStderr(io.Writer) {}
