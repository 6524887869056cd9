package watching

import (
	"fmt"
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"rapport/knock"
	"rapport/knock/gate/watch"
	"rapport/tui/session"
	"rapport/tui/ui"
)

// came reports whether SSH is, or was, open for an address: it stands above the crowd on a
// wide screen.
func came(v watch.Visit) bool {
	return slices.Contains([]watch.VisitState{watch.VisitOpen, watch.VisitIn, watch.VisitSSHDown, watch.VisitPast}, v.State)
}

// visits are the addresses in the order of their rows, the latest change first; on a wide
// screen those for which SSH opened stand first.
func (s *Screen) visits() []watch.Visit {
	if !s.Size.Wide() {
		return s.seen.Visits
	}
	var in, crowd []watch.Visit
	for _, v := range s.seen.Visits {
		if came(v) {
			in = append(in, v)
		} else {
			crowd = append(crowd, v)
		}
	}
	return append(in, crowd...)
}

// wide draws those for which SSH opened above the crowd, and beside them the totals and
// the chosen address.
func (s *Screen) wide() []string {
	w, body, th := s.Size.Width, s.Size.Body(), s.Theme
	side := 34 + max(0, (w-120)*3/8)
	above := body / 3
	all := s.visits()
	in := len(all)
	if i := slices.IndexFunc(all, func(v watch.Visit) bool { return !came(v) }); i >= 0 {
		in = i
	}
	nobody := "nobody yet"
	if len(all) == 0 {
		nobody = s.waiting()
	}
	left := s.group("SSH opened for", all[:in], 0, "nobody yet", w-side, above)
	room, pane := 0, s.eventsBox
	switch {
	case s.line:
		room, pane = (body-above)*2/3, s.linePane
	case body-above >= eventsRoom:
		room = (body - above) / 2
	}
	left = append(left, s.group("the crowd", all[in:], in, nobody, w-side, body-above-room)...)
	if room > 0 {
		left = append(left, th.Box(w-side, room, pane(w-side-2, room-2))...)
	}
	totals := th.Box(side, above, s.totalsBox(side-2))
	stuck := th.Box(side, knock.Knocks+2, s.stuckBox(side-2))
	column := append(totals, stuck...)
	rest := body - len(column)
	if words := s.wordsBox(); side >= wordsWide && rest-len(words.Lines)-2 >= chosenRoom {
		column = append(column, th.Box(side, rest-len(words.Lines)-2, s.chosenBox(all, side-2))...)
		return ui.Beside(left, append(column, th.Box(side, len(words.Lines)+2, words)...), w-side)
	}
	return ui.Beside(left, append(column, th.Box(side, rest, s.chosenBox(all, side-2))...), w-side)
}

// group draws some of the rows, of which the first is row number from.
func (s *Screen) group(title string, visits []watch.Visit, from int, none string, w, h int) []string {
	th := s.Theme
	c := columns{addr: 16, cell: 8}
	if w >= 130 {
		c = columns{addr: 39, cell: 11}
	}
	c.state = w - 4 - c.addr - knock.Knocks*c.cell
	p := ui.Pane{Title: title, Note: fmt.Sprint(len(visits))}
	p.Add(" " + th.Quiet.Render(s.heads(c)+"state"))
	if len(visits) == 0 {
		p.Add(" " + th.Quiet.Render(none))
		return th.Box(w, h, p)
	}
	short := shortened(visits, c.addr)
	rows := make([]string, len(visits))
	room := max(1, h-3)
	first := max(0, min(s.at-from-room/2, len(visits)-room))
	for i := first; i < min(len(visits), first+room); i++ {
		rows[i] = " " + s.track(visits[i], short[i], c)
		if from+i == s.at {
			rows[i] = th.Choose(th.Accent.Render(">")+rows[i][1:], w-2)
		}
	}
	if p.Add(rows[first:min(len(rows), first+room)]...); len(visits) > room {
		p.Foot = fmt.Sprintf("%d-%d of %d", first+1, first+room, len(visits))
	}
	return th.Box(w, h, p)
}

// heads name the columns of the phases.
func (s *Screen) heads(c columns) string {
	head := ui.Fit("address", c.addr) + " "
	for _, name := range session.Ordinals() {
		head += ui.Fit(name, c.cell)
	}
	return head
}

// track draws one address as a way through the phases, with how long ago it entered each.
func (s *Screen) track(v watch.Visit, short string, c columns) string {
	th := s.Theme
	line := ui.Fit(short, c.addr) + " "
	for k := range knock.Knocks {
		if k >= v.Phase {
			line += th.Faint.Render(ui.Fit(th.Ring, c.cell))
			continue
		}
		cell := th.Dot
		if at := v.Entered[k]; !at.IsZero() {
			cell += " " + strings.TrimSpace(age(s.when().Sub(at))) + " "
		}
		end := " "
		if k+1 < v.Phase {
			end = th.Link
		}
		cell += strings.Repeat(end, max(0, c.cell-ui.Cells(cell)))
		line += th.Steps[k].Render(cell)
	}
	words, tone := s.state(v, c.state)
	return line + tone.Render(ansi.Truncate(words, c.state, ""))
}

// totalsBox are the counts since the watch began.
func (s *Screen) totalsBox(w int) ui.Pane {
	th, t := s.Theme, s.seen.Totals
	p := ui.Pane{Title: "since the watch began"}
	most := max(1, t.Handshakes, t.In)
	add := func(what string, n int, style ui.Style, always bool) {
		if n > 0 || always {
			bar := max(1, w-26)
			p.Add(" " + th.Quiet.Render(ui.Fit(what, 16)) + fmt.Sprintf("%5d  ", n) + th.Bar(style, float64(n)/float64(most), bar))
		}
	}
	add("handshakes", t.Handshakes, th.Accent, true)
	add("got in", t.In, th.Open, true)
	add("shared?", t.Shared, th.Bad, true)
	add("refused", t.Refused, th.Warn, false)
	add("nothing listens", t.SSHDown, th.Bad, false)
	add("sshd silent", t.Silent, th.Bad, false)
	add("ignored", s.seen.Ignored, th.Past, false)
	return p
}

// stuckBox draws at which phase how many got stuck.
func (s *Screen) stuckBox(w int) ui.Pane {
	th, t := s.Theme, s.seen.Totals
	p := ui.Pane{Title: "stuck at", Note: s.mostly()}
	for k, name := range session.Ordinals() {
		share := float64(t.Stuck[k]) / float64(max(1, slices.Max(t.Stuck[:])))
		p.Add(" " + th.Quiet.Render(ui.Fit(name, 5)) + fmt.Sprintf("%5d  ", t.Stuck[k]) + th.Bar(th.Warn, share, max(1, w-15)))
	}
	return p
}

// chosenRoom is the height of what there is to say of the chosen address, and wordsWide
// the width of the words.
const chosenRoom, wordsWide = 11, 62

// wordsBox explains the words of the rows.
func (s *Screen) wordsBox() ui.Pane {
	p := ui.Pane{Title: "words"}
	for _, l := range s.Keys().Legend {
		p.Add(" " + s.Theme.Quiet.Render(ui.Fit(l[0], 16)) + l[1])
	}
	return p
}

// chosenBox says all of the chosen address.
func (s *Screen) chosenBox(all []watch.Visit, w int) ui.Pane {
	th := s.Theme
	if s.at >= len(all) {
		return ui.Pane{Title: "address"}
	}
	v := all[s.at]
	p := ui.Pane{Title: v.Addr.String()}
	forms, tone := s.wordings(v)
	p.Add(ui.Paragraph(tone.Bold(true), forms[0], " ", w-1)...)
	p.Add("")
	for k, name := range session.Ordinals() {
		text := "not entered"
		switch at := v.Entered[k]; {
		case k >= v.Phase:
		case at.IsZero():
			text = "between two readings"
		case k > 0 && !v.Entered[k-1].IsZero():
			text = ui.Duration(max(0, at.Sub(v.Entered[k-1]))) + " later"
		default:
			text = session.Ago(s.when().Sub(at)) + " ago"
		}
		style := th.Ink
		if k >= v.Phase {
			style = th.Faint
		}
		p.Add(" " + th.Quiet.Render(ui.Fit(name, 6)) + style.Render(text))
	}
	if len(v.Others) > 0 {
		p.Add("")
		p.Add(ui.Paragraph(th.Warn, "perhaps one client with "+strings.Trim(strings.ReplaceAll(fmt.Sprint(v.Others), " ", ", "), "[]"), " ", w-1)...)
	}
	return p
}

// tiny draws the least: counts, and the rows as signs.
func (s *Screen) tiny() []string {
	th, t := s.Theme, s.seen.Totals
	counts := map[watch.VisitState]int{}
	for _, v := range s.seen.Visits {
		counts[v.State]++
	}
	head := th.Quiet.Render(" SHUT")
	if n := counts[watch.VisitOpen]; n > 0 {
		head = " " + th.Open.Bold(true).Render(fmt.Sprintf("OPEN for %d", n))
	}
	lines := []string{ui.Ends(head, fmt.Sprintf("handshakes %d, got in %d ", t.Handshakes, t.In), s.Size.Width)}
	all, last := s.seen.Visits, 0
	const addr, signs = 15, 5
	if len(all) == 0 {
		return append(lines, ui.Paragraph(th.Ink, s.waiting(), " ", s.Size.Width-1)...)
	}
	last = min(len(all), s.top+s.rows())
	visits := all[min(s.top, last):last]
	short := shortened(visits, addr)
	for i, v := range visits {
		mark := " "
		if s.top+i == s.at {
			mark = th.Accent.Render(">")
		}
		line := mark + ui.Fit(short[i], addr+1) + th.Open.Render(strings.Repeat(th.Dot, v.Phase)) + th.Faint.Render(strings.Repeat(th.Ring, signs-v.Phase))
		words, tone := s.state(v, s.Size.Width-addr-signs-4)
		lines = append(lines, line+" "+tone.Render(words))
	}
	return lines
}
