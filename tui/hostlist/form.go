package hostlist

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/charmbracelet/bubbles/textinput"
	tea "github.com/charmbracelet/bubbletea"

	"rapport/knock"
	"rapport/knock/hosts"
	"rapport/tui/ui"
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

// introduction stands above the form at the first start.
const introduction = "A server to knock at. Its gate opens SSH, for seconds, to an address that knocks five ports in order; " +
	"the secret, the same on both sides, makes new ports each hour. esc, then i, imports an old script; rapport demo shows it all without a server."

// stores are the places where a form puts a secret.
var stores = [...]hosts.SecretSource{hosts.InFile, hosts.InKeyring}

// form adds a server to the hosts file, or changes one.
type form struct {
	inputs  [fieldStore]textinput.Model
	store   int // index in stores
	focus   int
	old     *hosts.Host // the entry that is changed, nil for a new one
	first   bool        // the hosts file has no server yet
	failure string
}

// newForm returns a form filled with h, which is changed if old.
func newForm(h hosts.Host, old bool, secret knock.Secret) form {
	f := form{}
	for i, field := range [fieldStore]struct{ value, placeholder string }{
		{h.Name, ""}, {h.Address, "the name itself"}, {strconv.Itoa(h.SSHPort), ""}, {h.Range.String(), ""},
		{secret.Reveal(), "ctrl+g makes a strong one"},
	} {
		f.inputs[i] = ui.NewInput(40, 255)
		if i == fieldSecret {
			f.inputs[i] = ui.NewSecretInput(40, 512)
		}
		f.inputs[i].SetValue(field.value)
		f.inputs[i].Placeholder = field.placeholder
	}
	if h.Secret.Source() == hosts.InKeyring {
		f.store = 1
	}
	if old {
		f.old = &h
		f.inputs[fieldSecret].Placeholder = "left as it is"
	}
	f.to(fieldName)
	return f
}

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

// strength says how strong the secret is that was typed, if one was.
func (f *form) strength() string {
	text := f.value(fieldSecret)
	if text == "" {
		return ""
	}
	secret, err := knock.ParseSecret(text)
	if err != nil {
		return err.Error()
	}
	r, err := knock.ParseRange(f.inputs[fieldRange].Value())
	if err != nil {
		r = knock.DefaultRange
	}
	return hosts.Estimate(secret, r).Summary()
}

// value is the text of a field; what was pasted may end in a newline.
func (f *form) value(field int) string { return strings.TrimSpace(f.inputs[field].Value()) }

// formResult is what a completed form says.
type formResult struct {
	host   hosts.Host
	secret knock.Secret       // zero: left as it is
	store  hosts.SecretSource // empty: where it is
}

// apply makes the form's changes to an entry, and no others: the entry may have been
// changed elsewhere meanwhile.
func (r formResult) apply(now, old hosts.Host) hosts.Host {
	changed(&now.Name, old.Name, r.host.Name)
	changed(&now.Address, old.Address, r.host.Address)
	changed(&now.SSHPort, old.SSHPort, r.host.SSHPort)
	changed(&now.Range, old.Range, r.host.Range)
	return now
}

// changed sets now to what was typed, if that differs from what was there before.
func changed[T comparable](now *T, before, typed T) {
	if typed != before {
		*now = typed
	}
}

// keys are the form's keys; all others are text.
func (f *form) keys(save func() tea.Cmd, back ui.Key) ui.Keys {
	do := func(deed func() tea.Cmd) func() tea.Cmd {
		return func() tea.Cmd {
			f.failure = ""
			return deed()
		}
	}
	to := func(by int) func() tea.Cmd { return do(func() tea.Cmd { return f.to(f.focus + by) }) }
	inStore := f.focus == fieldStore
	next, prev := ui.NewKey("tab", "next", "", to(1), "down"), ui.NewKey("shift+tab", "", "", to(-1), "up")
	generate := ui.NewKey("ctrl+g", "make a secret", "", do(ui.Act(func() { f.inputs[fieldSecret].SetValue(hosts.Generate().Reveal()) })))
	change := ui.NewKey("space", "change", "", do(ui.Act(func() { f.store = (f.store + 1) % len(stores) })), " ", "left", "right").If(inStore)
	enter := ui.NewKey("enter", "save", "", do(save)).If(inStore)
	saves := ui.NewKey("ctrl+s", "save", "", do(save))
	down := ui.NewKey("enter", "", "", to(1)).If(!inStore)
	k := ui.Keys{Modal: true, Rows: [][]ui.Key{{next, prev, down, generate, change, enter, saves, back}}, Bar: []ui.Key{next, generate, saves, back}}
	if inStore {
		k.Bar = []ui.Key{change, enter, next, back}
	}
	return k
}

// update passes a message to the field that has the focus.
func (f *form) update(msg tea.Msg) (cmd tea.Cmd) {
	if _, isKey := msg.(tea.KeyMsg); isKey {
		f.failure = ""
	}
	if f.focus < fieldStore {
		f.inputs[f.focus], cmd = f.inputs[f.focus].Update(msg)
	}
	return cmd
}

// complete returns what the form says; err is about field.
func (f *form) complete() (r formResult, field int, err error) {
	if f.old != nil {
		r.host = *f.old
	}
	r.host.Name, r.host.Address = f.value(fieldName), f.value(fieldAddress)
	if f.old == nil || (stores[f.store] == hosts.InKeyring) != (f.old.Secret.Source() == hosts.InKeyring) {
		r.store = stores[f.store]
	}
	if r.host.Name == "" {
		return r, fieldName, errors.New("give the server a name")
	}
	if r.host.SSHPort, err = strconv.Atoi(f.value(fieldPort)); err != nil || r.host.SSHPort < 1 || r.host.SSHPort > 65535 {
		return r, fieldPort, fmt.Errorf("port %q is not within 1-65535", f.value(fieldPort))
	}
	if r.host.Range, err = knock.ParseRange(f.value(fieldRange)); err != nil {
		return r, fieldRange, err
	}
	switch text := f.value(fieldSecret); {
	case text != "":
		r.secret, err = knock.ParseSecret(text)
	case f.old == nil:
		err = errors.New("type the secret, or press ctrl+g to make one")
	}
	return r, fieldSecret, err
}

// lines draws the form in w cells.
func (f *form) lines(th ui.Theme, w int) (out []string) {
	labels := [fieldCount]string{"name", "address", "ssh port", "range", "secret", "store it in"}
	const introWidth = 58 // where the fields fit below it
	if f.first && w >= introWidth {
		out = append(ui.Paragraph(th.Ink, introduction, "   ", w-1), "")
	}
	for i := range fieldCount {
		mark, label := "  ", ui.Fit(labels[i], 12)
		if i == f.focus {
			mark, label = "> ", th.Accent.Render(label)
		}
		text := f.storeLine(th)
		if i < fieldStore {
			text = f.inputs[i].View()
		}
		out = append(out, " "+mark+label+text)
		if i == fieldSecret {
			out = append(out, ui.Paragraph(th.Quiet, f.strength(), ui.Fit("", 15), w-1)...)
		}
	}
	return append(append(out, ""), ui.Paragraph(th.Bad, f.failure, "   ", w-1)...)
}

// storeLine are the places for the secret, the chosen one in brackets.
func (f *form) storeLine(th ui.Theme) (text string) {
	for i, store := range stores {
		if i == f.store {
			text += th.Badge.Render("["+string(store)+"]") + " "
		} else {
			text += " " + string(store) + "  "
		}
	}
	return text
}
