package tui

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"rapport/knock/hosts"
)

// hostsScreen is the list of servers.
type hostsScreen struct {
	all       []hosts.Host
	results   map[string]hosts.Result
	filter    string
	filtering bool // keys go to the filter
	cursor    int
	removing  bool   // the removal of the selected server awaits its confirmation
	broken    string // why the hosts file cannot be read
	failure   string
	notice    string
}

// shown returns the servers that the filter lets through.
func (s *hostsScreen) shown() []hosts.Host {
	var out []hosts.Host
	for _, h := range s.all {
		if strings.Contains(strings.ToLower(h.Name+" "+h.Address), strings.ToLower(s.filter)) {
			out = append(out, h)
		}
	}
	return out
}

// selected returns the server under the cursor.
func (s *hostsScreen) selected() (hosts.Host, bool) {
	shown := s.shown()
	if len(shown) == 0 {
		return hosts.Host{}, false
	}
	s.cursor = min(max(s.cursor, 0), len(shown)-1)
	return shown[s.cursor], true
}

// pick puts the cursor on a server.
func (s *hostsScreen) pick(name string) {
	s.cursor = max(0, slices.IndexFunc(s.shown(), func(h hosts.Host) bool { return h.Name == name }))
}

// move moves the cursor by n lines.
func (s *hostsScreen) move(n int) {
	s.cursor = min(max(s.cursor+n, 0), max(0, len(s.shown())-1))
	s.removing = false
}

// lines draws the list in w cells and h lines.
func (s *hostsScreen) lines(th theme, now time.Time, w, h int) []string {
	var head []string
	if s.filtering || s.filter != "" {
		cursor := ""
		if s.filtering {
			cursor = "_"
		}
		head = append(head, " filter: "+th.accent.Render(s.filter)+cursor)
	}
	var foot []string
	switch {
	case s.removing:
		if sel, ok := s.selected(); ok {
			for _, l := range wrap(fmt.Sprintf("remove %s from the hosts file? y removes it, any other key does not", sel.Name), w-2) {
				foot = append(foot, " "+th.bad.Render(l))
			}
		}
	case s.failure != "":
		for _, l := range wrap(s.failure, w-2) {
			foot = append(foot, " "+th.bad.Render(l))
		}
	case s.notice != "":
		for _, l := range wrap(s.notice, w-2) {
			foot = append(foot, " "+l)
		}
	}
	if s.broken != "" {
		for _, l := range wrap(s.broken, w-2) {
			head = append(head, " "+th.bad.Render(l))
		}
	}
	shown := s.shown()
	s.cursor = min(max(s.cursor, 0), max(0, len(shown)-1))
	room := max(1, h-len(head)-len(foot))
	first := max(0, min(s.cursor-room/2, len(shown)-room))
	out := head
	for i := first; i < len(shown) && i < first+room; i++ {
		out = append(out, s.line(th, now, shown[i], i == s.cursor, w))
	}
	if len(shown) == 0 && len(s.all) > 0 {
		out = append(out, th.dim.Render(" no server matches"))
	}
	if len(s.all) == 0 && s.broken == "" {
		out = append(out, " no servers yet: a adds one, i imports an old script")
	}
	return append(out, foot...)
}

// line draws one server: its name, where it is, and how the newest handshake
// with it ended.
func (s *hostsScreen) line(th theme, now time.Time, h hosts.Host, selected bool, w int) string {
	// Of a wider screen names and addresses get a part; the result has the rest.
	spare := max(0, w-framedWidth+2)
	named, column := 19+spare/4, 26+spare/4
	if w < framedWidth-2 {
		named, column = 16, 18
	}
	mark, name := "  ", fit(ansi.Truncate(h.Name, named-1, "~"), named)
	if selected {
		mark, name = "> ", th.strong.Render(name)
	}
	where := net.JoinHostPort(h.Lookup(), strconv.Itoa(h.SSHPort))
	line := " " + mark + name + fit(ansi.Truncate(where, column-1, "~"), column)
	r, known := s.results[h.Name]
	switch {
	case !known:
		return line + th.dim.Render("not tried")
	case r.Opened:
		return line + th.good.Render("opened ") + ago(now.Sub(r.At))
	}
	return fit(line+th.warn.Render("not opened ")+fit(ago(now.Sub(r.At)), 13)+th.dim.Render(r.Summary), w)
}

// ago writes how long something is past.
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
