package hostlist

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"rapport/diag"
	"rapport/knock"
	"rapport/knock/hosts"
	"rapport/knock/hosts/history"
	"rapport/knock/phrase"
	"rapport/tui/activity"
	"rapport/tui/record"
	"rapport/tui/session"
	"rapport/tui/ui"
)

// shown returns the servers that match the filter, sorted.
func (s *Screen) shown() []hosts.Host {
	l := &s.listed
	// Handshakes and verdicts change without a reading.
	if l.of != s.readings || l.filter != s.filter || l.order != s.order || s.order >= byLast {
		*l = listed{s.filter, s.order, s.readings, s.sorted()}
	}
	return l.hosts
}

func (s *Screen) sorted() []hosts.Host {
	filter := strings.ToLower(s.filter)
	all := slices.DeleteFunc(slices.Clone(s.all), func(h hosts.Host) bool {
		text := h.Name + " " + h.Address + " " + strings.Join(h.Tags, " ") + " " + s.verdictOf(h).Verdict
		return !strings.Contains(strings.ToLower(text), filter)
	})
	switch s.order {
	case byName:
		slices.SortStableFunc(all, func(a, b hosts.Host) int { return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)) })
	case byLast:
		slices.SortStableFunc(all, func(a, b hosts.Host) int { return cmp.Compare(s.lastAt(b), s.lastAt(a)) })
	case byTrouble:
		slices.SortStableFunc(all, func(a, b hosts.Host) int { return cmp.Compare(s.trouble(b), s.trouble(a)) })
	}
	return all
}

// trouble ranks a server: 2 if its last handshake did not open SSH, 1 if its last verdict
// names a fault.
func (s *Screen) trouble(h hosts.Host) int {
	if all := s.history(h); len(all) > 0 && !all[len(all)-1].Opened {
		return 2
	}
	if v := diag.Code(s.verdictOf(h).Verdict); v != "" && !v.Works() {
		return 1
	}
	return 0
}

func (s *Screen) lastAt(h hosts.Host) int64 {
	if all := s.history(h); len(all) > 0 {
		return all[len(all)-1].At.UnixNano()
	}
	return 0
}

// history returns the handshakes with a server, those of this run too.
func (s *Screen) history(h hosts.Host) []history.Handshake {
	if server := s.At(h.Name); server != nil {
		return server.Past()
	}
	return s.past[h.Name]
}

func (s *Screen) selected() (hosts.Host, bool) {
	shown := s.shown()
	if len(shown) == 0 {
		return hosts.Host{}, false
	}
	s.cursor = min(max(s.cursor, 0), len(shown)-1)
	return shown[s.cursor], true
}

// count says how many servers there are, are shown, and are marked.
func (s *Screen) count() string {
	text := phrase.Plural(len(s.all), "server")
	if n := len(s.shown()); n != len(s.all) {
		text = fmt.Sprintf("%d of %d servers", n, len(s.all))
	}
	if n := len(s.marked); n > 0 {
		text += fmt.Sprintf(", %d marked", n)
	}
	return text
}

// overview draws the list, beside it the chosen server, below it what happened.
func (s *Screen) overview() []string {
	w, h := s.Size.Width, s.Size.Body()
	if !s.Size.Framed() {
		return s.small(w, h)
	}
	below := min(max(h/4, 6), 14)
	p := ui.Pane{Title: "servers", Note: s.Config.HostsPath}
	if s.broken != nil {
		p.Title = "the hosts file is not read"
	}
	if !s.Size.Wide() {
		chart := s.recordBox(w, h-below-len(s.shown())-recordAbove+1)
		list := h - below - len(chart)
		p.Lines, p.Foot = s.lines(w-2, list-2), s.sorting(w-2, list-2)
		return slices.Concat(s.Theme.Box(w, list, p), chart, s.activityBox(w, below))
	}
	edge := s.Theme.Accent
	right := 40 + max(0, w-120)/4
	middle := min(len(s.shown()), 6) + 3
	top := min(max(len(s.shown())+recordAbove+recordRoom, detailRoom), h-below-middle)
	top += (h - below - middle - top) / 2
	chart := s.recordBox(w-right, top-len(s.shown())-recordAbove)
	list := top - len(chart)
	p.Edge, p.Lines, p.Foot = &edge, s.lines(w-right-2, list-2), s.sorting(w-right-2, list-2)
	left := append(s.Theme.Box(w-right, list, p), chart...)
	below = h - top - middle
	stored := s.Theme.Box(right, below, activity.Stored(s.Theme, s.Stored, right-2, below-2))
	happened := s.activityBox(w-right, below)
	if w >= widestWide {
		happened = ui.Beside(s.activityBox(w-right-hoursWidth, below), s.hoursBox(hoursWidth, below), w-right-hoursWidth)
	}
	return slices.Concat(ui.Beside(left, s.detail(right, top), w-right), s.dayBox(w, middle), ui.Beside(happened, stored, w-right))
}

// hours are n hours of a server, the last one first.
func (s *Screen) hours(server Server, n int) (out []string) {
	styles := []ui.Style{s.Theme.Past, s.Theme.Strong, s.Theme.Next}
	for i, l := range server.Hours(n) {
		style := s.Theme.Quiet
		if i < len(styles) {
			style = styles[i]
		}
		out = append(out, "  "+style.Render(l))
	}
	return out
}

// hoursBox shows the hours of the chosen server, as far as its secret is known.
func (s *Screen) hoursBox(w, h int) []string {
	host, ok := s.selected()
	if !ok {
		return s.Theme.Box(w, h, ui.Pane{Title: "hours"})
	}
	p := ui.Pane{Title: "hours of " + host.Name, Note: "range " + host.Range.String()}
	if server := s.At(host.Name); server != nil {
		p.Lines = s.hours(server, h-2)
	} else {
		p.Lines = ui.Paragraph(s.Theme.Quiet, "enter reads its secret, and shows its ports", "  ", w-3)
	}
	return s.Theme.Box(w, h, p)
}

// small draws the list without frames, and what happened below it where there is room.
func (s *Screen) small(w, h int) []string {
	const least, chart, said = 6, 5, 2
	list := max(least, len(s.above(w, h))+len(s.shown())+len(s.foot(w))+1)
	host, ok := s.selected()
	if !ok || s.Size.Tiny() || h-list < chart+said {
		return s.lines(w, h)
	}
	past := record.Pane(s.Theme, s.history(host), s.Now, w, h-list-said-1)
	title := ui.Ends(" "+s.Theme.Strong.Render("history of "+ui.Truncate(host.Name, w/3)), s.Theme.Quiet.Render(past.Note)+" ", w)
	p := ui.Pane{Lines: append(s.lines(w, list), title)}
	p.Add(past.Lines...)
	p.Fill(h - said)
	p.Add(activity.Lines(s.Theme, s.Log, w-1, said, true)...)
	return p.Lines
}

// activityBox shows what happened in this run.
func (s *Screen) activityBox(w, h int) []string {
	return s.Theme.Box(w, h, ui.Pane{Title: "activity", Note: "all servers", Lines: activity.Lines(s.Theme, s.Log, w-3, h-2, true)})
}

// The width from which the hours of the chosen server stand beside the activity, and theirs.
const widestWide, hoursWidth = 180, 52

// Heights of the wide screen: the lines of the list beside its servers, those for the
// history below it, and those for all that is said of the chosen server.
const recordAbove, recordRoom, detailRoom = 6, 9, 20

// recordBox draws the last handshakes with the chosen server where the list leaves h lines,
// or those with all where there is none.
func (s *Screen) recordBox(w, h int) []string {
	const least = 6
	host, ok := s.selected()
	if !ok || h < least {
		return nil
	}
	past, title := s.history(host), "history of "+host.Name
	if len(past) == 0 && len(s.Stored) > 0 {
		past, title = activity.OldestFirst(s.Stored), "all servers, none with "+host.Name+" yet"
	}
	return record.Box(s.Theme, title, past, s.Now, w, h)
}

// above are the lines over the list, in w cells.
func (s *Screen) above(w, h int) (out []string) {
	th := s.Theme
	switch {
	case s.step == filtering:
		out = append(out, " filter: "+s.input.View())
	case s.filter != "":
		out = append(out, " filter: "+th.Accent.Render(s.filter))
	}
	out = append(out, s.remedy(w)...)
	if len(s.shown()) > 0 && h > 5 {
		out = append(out, th.Faint.Render(columnsFor(w).head()))
	}
	return out
}

// remedy says why the hosts file cannot be read, and what to do, in w cells.
func (s *Screen) remedy(w int) (out []string) {
	if s.broken == nil {
		return nil
	}
	th := s.Theme
	out = append(ui.Paragraph(th.Bad, s.broken.Error(), " ", w-1), "")
	if errors.Is(s.broken, fs.ErrPermission) {
		out = append(out, ui.Paragraph(th.Ink, "make it yours: sudo chown $USER, then chmod 600", " ", w-1)...)
	}
	for _, step := range [][2]string{
		{"1", "reads it again, once it is repaired"}, {"q", "quits; rapport --config PATH uses another file, rapport demo none"},
	} {
		out = append(out, " "+th.Accent.Render(step[0])+"  "+ui.Truncate(step[1], w-6))
	}
	return append(out, "")
}

// visible are the servers that there is room for, around the chosen one.
func (s *Screen) visible(w, h int) (first, end int) {
	n, room := len(s.shown()), max(1, h-len(s.above(w, h))-len(s.foot(w)))
	first = max(0, min(s.cursor-room/2, n-room))
	return first, min(n, first+room)
}

// sorting says how the list is sorted, and which part of it is shown.
func (s *Screen) sorting(w, h int) string {
	if s.broken != nil {
		return ""
	}
	text := "sorted by " + s.order.String()
	if first, end := s.visible(w, h); end-first < len(s.shown()) {
		text = fmt.Sprintf("%d-%d of %d, %s", first+1, end, len(s.shown()), text)
	}
	return text
}

// lines draws the list in w cells and h lines.
func (s *Screen) lines(w, h int) (out []string) {
	th := s.Theme
	out = s.above(w, h)
	foot, shown := s.foot(w), s.shown()
	first, end := s.visible(w, h)
	for i := first; i < end; i++ {
		out = append(out, s.Theme.Zone(func() tea.Cmd { return s.click(i) }, s.line(shown[i], i == s.cursor, w)))
	}
	switch {
	case len(shown) == 0 && len(s.all) > 0:
		out = append(out, th.Quiet.Render(" no server matches"))
	case len(s.all) == 0 && s.broken == nil:
		out = append(out, " no servers yet: a adds one, i imports an old script")
	}
	for len(out) < h-len(foot) {
		out = append(out, "")
	}
	return append(out, foot...)
}

// foot is what was said last, or is asked.
func (s *Screen) foot(w int) []string {
	th, notice := s.Theme, s.notice
	if notice == "" && s.asked.Name != "" {
		notice = "reading the secret of " + s.asked.Name + "; esc cancels"
	}
	switch sel, ok := s.selected(); {
	case s.step == removing && ok:
		return ui.Paragraph(th.Bad, fmt.Sprintf("remove %s from the hosts file? y removes it, any other key does not", sel.Name), " ", w-1)
	case s.failure != "":
		return ui.Paragraph(th.Bad, s.failure, " ", w-1)
	}
	if sel, ok := s.selected(); ok && notice == "" && !s.Size.Tiny() && !s.Size.Wide() { // there is no room beside
		notice = where(sel) + ", range " + sel.Range.String()
		if len(sel.Tags) > 0 {
			notice += ", tags " + strings.Join(sel.Tags, " ")
		}
		return []string{" " + th.Quiet.Render(ui.Truncate(notice, w-2))}
	}
	return ui.Paragraph(th.Ink, strings.ReplaceAll(notice, "\n", "; "), " ", w-1)
}

// detail draws the chosen server.
func (s *Screen) detail(w, h int) []string {
	host, ok := s.selected()
	if !ok {
		return s.Theme.Box(w, h, ui.Pane{Title: "no server"})
	}
	th := s.Theme
	p := ui.Pane{Title: host.Name, Note: "enter opens"}
	_, words, style := s.state(host)
	p.Add("", "  "+style.Bold(true).Render(words), "")
	if server := s.At(host.Name); server != nil {
		if left, share := server.Left(); left > 0 {
			p.Lines[1] += fmt.Sprintf("  shuts in %.1f s", left.Seconds())
			p.Lines[2] = "  " + th.TimeLeft(share, w-8)
		}
		p.Add(s.hours(server, 3)...)
		p.Add("")
	}
	add := func(what, text string) { p.Add("  " + th.Quiet.Render(ui.Fit(what, 9)) + text) }
	past := history.Summarize(s.history(host))
	if past.Handshakes > 0 {
		add("opened", fmt.Sprintf("%d of %d, %.0f %%", past.Opened, past.Handshakes, 100*past.Share()))
	}
	if past.Median > 0 {
		add("banner", fmt.Sprintf("median %s, worst %s", ui.Duration(past.Median), ui.Duration(past.Worst)))
	}
	add("address", where(host))
	add("range", host.Range.String())
	add("skew", cmp.Or(strings.TrimPrefix(ui.Signed(host.Skew), "0s"), "0"))
	add("window", ui.Duration(cmp.Or(host.Window, knock.DefaultWindow)))
	add("secret", secretWords[host.Secret.Source()])
	if len(host.Tags) > 0 {
		add("tags", strings.Join(host.Tags, " "))
	}
	if v := s.verdictOf(host); v.Verdict != "" {
		add("verdict", fmt.Sprintf("%s, %s ago", v.Verdict, session.Ago(s.Now.Sub(v.At))))
	}
	for i, l := range p.Lines {
		if ui.Cells(l) > w-3 {
			p.Lines[i] = ui.Truncate(l, w-3)
		}
	}
	return th.Box(w, h, p)
}

var secretWords = map[hosts.SecretSource]string{
	hosts.FromCommand: "from a command", hosts.InFile: "in a file", hosts.InKeyring: "in the keyring",
	hosts.Inline: "in the hosts file", hosts.NoSecret: "asked for",
}
