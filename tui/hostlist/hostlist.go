// Package hostlist is the Overview: the servers of the hosts file with their states
// and their last handshakes, knocked and probed side by side; the form that adds or
// edits one, the import of an old script, and the field for a secret that is stored
// nowhere.
package hostlist

import (
	"slices"
	"strings"
	"time"

	"github.com/charmbracelet/bubbles/textinput"
	tea "github.com/charmbracelet/bubbletea"

	"rapport/knock"
	"rapport/knock/hosts"
	"rapport/knock/hosts/history"
	"rapport/knock/hosts/legacy"
	"rapport/knock/hosts/sshconfig"
	"rapport/tui/activity"
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

// order is how the list is sorted.
type order int

const (
	asWritten order = iota
	byName
	byLast
	byTrouble
	orders // how many there are
)

// String names the order.
func (o order) String() string {
	return [...]string{"the hosts file", "name", "last handshake", "trouble"}[o]
}

// Server is what the list knows of a server that was opened.
type Server interface {
	State() (words string, tone session.Tone)  // empty: nothing happened yet
	Left() (left time.Duration, share float64) // of the window
	Hours(n int) []string                      // from the last one on, with their ports
	Past() []history.Handshake                 // with it, the oldest first
	Judged() history.Diagnosis                 // the last one of this run, or none
	// Progress is that of the handshake or the probe under way: the knocks sent of five,
	// and the share of the attempts.
	Progress() (sent int, share float64, under bool)
	Handshake() tea.Cmd // begins one
	Check() tea.Cmd     // probes without a knock
	Moving() bool
	SetHost(hosts.Host) // changes its entry
}

// then is what follows when a secret was read.
type then int

const (
	thenOpen then = iota
	thenKnock
	thenProbe
	thenDiagnose
)

// Screen is the list of servers, the form for one of them, or a text field.
type Screen struct {
	*session.Session
	Find     func(hosts.Host, knock.Secret) Server // opens a server, but does not show it
	At       func(name string) Server              // an opened server, or nil
	Stored   []activity.Handshake                  // the newest first
	step     step
	order    order
	all      []hosts.Host                   // of the hosts file
	readings int                            // of it
	past     map[string][]history.Handshake // by name
	verdicts map[string]history.Diagnosis   // by name, the last ones of earlier runs
	listed   listed                         // what shown returned last
	marked   map[string]bool                // by name
	queue    []hosts.Host                   // whose secrets are to be read next
	then     then                           // what follows for them
	filter   string
	cursor   int
	broken   error // why the hosts file cannot be read
	failure  string
	notice   string
	form     form
	input    textinput.Model // of the filter and of unlocking
	path     ui.PathInput    // of importing
	asked    hosts.Host      // the server whose secret is being read
}

// listed is a list with what it was made from.
type listed struct {
	filter string
	order  order
	of     int // the reading of the hosts file
	hosts  []hosts.Host
}

// Begin shows the list once it was loaded, the form where it is empty, or the only server.
func (s *Screen) Begin() tea.Cmd {
	switch {
	case s.broken != nil:
	case len(s.all) == 0:
		s.edit(newForm(hosts.NewHost(""), false))
		s.form.first = true
	case len(s.all) == 1:
		return s.unlock(thenOpen, s.all[0])
	}
	return nil
}

// Header implements [session.Screen].
func (s *Screen) Header() (about string, at time.Time) {
	return s.Theme.Strong.Render(s.count()), s.Now
}

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
		return s.form.keys(s.save, s.demo(), back)
	case importing:
		complete := ui.NewKey("tab", "complete", "", nil)
		complete.SetKeys("")
		k := ui.ModalKeys(ui.NewKey("enter", "import", "", ui.Act(s.importScript)), back)
		k.Bar = append(k.Bar, complete)
		return k
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
	open := ui.NewKey("enter", "open", "open the selected server", do(func() tea.Cmd { return s.unlock(thenOpen, h) })).If(any)
	knocks := ui.NewKey("k", "knock", "knock at the marked ones, or the selected one", do(func() tea.Cmd { return s.unlock(thenKnock, s.chosen()...) })).If(any)
	probe := ui.NewKey("p", "probe", "probe them without a knock", do(func() tea.Cmd { return s.unlock(thenProbe, s.chosen()...) })).If(any)
	diagnose := ui.NewKey("d", "diagnose", "diagnose why the selected one stays shut", do(func() tea.Cmd { return s.unlock(thenDiagnose, h) })).If(any)
	mark := ui.NewKey(" ", "mark", "mark the selected one", now(func() { s.mark(h.Name) })).If(any)
	mark.SetHelp("space", "mark")
	sort := ui.NewKey("o", "sort", "sort by the file, name, last handshake, trouble first", now(func() { s.order = (s.order + 1) % orders }))
	move := ui.MoveKeys("select", 10, func(by int) { s.forget(); s.cursor = max(0, min(s.cursor+by, len(s.shown())-1)) })
	filter := ui.NewKey("/", "filter", "filter by name, address, tag, verdict", now(s.startFilter))
	add := ui.NewKey("a", "add", "add a server", now(func() { s.edit(newForm(hosts.NewHost(""), false)) }))
	edit := ui.NewKey("e", "edit", "edit the selected one", now(func() { s.edit(newForm(h, true)) })).If(any)
	imports := ui.NewKey("i", "import", "import an old script", func() tea.Cmd {
		s.forget()
		s.step, s.path, s.failure = importing, ui.NewPathInput(50), ""
		return s.path.Focus()
	})
	remove := ui.NewKey("x", "remove", "remove the selected one (asks first)", now(func() { s.step = removing }), "delete").If(any)
	clear := ui.NewKey("esc", "", "clear it", now(func() { s.filter = "" }))
	k := ui.Keys{Rows: [][]ui.Key{{open}, {knocks, probe}, {diagnose}, {mark}, move, {filter, clear}, {sort}, {add}, {edit}, {imports}, {remove}}}
	k.Bar = []ui.Key{open, knocks, probe, diagnose, mark, filter, sort, add, edit, remove, imports}
	return k
}

// forget drops the last message, and the server whose secret is being read.
func (s *Screen) forget() { s.failure, s.notice, s.asked = "", "", hosts.Host{} }

// Moving implements [session.Screen].
func (s *Screen) Moving() bool {
	return slices.ContainsFunc(s.all, func(h hosts.Host) bool {
		server := s.At(h.Name)
		return server != nil && server.Moving()
	})
}

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
	case importing:
		if key, ok := msg.(tea.KeyMsg); ok && key.Paste && strings.ContainsAny(string(key.Runes), "\r\n") {
			s.importText(string(key.Runes))
			return nil
		}
		s.path, cmd = s.path.Update(msg)
	case filtering, unlocking:
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
	path, err := sshconfig.ExpandHome(strings.TrimSpace(s.path.Value()))
	if err == nil {
		script, err = hosts.ReadScript(path)
	}
	if err != nil {
		s.failure = err.Error()
		return
	}
	s.fillFrom(script)
}

// importText fills the form from the text of a script.
func (s *Screen) importText(text string) {
	script, err := legacy.ParseScript([]byte(text))
	if err != nil {
		s.failure = err.Error()
		return
	}
	s.fillFrom(script)
}

// fillFrom shows the form with what a script says.
func (s *Screen) fillFrom(script legacy.Script) {
	s.failure = ""
	s.edit(newForm(hosts.NewHost(""), false))
	s.form.apply(script)
}

// Hosts are the servers of the list, as the hosts file has them.
func (s *Screen) Hosts() []hosts.Host { return slices.Clone(s.all) }

// Reload reads the hosts file and the history again.
func (s *Screen) Reload() {
	file, err := hosts.Load(s.Config.HostsPath)
	if s.broken = err; err != nil {
		return
	}
	s.all = file.Hosts()
	s.readings++
	s.past = map[string][]history.Handshake{}
	if s.Config.HistoryPath == "" {
		return
	}
	past, verdicts := history.Load(s.Config.HistoryPath), history.LoadDiagnoses(s.Config.HistoryPath)
	s.verdicts = map[string]history.Diagnosis{}
	for _, h := range s.all {
		s.past[h.Name] = past[h.Identity()]
		if all := verdicts[h.Identity()]; len(all) > 0 {
			s.verdicts[h.Name] = all[len(all)-1]
		}
	}
}

// Undone shows the list as it is after a change was taken back.
func (s *Screen) Undone(msg session.Undone) {
	if s.step != listing {
		return
	}
	s.forget()
	s.Reload()
	if s.notice = "undone: " + msg.What; msg.Err != nil {
		s.failure = msg.Err.Error()
	}
}

func (s *Screen) mark(name string) {
	if s.marked == nil {
		s.marked = map[string]bool{}
	}
	if s.marked[name] {
		delete(s.marked, name)
	} else {
		s.marked[name] = true
	}
	s.cursor = min(s.cursor+1, len(s.shown())-1)
}

// click selects a row, or opens the one that is selected.
func (s *Screen) click(row int) tea.Cmd {
	s.forget()
	if h, ok := s.selected(); ok && row == s.cursor {
		return s.unlock(thenOpen, h)
	}
	s.cursor = row
	return nil
}

// chosen are the marked servers, or the selected one.
func (s *Screen) chosen() (out []hosts.Host) {
	for _, h := range s.shown() {
		if s.marked[h.Name] {
			out = append(out, h)
		}
	}
	if h, ok := s.selected(); ok && out == nil {
		out = append(out, h)
	}
	return out
}

// View implements [session.Screen].
func (s *Screen) View() []string {
	p := ui.Pane{Note: s.Config.HostsPath}
	switch s.step {
	case editing:
		p.Title, p.Lines = "add a server", s.form.lines(s.Theme, s.Size.Width-2, s.formRoom(), true)
		if s.form.old != nil {
			p.Title = "edit " + s.form.old.Name
		}
		if s.Size.Wide() {
			return s.wideForm(p)
		}
		p.Fill(s.formRoom())
	case importing:
		p = s.question("import an old script", "path", s.path.View())
		p.Add(s.Theme.Quiet.Render(" type the path of the script, or paste its text"))
	case unlocking:
		p = s.question("the secret of "+s.asked.Name, "secret", s.input.View())
	default:
		return s.overview()
	}
	return s.Frame(p)
}

// demo returns what leaves the screens for the demo's; nil where there is none.
func (s *Screen) demo() func() tea.Cmd {
	if !s.Config.OffersDemo {
		return nil
	}
	return func() tea.Cmd {
		s.Err = session.ErrDemo
		return tea.Quit
	}
}

// question is a pane with one text field.
func (s *Screen) question(title, label, input string) ui.Pane {
	p := ui.Pane{Title: title, Lines: []string{" " + s.Theme.Accent.Render(label) + "  " + input, ""}}
	p.Add(ui.Paragraph(s.Theme.Bad, s.failure, " ", s.Size.Width-3)...)
	return p
}
