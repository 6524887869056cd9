package hostlist

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"rapport/knock/hosts"
	"rapport/tui/ui"
)

// shown returns the servers that match the filter.
func (s *Screen) shown() []hosts.Host {
	filter := strings.ToLower(s.filter)
	return slices.DeleteFunc(slices.Clone(s.all), func(h hosts.Host) bool {
		return !strings.Contains(strings.ToLower(h.Name+" "+h.Address), filter)
	})
}

func (s *Screen) selected() (hosts.Host, bool) {
	shown := s.shown()
	if len(shown) == 0 {
		return hosts.Host{}, false
	}
	s.cursor = min(max(s.cursor, 0), len(shown)-1)
	return shown[s.cursor], true
}

// lines draws the list in w cells and h lines.
func (s *Screen) lines(w, h int) (out []string) {
	th := s.Theme
	switch {
	case s.step == filtering:
		out = append(out, " filter: "+s.input.View())
	case s.filter != "":
		out = append(out, " filter: "+th.Accent.Render(s.filter))
	}
	out = append(out, ui.Paragraph(th.Bad, s.broken, " ", w-1)...)
	notice := s.notice
	if notice == "" && s.asked.Name != "" {
		notice = "reading the secret of " + s.asked.Name + "; esc cancels"
	}
	foot := ui.Paragraph(th.Plain, notice, " ", w-1)
	switch sel, ok := s.selected(); {
	case s.step == removing && ok:
		foot = ui.Paragraph(th.Bad, fmt.Sprintf("remove %s from the hosts file? y removes it, any other key does not", sel.Name), " ", w-1)
	case s.failure != "":
		foot = ui.Paragraph(th.Bad, s.failure, " ", w-1)
	}
	shown := s.shown()
	room := max(1, h-len(out)-len(foot))
	first := max(0, min(s.cursor-room/2, len(shown)-room))
	for i := first; i < len(shown) && i < first+room; i++ {
		out = append(out, s.line(shown[i], i == s.cursor, w))
	}
	switch {
	case len(shown) == 0 && len(s.all) > 0:
		out = append(out, th.Dim.Render(" no server matches"))
	case len(s.all) == 0 && s.broken == "":
		out = append(out, " no servers yet: a adds one, i imports an old script")
	}
	return append(out, foot...)
}

// line draws one server: its name, its address, and how the last handshake ended.
func (s *Screen) line(h hosts.Host, selected bool, w int) string {
	th := s.Theme
	// Names and addresses share half of the width beyond 80 cells.
	spare := max(0, w-ui.FramedWidth+2)
	named, column := 19+spare/4, 26+spare/4
	if w < ui.FramedWidth-2 {
		named, column = 16, 18
	}
	mark, name := "  ", ui.Fit(ansi.Truncate(h.Name, named-1, "~"), named)
	if selected {
		mark, name = "> ", th.Strong.Render(name)
	}
	where := net.JoinHostPort(h.Lookup(), strconv.Itoa(h.SSHPort))
	line := " " + mark + name + ui.Fit(ansi.Truncate(where, column-1, "~"), column)
	r, known := s.results[h.Name]
	since := ago(s.Now.Sub(r.At))
	switch {
	case !known:
		return line + th.Dim.Render("not tried")
	case r.Opened:
		return line + th.Good.Render("opened ") + since
	}
	return ui.Fit(line+th.Warn.Render("not opened ")+ui.Fit(since, 13)+th.Dim.Render(r.Summary), w)
}

func ago(d time.Duration) string {
	switch {
	case d < time.Minute:
		return "just now"
	case d < time.Hour:
		return fmt.Sprintf("%d min ago", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h ago", int(d.Hours()))
	}
	return fmt.Sprintf("%d days ago", int(d.Hours()/24))
}
