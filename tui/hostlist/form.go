package hostlist

import (
	"cmp"
	"slices"
	"strings"

	"github.com/charmbracelet/bubbles/textinput"
	tea "github.com/charmbracelet/bubbletea"

	"rapport/knock"
	"rapport/knock/hosts"
	"rapport/knock/hosts/legacy"
	"rapport/knock/hosts/strength"
	"rapport/tui/ui"
)

// form adds a server to the hosts file, or changes one.
type form struct {
	inputs   [fieldCount]textinput.Model // of the fields that are text
	path     ui.PathInput                // of the secret file
	choices  [fieldCount]int             // of the others
	focus    int
	old      *hosts.Host // the entry that is changed, nil for a new one
	first    bool        // the hosts file has no server yet
	failure  string
	imported bool // a pasted script filled it
}

// newForm returns a form filled with h, which is changed if old.
func newForm(h hosts.Host, old bool) form {
	f := form{}
	for i, field := range fields() {
		f.inputs[i] = ui.NewInput(40, 255)
		if i == fieldSecret {
			f.inputs[i] = ui.NewSecretInput(40, 512)
		}
		f.inputs[i].Placeholder = field.usual
	}
	f.path = ui.NewPathInput(40)
	f.path.Placeholder = fields()[fieldFile].usual
	f.fill(h, knock.Secret{})
	if old {
		f.old = &h
		f.inputs[fieldSecret].Placeholder = "left as it is"
	}
	f.to(fieldName)
	return f
}

// fill writes an entry into the fields.
func (f *form) fill(h hosts.Host, secret knock.Secret) {
	for i, field := range fields() {
		switch {
		case i == fieldSecret:
			f.inputs[i].SetValue(secret.Reveal())
		case i == fieldFile:
			f.path.SetValue(h.Secret.Path)
		case field.choices != nil:
			f.choices[i] = max(0, slices.Index(field.choices, field.text(h)))
		default:
			f.inputs[i].SetValue(field.text(h))
		}
	}
}

// to moves the focus to a field.
func (f *form) to(field int) tea.Cmd {
	f.focus = (field + fieldCount) % fieldCount
	var cmd tea.Cmd
	for i := range f.inputs {
		f.inputs[i].Blur()
	}
	f.path.Blur()
	switch {
	case f.focus == fieldFile:
		cmd = f.path.Focus()
	case fields()[f.focus].choices == nil:
		cmd = f.inputs[f.focus].Focus()
	}
	return cmd
}

// value is the text of a field; what was pasted may end in a newline.
func (f *form) value(i int) string {
	switch choices := fields()[i].choices; {
	case i == fieldFile:
		return strings.TrimSpace(f.path.Value())
	case choices != nil:
		return choices[f.choices[i]]
	}
	return strings.TrimSpace(f.inputs[i].Value())
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
	return strength.Estimate(secret, r).Summary()
}

// keys are the form's keys; all others are text.
func (f *form) keys(save, demo func() tea.Cmd, back ui.Key) ui.Keys {
	do := func(deed func() tea.Cmd) func() tea.Cmd {
		return func() tea.Cmd {
			f.failure = ""
			return deed()
		}
	}
	to := func(by int) func() tea.Cmd { return do(func() tea.Cmd { return f.to(f.focus + by) }) }
	choices := fields()[f.focus].choices
	next, prev := ui.NewKey("tab", "next", "", to(1)), ui.NewKey("shift+tab", "", "", to(-1), "up")
	down := ui.NewKey("down", "", "", to(1), "enter")
	if f.focus == fieldFile && f.path.Completes() {
		next = ui.NewKey("tab", "complete", "", nil)
		next.SetKeys("")
	}
	if f.focus == fieldCount-1 {
		down.SetKeys("down")
	}
	generate := ui.NewKey("ctrl+g", "make a secret", "", do(ui.Act(func() {
		f.inputs[fieldSecret].SetValue(strength.Generate().Reveal())
	})))
	turn := func(by int) func() tea.Cmd {
		return do(ui.Act(func() { f.choices[f.focus] = (f.choices[f.focus] + by + len(choices)) % len(choices) }))
	}
	change := ui.NewKey("space", "change", "", turn(1), " ", "right").If(choices != nil)
	turnBack := ui.NewKey("left", "", "", turn(-1)).If(choices != nil)
	saves := ui.NewKey("ctrl+s", "save", "", do(save))
	enter := ui.NewKey("enter", "", "", do(save)).If(f.focus == fieldCount-1)
	tour := ui.NewKey("ctrl+d", "demo", "", demo).If(demo != nil && f.first)
	k := ui.Keys{Modal: true, Rows: [][]ui.Key{{next, prev, down, generate, change, turnBack, enter, saves, tour, back}}}
	k.Bar = []ui.Key{next, saves, generate, back, tour, change}
	return k
}

// update passes a message to the field that has the focus. A script that is pasted
// fills the form.
func (f *form) update(msg tea.Msg) (cmd tea.Cmd) {
	if key, isKey := msg.(tea.KeyMsg); isKey {
		f.failure, f.imported = "", false
		if key.Paste && strings.ContainsAny(string(key.Runes), "\r\n") && f.importText(string(key.Runes)) {
			return nil
		}
	}
	switch {
	case f.focus == fieldFile:
		f.path, cmd = f.path.Update(msg)
	case fields()[f.focus].choices == nil:
		f.inputs[f.focus], cmd = f.inputs[f.focus].Update(msg)
	}
	return cmd
}

// importText fills the form from the text of a script, if it is one.
func (f *form) importText(text string) bool {
	script, err := legacy.ParseScript([]byte(text))
	if err != nil {
		if len(strings.Fields(text)) > 1 {
			f.failure = err.Error()
		}
		return len(strings.Fields(text)) > 1
	}
	f.apply(script)
	return true
}

// apply fills the form from an old script; a name that was typed stays.
func (f *form) apply(script legacy.Script) {
	h := hosts.NewHost(cmp.Or(f.value(fieldName), script.Host))
	if h.Name != script.Host {
		h.Address = script.Host
	}
	h.Range, h.SSHPort = script.Range, cmp.Or(script.SSHPort, h.SSHPort)
	f.fill(h, script.Secret)
	f.imported = true
}
