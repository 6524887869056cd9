package tui

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"rapport/knock"
)

// The smallest screen that everything fits on, and the smallest with frames.
const (
	minWidth, minHeight       = 60, 16
	framedWidth, framedHeight = 80, 24
)

// View implements [tea.Model].
func (a app) View() string {
	if a.width == 0 || a.height == 0 {
		return ""
	}
	if a.width < minWidth || a.height < minHeight {
		return tooSmall(a.width, a.height)
	}
	lines := []string{a.header()}
	switch {
	case a.help:
		lines = append(lines, a.helpPane()...)
	case a.mode == onKnock:
		lines = append(lines, a.knockPanes()...)
	case a.mode == onDiagnose:
		panes, _ := a.diagnosePanes()
		lines = append(lines, panes...)
	case a.mode == onCompare:
		panes, _ := a.comparePanes()
		lines = append(lines, panes...)
	default:
		lines = append(lines, a.framed(a.hostsPane())...)
	}
	for len(lines) < a.height-1 {
		lines = append(lines, "")
	}
	lines = append(lines[:a.height-1], a.footer())
	for i, l := range lines {
		lines[i] = ansi.Truncate(l, a.width, "")
	}
	return strings.Join(lines, "\n")
}

func tooSmall(w, h int) string {
	return ansi.Truncate(fmt.Sprintf("needs %dx%d, has %dx%d", minWidth, minHeight, w, h), w, "")
}

// header says what this is, which server, and what the time is.
func (a app) header() string {
	clock := a.now.UTC().Format("2006-01-02 15:04:05 UTC")
	if a.width < framedWidth {
		clock = a.now.UTC().Format("15:04:05 UTC")
	}
	left := " " + a.theme.accent.Render("rapport")
	if a.mode == onKnock || a.mode == onCompare || a.mode == onDiagnose {
		left += "  " + a.where()
	}
	return ends(ansi.Truncate(left, a.width-len(clock)-2, ""), clock+" ", a.width)
}

// where says which server the Knock screen is on, and at which address.
func (a app) where() string {
	t := a.screen.target
	addr := "no address"
	switch {
	case t.Addr.Addr().Is4():
		addr = fmt.Sprintf("%s (IPv4)", t.Addr)
	case t.Addr.Addr().IsValid():
		addr = fmt.Sprintf("%s (IPv6)", t.Addr)
	case a.screen.stage == resolving:
		addr = "resolving"
	}
	if t.Host == t.Addr.Addr().String() && a.width < framedWidth {
		return addr
	}
	return a.theme.strong.Render(ansi.Truncate(t.Host, max(8, a.width-60), "")) + "  " + addr
}

// footer names the keys that matter now.
func (a app) footer() string {
	var hints [][2]string
	switch {
	case a.help:
		hints = [][2]string{{"esc", "back"}, {"q", "quit"}}
	case a.mode == onCompare:
		hints = a.compareHints()
	case a.mode == onDiagnose:
		hints = a.diagnoseHints()
	case a.mode == onForm && a.form.focus == fieldStore:
		hints = [][2]string{{"space", "change"}, {"enter", "save"}, {"tab", "next"}, {"esc", "back"}}
	case a.mode == onForm:
		hints = [][2]string{{"tab", "next"}, {"ctrl+g", "make a secret"}, {"ctrl+s", "save"}, {"esc", "back"}}
	case a.mode == onImport, a.mode == onSecret:
		hints = [][2]string{{"enter", "go on"}, {"esc", "back"}}
	case a.mode == onHosts && a.list.removing:
		hints = [][2]string{{"y", "remove"}, {"any other key", "keep"}}
	case a.mode == onHosts && a.list.filtering:
		hints = [][2]string{{"enter", "keep the filter"}, {"esc", "back"}}
	case a.mode == onHosts:
		hints = [][2]string{{"enter", "open"}, {"a", "add"}, {"e", "edit"}, {"i", "import"}, {"x", "remove"}, {"/", "filter"}, {"?", "help"}, {"q", "quit"}}
	default:
		hints = a.knockHints()
	}
	return hintLine(a.theme, a.width, hints)
}

// hintLine names keys in a line of at most w cells. Where they do not all fit,
// the ones before the last two give way.
func hintLine(t theme, w int, hints [][2]string) string {
	gap := "   "
	if w < framedWidth {
		gap = "  "
	}
	for {
		var parts []string
		for _, h := range hints {
			parts = append(parts, t.accent.Render(h[0])+" "+h[1])
		}
		line := " " + strings.Join(parts, gap)
		n := len(hints) - 3
		if n <= 0 || ansi.StringWidth(line) <= w {
			return line
		}
		hints = slices.Delete(slices.Clone(hints), n, n+1)
	}
}

// knockHints are the keys of the Knock screen, those that do something here.
func (a app) knockHints() [][2]string {
	hints := [][2]string{{"k", "knock"}}
	if a.job != nil || a.screen.waitFor != nil {
		hints = [][2]string{{"esc", "cancel"}, {"k", "again"}}
	}
	if a.config.SSH != nil {
		hints = append(hints, [2]string{"s", "ssh"})
	}
	if server := a.now.Add(a.screen.target.Skew); knock.HourOf(server).End().Sub(server) < turnIsNear {
		hints = append(hints, [2]string{"w", "wait for the turn"})
	}
	hints = append(hints, [2]string{"d", "diagnose"}, [2]string{"c", "compare"})
	if a.config.HostsPath != "" {
		hints = append(hints, [2]string{"h", "hosts"})
	}
	mask := "mask"
	if a.screen.masked {
		mask = "unmask"
	}
	if a.job == nil {
		hints = append(hints, [][2]string{{"m", mask}, {"p", "probe"}}...)
	} else {
		hints = append(hints, [2]string{"m", mask})
	}
	return append(hints, [][2]string{{"y", "copy"}, {"?", "help"}, {"q", "quit"}}...)
}

// turnIsNear is when waiting for the next hour is worth a hint.
const turnIsNear = 5 * time.Minute

func (a app) helpPane() []string {
	p := pane{title: "help"}
	lines := knockHelp()
	switch a.mode {
	case onHosts:
		lines = hostsHelp()
	case onCompare:
		lines = compareHelp()
	case onDiagnose:
		lines = a.diagnoseHelp()
	}
	for _, l := range lines {
		p.lines = append(p.lines, " "+a.theme.accent.Render(fit(l[0], 16))+l[1])
	}
	return a.framed(p)
}

// large reports whether there is room for frames.
func (a app) large() bool { return a.width >= framedWidth && a.height >= framedHeight }

// framed draws a pane, in a frame where there is room for one.
func (a app) framed(p pane) []string {
	if a.large() {
		return a.theme.box(a.width, p)
	}
	return p.lines
}

// hostsPane is the list of servers, and what is asked in its place.
func (a app) hostsPane() pane {
	w, h := a.width-2, a.height-4
	switch a.mode {
	case onForm:
		title := "add a server"
		if a.form.old != nil {
			title = "edit " + a.form.old.Name
		}
		return pane{title: title, note: a.config.HostsPath, lines: a.form.lines(a.theme, w)}
	case onImport:
		return a.question("import an old script", "path")
	case onSecret:
		return a.question("the secret of "+a.asked.Name, "secret")
	}
	p := pane{title: "hosts", note: a.config.HostsPath, lines: a.list.lines(a.theme, a.now, w, h)}
	for a.large() && len(p.lines) < h {
		p.lines = append(p.lines, "")
	}
	return p
}

// question is a pane with one text field.
func (a app) question(title, label string) pane {
	p := pane{title: title, lines: []string{" " + a.theme.accent.Render(label) + "  " + a.input.View(), ""}}
	for _, l := range wrap(a.list.failure, a.width-4) {
		p.lines = append(p.lines, " "+a.theme.bad.Render(l))
	}
	return p
}

// knockPanes lay the Knock screen out between header and footer.
func (a app) knockPanes() []string {
	inner := a.width
	room := a.height - 2
	if a.large() {
		inner -= 2
		room-- // a blank line above the keys
	}
	var lines []string
	for _, p := range []pane{a.sequencePane(inner, a.large()), a.handshakePane(inner), a.sshPane(inner)} {
		lines = append(lines, a.framed(p)...)
	}
	return append(lines, a.logLines(room-len(lines))...)
}

// pane is what a part of the screen shows, with or without a frame around it.
type pane struct {
	title, note, foot string
	lines             []string
}

// logLines are the newest n lines of the log, the newest one last. A line that
// is too long goes on below its text.
func (a app) logLines(n int) []string {
	const indent = 11
	var out []string
	for i := len(a.screen.log) - 1; i >= 0 && len(out) < n; i-- {
		e := a.screen.log[i]
		lines := wrap(e.text, a.width-indent-1)
		lines = cut(lines, n-len(out)) // rather the beginning than the end
		for j := len(lines) - 1; j >= 0 && len(out) < n; j-- {
			at := fit("", indent-3)
			if j == 0 {
				at = e.at.UTC().Format("15:04:05")
			}
			out = append(out, " "+a.theme.dim.Render(at)+"  "+lines[j])
		}
	}
	slices.Reverse(out)
	return out
}

// wrap breaks s between words into lines of at most w cells. A hyphen is no place
// to break at: hours, ranges and flags have them.
func wrap(s string, w int) []string {
	const nonBreaking = "\u2011"
	s = ansi.Wrap(strings.ReplaceAll(s, "-", nonBreaking), w, "")
	return strings.Split(strings.ReplaceAll(s, nonBreaking, "-"), "\n")
}
