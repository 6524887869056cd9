// Package sequences is the Sequences screen: the ports of any hour, past or future,
// with the hour in UTC, in the user's zone and on the server's clock.
package sequences

import (
	"fmt"
	"strings"
	"time"

	"github.com/charmbracelet/bubbles/textinput"
	tea "github.com/charmbracelet/bubbletea"

	"rapport/knock"
	"rapport/knock/phrase"
	"rapport/tui/session"
	"rapport/tui/ui"
)

// step is what the Sequences screen is doing.
type step int

const (
	listing   step = iota
	going          // a date or a span is typed
	showing        // a QR code lies over the list
	exporting      // the path of a file is typed
)

// Screen shows sequences hour by hour.
type Screen struct {
	*session.Session
	step    step
	input   textinput.Model
	path    ui.PathInput // of the file to write
	failure string
	notice  string
	code    code // of the shell line
	short   code // of the ports
}

// code is the QR code of a line; making one takes milliseconds.
type code struct {
	line string
	bits [][]bool
}

// farthest is how many hours from now the screen goes either way: ten years.
const farthest = 10 * 366 * 24

const day = 24

// Keys implements [session.Screen].
func (s *Screen) Keys() ui.Keys {
	back := ui.NewKey("esc", "back", "", ui.Act(func() { s.step, s.failure = listing, "" }))
	switch s.step {
	case going:
		return ui.ModalKeys(ui.NewKey("enter", "go there", "", ui.Act(s.goTo)), back)
	case exporting:
		complete := ui.NewKey("tab", "complete", "", nil)
		complete.SetKeys("")
		k := ui.ModalKeys(ui.NewKey("enter", "write it", "", ui.Act(s.export)), back)
		k.Bar = append(k.Bar, complete)
		return k
	case showing:
		back.SetKeys("esc", "r", "enter", "q")
		return ui.ModalKeys(back)
	}
	copyAs := func(what string, text func() string) func() tea.Cmd {
		return func() tea.Cmd {
			s.notice = what + " of " + s.chosen().String() + " copied (OSC 52)"
			return s.CopyText(text())
		}
	}
	ports := ui.NewKey("y", "ports", "copy the five ports", copyAs("the ports", s.portText))
	shell := ui.NewKey("Y", "shell line", "copy a shell line that knocks with nc", copyAs("the nc line", s.shellLine))
	qr := ui.NewKey("r", "QR code", "show the shell line as a QR code", ui.Act(func() { s.step = showing }))
	export := ui.NewKey("x", "export day", "write the day of the chosen hour to a file, as text to print", s.startExport)
	to := ui.NewKey("g", "go to", "go to a date, or so far ahead: 2026-12-24 20, +3h, in 2 days", func() tea.Cmd {
		s.step, s.failure, s.input = going, "", ui.NewInput(30, 40)
		s.input.Placeholder = "2026-12-24 20, +3h, in 2 days"
		return s.input.Focus()
	})
	now := ui.NewKey("n", "now", "back to this hour", ui.Act(func() { s.move(-s.Offset) }), "home")
	esc := ui.NewKey("esc", "back", "back to the Knock screen", func() tea.Cmd { return s.Open(session.ToKnock) })
	by := func(name, about string, n int, others ...string) ui.Key {
		return ui.NewKey(name, "", about, ui.Act(func() { s.move(n) }), others...)
	}
	moves := []ui.Key{by("up", "an hour back, an hour on", -1), by("down", "", 1), by("pgup", "a day back, a day on", -day, "left"), by("pgdown", "", day, "right")}
	mask := s.Mask("mask the ports")
	return ui.Keys{
		Rows: [][]ui.Key{moves, {to}, {now}, {ports}, {shell}, {qr}, {export}, {mask}, {esc}},
		Bar:  []ui.Key{to, now, ports, shell, qr, export, mask, esc},
		Legend: [][2]string{
			{"=", "this port occurs twice in its hour"},
			{"<", "the ports ascend: a port scan in order would knock it"},
		},
	}
}

// Update implements [session.Screen].
func (s *Screen) Update(msg tea.Msg) (cmd tea.Cmd) {
	if _, isKey := msg.(tea.KeyMsg); isKey {
		s.failure = ""
	}
	switch s.step {
	case going:
		s.input, cmd = s.input.Update(msg)
	case exporting:
		s.path, cmd = s.path.Update(msg)
	}
	return cmd
}

func (s *Screen) move(by int) {
	s.Offset, s.notice = max(-farthest, min(s.Offset+by, farthest)), ""
}

// chosen is the server's hour that is chosen.
func (s *Screen) chosen() knock.Hour { return s.Hour().Add(s.Offset) }

// goTo moves to the hour that was typed.
func (s *Screen) goTo() {
	at, err := parseTime(s.input.Value(), s.Now.Add(s.Target.Skew))
	if err != nil {
		s.failure = err.Error()
		return
	}
	s.step, s.failure, s.Offset = listing, "", 0
	s.move(knock.HourOf(at).Sub(s.Hour()))
}

// layouts are the dates that a user may type, in UTC.
var layouts = []string{"2006-01-02-15", "2006-01-02 15:04", "2006-01-02T15:04", "2006-01-02 15", "2006-01-02", "15:04"}

// parseTime reads a date in UTC, or a span from now: "+3h", "in 2 days", "-90 min".
func parseTime(text string, now time.Time) (time.Time, error) {
	text = strings.ToLower(strings.TrimSpace(text))
	for _, layout := range layouts {
		if at, err := time.ParseInLocation(layout, text, time.UTC); err == nil {
			if layout == "15:04" {
				y, m, d := now.UTC().Date()
				at = time.Date(y, m, d, at.Hour(), at.Minute(), 0, 0, time.UTC)
			}
			return at, nil
		}
	}
	span := strings.TrimSuffix(strings.TrimPrefix(text, "in "), "s")
	var n float64
	var unit string
	if _, err := fmt.Sscanf(span, "%f%s", &n, &unit); err != nil {
		_, _ = fmt.Sscanf(span, "%f %s", &n, &unit)
	}
	units := map[string]time.Duration{
		"m": time.Minute, "min": time.Minute, "minute": time.Minute, "h": time.Hour, "hour": time.Hour,
		"d": 24 * time.Hour, "day": 24 * time.Hour, "w": 7 * 24 * time.Hour, "week": 7 * 24 * time.Hour,
	}
	length, ok := units[strings.TrimSpace(unit)]
	if !ok || n > farthest || n < -farthest {
		return now, fmt.Errorf("%q is neither a date like 2026-12-24 20, in UTC, nor a span like +3h or in 2 days", knock.Clean(text, 40))
	}
	return now.Add(time.Duration(n * float64(length))), nil
}

// portText is the chosen sequence as ports.
func (s *Screen) portText() string {
	ports := s.Sequence(s.chosen()).Ports()
	return session.PortList(ports[:])
}

// shellLine is the command that knocks the chosen sequence from a shell.
func (s *Screen) shellLine() string {
	return fmt.Sprintf("for p in %s; do nc -w1 -z %s $p & sleep 0.1; done; wait", s.portText(), phrase.ShellWord(s.Host.Lookup()))
}
