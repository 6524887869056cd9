package tui

import (
	"fmt"
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"
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
		return ansi.Truncate(fmt.Sprintf("%dx%d is too small: rapport needs %dx%d", a.width, a.height, minWidth, minHeight), a.width, "")
	}
	lines := []string{a.header()}
	if a.help {
		lines = append(lines, a.helpPane()...)
	} else {
		lines = append(lines, a.knockPanes()...)
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

// header says what this is, which server, and what the time is.
func (a app) header() string {
	t := a.screen.target
	where := "resolving"
	if t.Addr.Addr().IsValid() {
		family := "IPv6"
		if t.Addr.Addr().Is4() {
			family = "IPv4"
		}
		where = fmt.Sprintf("%s (%s)", t.Addr, family)
	} else if a.screen.stage != resolving {
		where = "no address"
	}
	host := ansi.Truncate(t.Host, max(8, a.width-60), "")
	clock := a.now.UTC().Format("2006-01-02 15:04:05 UTC")
	if a.width < framedWidth {
		clock = a.now.UTC().Format("15:04:05 UTC")
	}
	left := " " + a.theme.accent.Render("rapport") + "  " + a.theme.strong.Render(host)
	if where != "" && (t.Host != t.Addr.Addr().String() || a.width >= framedWidth) {
		left += "  " + where
	}
	return ends(ansi.Truncate(left, a.width-len(clock)-2, ""), clock+" ", a.width)
}

// footer names the keys that matter now.
func (a app) footer() string {
	type hint struct{ key, what string }
	hints := []hint{{"k", "knock"}, {"p", "probe"}, {"m", "mask"}, {"c", "copy"}, {"?", "help"}, {"q", "quit"}}
	if a.screen.masked {
		hints[2].what = "unmask"
	}
	if a.job != nil {
		hints = append([]hint{{"esc", "cancel"}}, hints...)
		hints[1].what = "again"
	}
	if a.help {
		hints = []hint{{"esc", "back"}, {"k", "knock"}, {"q", "quit"}}
	}
	var parts []string
	for _, h := range hints {
		parts = append(parts, a.theme.accent.Render(h.key)+" "+h.what)
	}
	return " " + strings.Join(parts, "   ")
}

func (a app) helpPane() []string {
	lines := []string{}
	for _, l := range helpLines() {
		lines = append(lines, " "+a.theme.accent.Render(fit(l[0], 16))+l[1])
	}
	if a.width < framedWidth || a.height < framedHeight {
		return lines
	}
	return a.theme.box(a.width, pane{title: "help", lines: lines})
}

// knockPanes lay the Knock screen out between header and footer.
func (a app) knockPanes() []string {
	framed := a.width >= framedWidth && a.height >= framedHeight
	room := a.height - 2
	var lines []string
	add := func(p pane) {
		if framed {
			lines = append(lines, a.theme.box(a.width, p)...)
			return
		}
		lines = append(lines, p.lines...)
	}
	inner := a.width
	if framed {
		inner -= 2
	}
	add(a.sequencePane(inner, framed))
	add(a.handshakePane(inner))
	add(a.sshPane(inner))
	room -= len(lines)
	if framed {
		room-- // a blank line above the keys
	}
	return append(lines, a.logLines(room)...)
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

// wrap breaks s between words into lines of at most w cells.
func wrap(s string, w int) []string { return strings.Split(ansi.Wrap(s, w, ""), "\n") }
