package watching

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"rapport/knock"
	"rapport/knock/gate/watch"
	"rapport/tui/ui"
)

// View implements [session.Screen].
func (s *Screen) View() []string {
	s.follow() // the size may have changed
	switch {
	case s.Size.Tiny():
		return s.tiny()
	case s.Size.Wide():
		return s.wide()
	case s.line:
		h := s.Size.Body()
		if !s.Size.Framed() {
			return s.linePane(s.Size.Width, h).Lines
		}
		return s.Theme.Box(s.Size.Width, h, s.linePane(s.Size.Width-2, h-2))
	}
	p := ui.Pane{Lines: append(s.Frame(s.addressPane()), s.Frame(s.totalsPane())...)}
	p.Fill(s.Size.Body())
	detail := len(p.Lines) - 1
	if !s.Size.Framed() {
		detail -= 2 // above the totals
	}
	p.Lines[detail] = s.detail()
	return p.Lines
}

// Header implements [session.Screen].
func (s *Screen) Header() (about string, at time.Time) {
	th, seen := s.Theme, s.seen
	about = th.Strong.Render("watch")
	switch {
	case !s.paused.IsZero():
		about += "  " + th.Badge.Render(" PAUSED ")
	case seen.Lost:
		about += "  " + th.Bad.Render("no gate; waiting for one")
	}
	if g := seen.Gate; g.Kind != "" && seen.Down && !seen.Lost {
		about += "  " + th.Bad.Render(fmt.Sprintf("nothing listens on port %d", g.SSHPort))
	} else if g.Kind != "" && !seen.Lost {
		about += fmt.Sprintf("  %s gate", g.Kind)
		if g.SSHPort != 0 {
			about += fmt.Sprintf(", SSH port %d", g.SSHPort)
		}
		if len(g.Families) == 1 {
			about += fmt.Sprintf(", IPv%s only", g.Families[0])
		}
	}
	return about, s.when()
}

// rows is how many addresses fit.
func (s *Screen) rows() int {
	switch {
	case s.Size.Tiny():
		return s.Size.Body() - 1
	case s.Size.Wide():
		return s.Size.Body()*2/3 - 3
	case s.Size.Framed():
		return s.Size.Body() - 8 // two frames, column heads, totals, the chosen one
	}
	return s.Size.Body() - 4
}

// columns are the widths of a row's parts in cells.
type columns struct{ addr, cell, state int }

func (s *Screen) columns() columns {
	w := s.Size.Width - 1
	c := columns{addr: 15, cell: 6}
	if s.Size.Framed() {
		w -= 2
		c = columns{addr: 18, cell: 7}
	}
	if s.Size.Width >= 110 { // but not high enough for the wide layout
		c = columns{addr: 39, cell: 8}
	}
	c.state = w - c.addr - 1 - knock.Knocks*c.cell
	return c
}

// addressPane is the table of addresses, the latest change first.
func (s *Screen) addressPane() ui.Pane {
	seen, c, rows := s.seen, s.columns(), s.rows()
	p := ui.Pane{Title: "addresses"}
	p.Lines = []string{" " + s.Theme.Quiet.Render(s.heads(c)+"state")}
	last := min(len(seen.Visits), s.top+rows)
	visits := seen.Visits[min(s.top, last):last]
	short := shortened(visits, c.addr)
	for i, v := range visits {
		mark := " "
		if s.top+i == s.at {
			mark = s.Theme.Accent.Render(">")
		}
		p.Lines = append(p.Lines, mark+s.row(v, short[i], c))
	}
	if n := len(seen.Visits) + seen.More; n > rows {
		p.Note = fmt.Sprintf("%d-%d of %d", s.top+1, last, n)
	}
	if len(seen.Visits) == 0 {
		p.Lines = append(p.Lines, "", " "+s.waiting())
	}
	p.Fill(rows + 1)
	if !s.Size.Framed() {
		p.Add("")
	}
	return p
}

// waiting says why there is no address.
func (s *Screen) waiting() string {
	switch {
	case s.seen.Gate.Kind == "":
		return "reading the rules"
	case s.seen.Lost:
		return "the rules have no gate any more; waiting for one"
	}
	return "nobody is on the gate's lists; waiting for the first knock"
}

// row draws one address, whose shortened form is short.
func (s *Screen) row(v watch.Visit, short string, c columns) string {
	line := ui.Fit(short, c.addr) + " "
	for k := range knock.Knocks {
		cell := s.Theme.Quiet.Render(ui.Fit(s.Theme.Wait, c.cell))
		if k < v.Phase {
			cell = s.Theme.Yes
			if at := v.Entered[k]; !at.IsZero() {
				if c.cell > 6 {
					cell += " "
				}
				cell += age(s.when().Sub(at))
			}
			cell = s.Theme.Open.Render(ui.Fit(cell, c.cell))
		}
		line += cell
	}
	words, tone := s.state(v, c.state)
	return line + tone.Render(ansi.Truncate(words, c.state, ""))
}

// totalsPane says how many clients got in, and at which phase the others got stuck.
func (s *Screen) totalsPane() ui.Pane {
	t, wide := s.seen.Totals, s.Size.Width >= ui.FramedWidth
	line := fmt.Sprintf(" handshakes %4d   got in %4d   shared? %3d", t.Handshakes, t.In, t.Shared)
	if t.Refused > 0 {
		line += fmt.Sprintf("   refused %d", t.Refused)
	}
	if n := s.seen.Ignored; n > 0 && wide {
		line += fmt.Sprintf("   ignored %d", n)
	}
	if t.SSHDown > 0 && wide {
		line += fmt.Sprintf("   nothing listens %d", t.SSHDown)
	}
	stuck := " stuck at"
	for k, n := range t.Stuck {
		stuck += fmt.Sprintf("  %d: %-4d", k+1, n)
	}
	if most := s.mostly(); most != "" && wide {
		stuck += "  " + most
	}
	return ui.Pane{Title: "since the watch began", Lines: []string{line, stuck}}
}

// mostly says at which phase most got stuck, where that is at least half of several.
func (s *Screen) mostly() string {
	const enoughStuck = 3 // to say where most are
	sum, most := 0, 0
	stuck := s.seen.Totals.Stuck
	for k, n := range stuck {
		sum += n
		if n > stuck[most] {
			most = k
		}
	}
	if sum < enoughStuck || 2*stuck[most] < sum {
		return ""
	}
	return fmt.Sprintf("mostly at %d", most+1)
}

// state says how far an address has come, in at most w cells.
func (s *Screen) state(v watch.Visit, w int) (words string, tone ui.Style) {
	forms, tone := s.wordings(v)
	return ui.FirstThatFits(w, forms...), tone
}

// wordings are those of a state, the longest first.
func (s *Screen) wordings(v watch.Visit) (forms []string, tone ui.Style) {
	t := s.Theme
	if v.Shared {
		return sharedForms(v), t.Bad
	}
	left, brief, over := "", "", false // of the window
	if windows := s.seen.Gate.Windows; v.Phase > 0 && v.Phase <= len(windows) && windows[v.Phase-1] > 0 {
		d := v.Entered[v.Phase-1].Add(windows[v.Phase-1]).Sub(s.when())
		brief = fmt.Sprintf(", %.1f s", max(0, d).Seconds())
		left, over = brief+" left", d <= 0
	}
	switch v.State {
	case watch.VisitInside:
		in := fmt.Sprintf("in phase %d", v.Phase)
		if over {
			return []string{fmt.Sprintf("phase %d over", v.Phase)}, t.Quiet
		}
		return []string{in + left, in[len("in "):] + brief, in}, t.Accent
	case watch.VisitOpen:
		if over {
			return []string{"SSH shut again", "shut again"}, t.Quiet
		}
		return []string{"SSH open" + left, "open" + brief, "SSH open"}, t.Open
	case watch.VisitIn:
		if v.Phase == 0 {
			return []string{"got in; no handshake was seen", "no handshake"}, t.Open
		}
		if v.Silent {
			return []string{"got in; sshd has not taken it", "sshd is silent", "silent"}, t.Bad
		}
		return []string{"got in"}, t.Open
	case watch.VisitPast:
		return []string{"opened before"}, t.Quiet
	case watch.VisitCut:
		return []string{"the gate changed meanwhile", "gate changed"}, t.Quiet
	case watch.VisitRefused:
		return []string{"refused by the replay guard", "refused by guard", "refused"}, t.Warn
	case watch.VisitSSHDown:
		return []string{fmt.Sprintf("open; nothing listens on port %d", s.seen.Gate.SSHPort), "nothing listens", "no listener"}, t.Bad
	case watch.VisitStuck:
		return []string{fmt.Sprintf("stuck at %d", v.Phase)}, t.Warn
	}
	return []string{string(v.State)}, t.Quiet
}

// sharedForms are the wordings of a visit that may use several addresses.
func sharedForms(v watch.Visit) []string {
	stuck := fmt.Sprintf("stuck at %d, shared", v.Phase)
	if len(v.Others) == 0 {
		return []string{stuck + "? attempts dropped", stuck + "?", fmt.Sprintf("%d, shared?", v.Phase)}
	}
	more := ""
	if n := len(v.Others) - 1; n > 0 {
		more = fmt.Sprintf(" +%d", n)
	}
	return []string{
		stuck + " with " + strings.Trim(strings.ReplaceAll(fmt.Sprint(v.Others), " ", ", "), "[]") + "?",
		stuck + " with " + v.Others[0].String() + more + "?",
		fmt.Sprintf("at %d, shared with %s%s?", v.Phase, ending(v.Others[0]), more),
		fmt.Sprintf("at %d, shared %s%s?", v.Phase, ending(v.Others[0]), more),
		fmt.Sprintf("%d, shared%s?", v.Phase, more),
	}
}

// ending is the part of an address in which neighbours differ: the last two numbers
// of IPv4, the last one of IPv6.
func ending(addr netip.Addr) string {
	s, sep, n := addr.String(), ".", 2
	if !addr.Is4() {
		sep, n = ":", 1
	}
	i := len(s)
	for range n {
		i = strings.LastIndex(s[:i], sep)
	}
	return s[max(0, i):]
}

// detail is the chosen row with its whole address.
func (s *Screen) detail() string {
	visits := s.visits()
	if s.at >= len(visits) {
		return ""
	}
	who := s.Theme.Accent.Render(" > ") + visits[s.at].Addr.String() + "  "
	room := s.Size.Width - ui.Cells(who)
	words, tone := s.state(visits[s.at], room)
	// What its SYNs showed says more than the gate's lists.
	for _, c := range s.clientsOf(visits[s.at]) {
		if len(c.Findings) > 0 {
			words = ansi.Truncate(c.Summary(), room, "~")
			break
		}
	}
	return who + tone.Render(words)
}

// shortened returns the addresses of rows in at most w cells each. Long ones are cut
// to a part in which they differ, with "~" for the rest; in the middle if none does.
func shortened(visits []watch.Visit, w int) []string {
	const ways = 36 // to cut an address
	var first []string
	for cut := range ways {
		all, whose := make([]string, len(visits)), map[string]netip.Addr{}
		distinct := true
		for i, v := range visits {
			all[i] = shorten(v.Addr.String(), w, cut)
			other, known := whose[all[i]]
			distinct = distinct && (!known || other == v.Addr)
			whose[all[i]] = v.Addr
		}
		if distinct {
			return all
		}
		if cut == 0 {
			first = all
		}
	}
	return first
}

// shorten cuts an address to w cells: cut 0 drops the middle, 1 keeps the end, and
// each higher one keeps a part further left.
func shorten(s string, w, cut int) string {
	switch tail := w / 2; {
	case len(s) <= w:
		return s
	case cut == 0:
		return s[:w-tail-1] + "~" + s[len(s)-tail:]
	default:
		end := max(w-1, len(s)-cut+1)
		cutOff := ""
		if end < len(s) {
			cutOff = "~"
		}
		first := max(0, end-(w-1-len(cutOff)))
		if first == 0 {
			return s[:w-1] + "~"
		}
		return "~" + s[first:end] + cutOff
	}
}

// age writes a span in four cells: "1.2s", " 12s", " 12m", " 12h", " 12d".
func age(d time.Duration) string {
	d = max(0, d)
	switch {
	case d < 9950*time.Millisecond:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < 100*time.Second:
		return fmt.Sprintf("%3ds", int(d.Seconds()))
	case d < 100*time.Minute:
		return fmt.Sprintf("%3dm", int(d.Minutes()))
	case d < 100*time.Hour:
		return fmt.Sprintf("%3dh", int(d.Hours()))
	}
	return fmt.Sprintf("%3dd", min(999, int(d.Hours()/24)))
}
