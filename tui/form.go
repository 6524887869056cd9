package tui

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/charmbracelet/bubbles/textinput"
	tea "github.com/charmbracelet/bubbletea"

	"rapport/knock"
	"rapport/knock/hosts"
)

// The fields of the form, from top to bottom.
const (
	fieldName = iota
	fieldAddress
	fieldPort
	fieldRange
	fieldSecret
	fieldStore
	fieldCount
)

// stores are the places where a form puts a secret.
var stores = [...]string{hosts.InFile, hosts.InKeyring}

// form adds a server to the hosts file, or changes one.
type form struct {
	inputs   [fieldStore]textinput.Model
	store    int // index in stores
	focus    int
	old      *hosts.Host // the entry that is changed, nil for a new one
	first    bool        // there is no server yet
	failure  string
	strength string // what is said of the secret typed so far
}

// newForm returns a form filled with h, which is changed if old.
func newForm(h hosts.Host, old bool, secret knock.Secret) form {
	f := form{}
	for i := range f.inputs {
		f.inputs[i] = textinput.New()
		f.inputs[i].Prompt = ""
		f.inputs[i].Width = 40
		f.inputs[i].CharLimit = 255
	}
	f.inputs[fieldSecret].EchoMode = textinput.EchoPassword
	f.inputs[fieldSecret].EchoCharacter = '*'
	f.inputs[fieldSecret].CharLimit = 512
	f.inputs[fieldName].SetValue(h.Name)
	f.inputs[fieldAddress].SetValue(h.Address)
	f.inputs[fieldPort].SetValue(strconv.Itoa(h.SSHPort))
	f.inputs[fieldRange].SetValue(h.Range.String())
	f.inputs[fieldSecret].SetValue(secret.Reveal())
	f.inputs[fieldAddress].Placeholder = "the name itself"
	f.inputs[fieldSecret].Placeholder = "ctrl+g makes a strong one"
	if h.Keyring {
		f.store = 1
	}
	if old {
		f.old = &h
		f.inputs[fieldSecret].Placeholder = "left as it is"
	}
	f.rate()
	f.to(fieldName)
	return f
}

// to moves the focus.
func (f *form) to(field int) tea.Cmd {
	f.focus = (field + fieldCount) % fieldCount
	var cmd tea.Cmd
	for i := range f.inputs {
		if i == f.focus {
			cmd = f.inputs[i].Focus()
		} else {
			f.inputs[i].Blur()
		}
	}
	return cmd
}

// rate says how strong the secret is, where there is one to rate.
func (f *form) rate() {
	f.strength = ""
	text := strings.TrimSpace(f.inputs[fieldSecret].Value())
	if text == "" {
		return
	}
	secret, err := knock.ParseSecret(text)
	if err != nil {
		f.strength = err.Error()
		return
	}
	r, err := knock.ParseRange(f.inputs[fieldRange].Value())
	if err != nil {
		r = knock.DefaultRange
	}
	f.strength = hosts.Estimate(secret, r).Summary()
}

// formResult is what a form that was completed asks for.
type formResult struct {
	host   hosts.Host
	secret knock.Secret // zero: left as it is
	store  string       // empty: where it is
}

// onto changes an entry by what was changed in the form, and nothing else: the
// entry may have been changed elsewhere meanwhile.
func (r formResult) onto(now, old hosts.Host) hosts.Host {
	if r.host.Name != old.Name {
		now.Name = r.host.Name
	}
	if r.host.Address != old.Address {
		now.Address = r.host.Address
	}
	if r.host.SSHPort != old.SSHPort {
		now.SSHPort = r.host.SSHPort
	}
	if r.host.Range != old.Range {
		now.Range = r.host.Range
	}
	return now
}

// update answers a message; result is not nil once the form is complete.
func (f *form) update(msg tea.Msg) (result *formResult, cmd tea.Cmd) {
	if k, ok := msg.(tea.KeyMsg); ok {
		f.failure = ""
		switch k.String() {
		case "tab", "down":
			return nil, f.to(f.focus + 1)
		case "shift+tab", "up":
			return nil, f.to(f.focus - 1)
		case "ctrl+g":
			f.inputs[fieldSecret].SetValue(hosts.Generate().Reveal())
			f.rate()
			return nil, nil
		case "left", "right", " ":
			if f.focus == fieldStore {
				f.store = (f.store + 1) % len(stores)
				return nil, nil
			}
		case "enter", "ctrl+s":
			if k.String() == "enter" && f.focus < fieldStore {
				return nil, f.to(f.focus + 1)
			}
			r, field, err := f.complete()
			if err != nil {
				f.failure = err.Error()
				return nil, f.to(field)
			}
			return &r, nil
		}
	}
	if f.focus < fieldStore {
		f.inputs[f.focus], cmd = f.inputs[f.focus].Update(msg)
		f.rate()
	}
	return nil, cmd
}

// complete checks the fields; field is the one that err is about.
func (f *form) complete() (r formResult, field int, err error) {
	value := func(i int) string { return strings.TrimSpace(f.inputs[i].Value()) }
	if f.old != nil {
		r.host = *f.old
	}
	r.host.Name, r.host.Address = value(fieldName), value(fieldAddress)
	if f.old == nil || (stores[f.store] == hosts.InKeyring) != f.old.Keyring {
		r.store = stores[f.store]
	}
	if r.host.Name == "" {
		return r, fieldName, fmt.Errorf("give the server a name")
	}
	if r.host.SSHPort, err = strconv.Atoi(value(fieldPort)); err != nil || r.host.SSHPort < 1 || r.host.SSHPort > 65535 {
		return r, fieldPort, fmt.Errorf("port %q is not within 1-65535", value(fieldPort))
	}
	if r.host.Range, err = knock.ParseRange(value(fieldRange)); err != nil {
		return r, fieldRange, err
	}
	text := strings.TrimSpace(f.inputs[fieldSecret].Value()) // what is pasted ends in a newline
	if text == "" {
		if f.old == nil {
			return r, fieldSecret, fmt.Errorf("type the secret, or press ctrl+g to make one")
		}
		return r, 0, nil
	}
	r.secret, err = knock.ParseSecret(text)
	return r, fieldSecret, err
}

// lines draws the form in w cells.
func (f *form) lines(th theme, w int) []string {
	labels := [fieldCount]string{"name", "address", "ssh port", "range", "secret", "keep it in"}
	var out []string
	if f.first {
		for _, l := range wrap("A server to knock at: its name, its range, and the secret that it shares with you. esc, then i, makes it of an old script instead.", w-4) {
			out = append(out, "   "+l)
		}
		out = append(out, "")
	}
	for i := range fieldCount {
		mark, label := "  ", fit(labels[i], 12)
		if i == f.focus {
			mark, label = "> ", th.accent.Render(label)
		}
		text := ""
		if i < fieldStore {
			text = f.inputs[i].View()
		} else {
			for j, s := range stores {
				if j == f.store {
					s = th.badge.Render("[" + s + "]")
				} else {
					s = " " + s + " "
				}
				text += s + " "
			}
		}
		out = append(out, " "+mark+label+text)
		if i == fieldSecret {
			for _, l := range wrap(f.strength, w-16) {
				if l == "" {
					continue
				}
				out = append(out, fit("", 15)+th.dim.Render(l))
			}
		}
	}
	out = append(out, "")
	if f.failure != "" {
		for _, l := range wrap(f.failure, w-4) {
			out = append(out, "   "+th.bad.Render(l))
		}
	}
	return out
}
