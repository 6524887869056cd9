package ui

import (
	"fmt"
	"strings"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"
)

// Zones are the parts of a frame that a click acts on. A part is marked where it is
// drawn, by escape sequences that [Zones.Scan] takes out again, so that the layout alone
// says where it is. Bubblezone does the same, but stores what it found on a goroutine
// some time after the frame, and copies the frame for each mark.
type Zones struct {
	actions []func() tea.Cmd // of the frame under way, by number
	found   []zone
}

// zone is a part of one line of the last frame: cells from x to below end.
type zone struct {
	x, end, y int
	do        func() tea.Cmd
}

// Zone marks a text of one line for the mouse: a click on it does do. Without a mouse, or
// with nothing to do, the text stays as it is.
func (t Theme) Zone(do func() tea.Cmd, text string) string {
	if t.Zones == nil || do == nil {
		return text
	}
	t.Zones.actions = append(t.Zones.actions, do)
	mark := fmt.Sprintf("\x1b[%dz", len(t.Zones.actions)-1)
	return mark + text + mark
}

// Scan takes the marks out of a frame and remembers where they were.
func (z *Zones) Scan(frame string) string {
	z.found = z.found[:0]
	lines := strings.Split(frame, "\n")
	for y, line := range lines {
		if strings.Contains(line, "z") {
			lines[y] = z.scanLine(y, line)
		}
	}
	z.actions = z.actions[:0]
	return strings.Join(lines, "\n")
}

func (z *Zones) scanLine(y int, line string) string {
	begun := map[int]int{} // where a zone begins, by its number
	var out strings.Builder
	for {
		i := strings.Index(line, "\x1b[")
		if i < 0 {
			out.WriteString(line)
			return out.String()
		}
		n, end := 0, i+2
		for end < len(line) && line[end] >= '0' && line[end] <= '9' {
			n = n*10 + int(line[end]-'0')
			end++
		}
		if end == len(line) || line[end] != 'z' || n >= len(z.actions) {
			out.WriteString(line[:end])
			line = line[end:]
			continue
		}
		out.WriteString(line[:i])
		line = line[end+1:]
		x := ansi.StringWidth(out.String())
		if from, ok := begun[n]; ok {
			z.found = append(z.found, zone{from, x, y, z.actions[n]})
		}
		begun[n] = x
	}
}

// At returns what a click on a cell does; nil is nothing. Of zones that lie in one
// another the inner one counts.
func (z *Zones) At(x, y int) func() tea.Cmd {
	for _, f := range z.found {
		if f.y == y && x >= f.x && x < f.end {
			return f.do
		}
	}
	return nil
}
