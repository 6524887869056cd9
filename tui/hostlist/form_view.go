package hostlist

import (
	"fmt"
	"path/filepath"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"rapport/knock"
	"rapport/knock/hosts"
	"rapport/tui/session"
	"rapport/tui/ui"
)

// introduction stands above the form at the first start.
func introduction() []string {
	return []string{
		"The gate opens SSH, for seconds, to an address that knocks five ports.",
		"The secret, the same on both sides, makes five new ports from each hour.",
		"ctrl+d shows it on a demo; an old script, pasted here, is imported.",
	}
}

// labelWidth is that of the labels, with the mark of the focus. In aboutWidth cells there
// is room from aboutAt on for what each field means.
const labelWidth, aboutAt, aboutWidth = 16, 62, 130

// lines draws the form in w cells and h lines: all of it, or the part around the focus.
// What a field means stands beside it, or with about below it, where there is room.
func (f *form) lines(th ui.Theme, w, h int, about bool) []string {
	var head []string
	if f.first && h >= 12 {
		for _, l := range introduction() {
			head = append(head, ui.Paragraph(th.Ink, l, "   ", w-1)...)
		}
		head = append(head, "")
	}
	var body []string
	at, rest, below := 0, 0, map[int]string{} // lines of body
	for i, field := range fields() {
		if i == fieldFamily {
			rest = len(body)
			body = append(body, th.Faint.Render("   the rest may stay as it is"))
		}
		if i == f.focus {
			at = len(body)
		}
		line := f.line(th, i, field, w)
		if w >= aboutWidth {
			style := th.Quiet
			if i == f.focus {
				style = th.Ink
			}
			line = ui.Fit(line, aboutAt) + style.Render(ui.Truncate(field.about, w-aboutAt-1))
		}
		body = append(body, th.Zone(func() tea.Cmd { return f.to(i) }, line))
		if i == fieldSecret {
			body = append(body, ui.Paragraph(th.Quiet, f.strength(), ui.Fit("", labelWidth), w-1)...)
		}
		if about && i != f.focus { // the foot says it of that one
			below[len(body)-1] = th.Quiet.Render(ui.Fit("", labelWidth) + ui.Clause(field.about, w-labelWidth-1))
		}
	}
	foot := f.foot(th, w)
	room := max(1, h-len(head)-len(foot))
	switch {
	case 2*len(body) <= room:
		body = spaced(body, below)
	case about && len(body)+rest <= room: // at least what has to be given
		body = append(spaced(body[:rest], below), body[rest:]...)
	}
	if len(body) > room {
		foot[0] = th.Faint.Render(fmt.Sprintf("   field %d of %d", f.focus+1, fieldCount))
		first := max(0, min(at-room/2, len(body)-room))
		body = body[first : first+room]
	}
	return append(append(head, body...), foot...)
}

// spaced puts a line behind each line: that of below, or an empty one.
func spaced(lines []string, below map[int]string) (out []string) {
	for i, l := range lines {
		out = append(out, l, below[i])
	}
	return out
}

// foot says what is wrong, or what the field with the focus means.
func (f *form) foot(th ui.Theme, w int) []string {
	text, style := fields()[f.focus].about, th.Quiet
	switch {
	case f.failure != "":
		text, style = f.failure, th.Bad
	case f.imported:
		text, style = "imported from the script: see what is missing, then save", th.Open
	case w >= aboutWidth: // it stands beside the field
		text = ""
	}
	return append([]string{""}, ui.Paragraph(style, text, "   ", w-1)...)
}

// line draws a field.
func (f *form) line(th ui.Theme, i int, field field, w int) string {
	mark, label := "   ", ui.Fit(field.label, labelWidth-3)
	if i == f.focus {
		mark, label = " "+th.Accent.Render(">")+" ", th.Accent.Render(label)
	}
	text := ""
	room := max(8, min(60, w-labelWidth-2))
	if w >= aboutWidth {
		room = aboutAt - labelWidth - 2
	}
	switch {
	case i == fieldFile:
		f.path.Width = room
		th.Hint(&f.path.Model)
		text = f.path.View()
	case field.choices != nil:
		for c, choice := range field.choices {
			if c == f.choices[i] {
				text += th.Badge.Render("["+choice+"]") + " "
			} else {
				text += " " + choice + "  "
			}
		}
	default:
		f.inputs[i].Width = room
		th.Hint(&f.inputs[i])
		text = f.inputs[i].View()
	}
	return mark + label + text
}

// formRoom is the height of the form.
func (s *Screen) formRoom() int {
	if s.Size.Framed() {
		return s.Size.Body() - 2
	}
	return s.Size.Body()
}

// wideForm draws the form with the entry that it makes beside it.
func (s *Screen) wideForm(p ui.Pane) []string {
	const usual, gate = 80, 6 // the form's width, and the height of what a gate is
	w, h, edge, left := s.Size.Width, s.Size.Body(), s.Theme.Accent, usual
	if w >= aboutWidth+2+usual*3/4 {
		left = aboutWidth + 2
	}
	entry := ui.Pane{Title: "the entry", Note: s.Config.HostsPath}
	if ui.Cells(entry.Note)+len(entry.Title)+8 > w-left {
		entry.Note = filepath.Base(entry.Note)
	}
	for _, l := range s.form.entry(s.Theme, w-left-4) {
		entry.Add("  " + l)
	}
	for _, l := range s.portsOfForm() {
		entry.Add("  " + l)
	}
	p.Note, p.Edge, p.Lines = "", &edge, s.form.lines(s.Theme, left-2, h-2, left == usual)
	form := s.Theme.Box(left, h, p)
	if left == usual || s.form.first { // it stands above the form
		return ui.Beside(form, s.Theme.Box(w-left, h, entry), left)
	}
	about := ui.Pane{Title: "gate and secret"}
	for _, l := range introduction()[:2] {
		about.Add(ui.Paragraph(s.Theme.Quiet, l, "  ", w-left-4)...)
	}
	return ui.Beside(form, append(s.Theme.Box(w-left, h-gate, entry), s.Theme.Box(w-left, gate, about)...), left)
}

// portsOfForm are the sequences that the form makes, to compare with the server's.
func (s *Screen) portsOfForm() (out []string) {
	r, _, err := s.form.complete()
	if err != nil || r.secret.IsZero() {
		return nil
	}
	now := knock.HourOf(s.Now.Add(r.host.Skew))
	for i, style := range []ui.Style{s.Theme.Past, s.Theme.Strong, s.Theme.Next} {
		h, line := now.Add(i-1), ""
		for _, p := range knock.Derive(h, r.host.Range, r.secret).Ports() {
			line += " " + s.Port(p)
		}
		out = append(out, style.Render(session.ClockHour(h)+line))
	}
	return append(out, "", s.Theme.Quiet.Render("ports to compare with the server's"))
}

// entry is what the form would write into the hosts file, and where the secret goes.
func (f *form) entry(th ui.Theme, w int) (out []string) {
	r, at, err := f.complete()
	prefix, style := "next: ", th.Quiet
	if f.value(at) != "" {
		prefix, style = "wrong: ", th.Warn
	}
	var e hosts.Editor
	if r.host.Name == "" {
		r.host.Name = "NAME"
	}
	if failed := e.Add(r.host); failed != nil {
		err, prefix, style = failed, "wrong: ", th.Warn
	}
	for line := range strings.Lines(string(e.Text())) {
		key, value, found := strings.Cut(strings.TrimSpace(line), " = ")
		if line = th.Accent.Render(key); found {
			line = th.Quiet.Render(key+" = ") + value
		}
		out = append(out, line)
	}
	if f.value(fieldSecret) != "" {
		out = append(out, ui.Paragraph(th.Quiet, "# and where the secret is: in the "+f.value(fieldStore), "", w)...)
	}
	if out = append(out, ""); err != nil {
		out = append(out, ui.Paragraph(style, prefix+err.Error(), "", w)...)
	}
	return out
}
