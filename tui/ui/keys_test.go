package ui

import (
	"io"
	"strings"
	"testing"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/x/ansi"
)

func plainTheme() Theme { return NewTheme(lipgloss.NewRenderer(io.Discard), true, Dark) }

// One declaration of a key gives its help, its place in the key bar, and its action.
func TestKeysAreDeclaredOnce(t *testing.T) {
	at, pressed := 0, ""
	press := func(name string) func() tea.Cmd { return func() tea.Cmd { pressed = name; return nil } }
	knock := NewKey("k", "knock", "knock, and probe", press("k"), "enter", " ")
	mask, copies := NewKey("m", "mask", "mask the ports", press("m")), NewKey("y", "copy", "copy them", press("y"))
	fix := NewKey("f", "fix", "apply the fix", press("f")).If(false)
	keys := Keys{
		Rows:   [][]Key{{knock}, {mask, copies}, {fix}, MoveKeys("scroll", 10, func(by int) { at = max(0, at+by) })},
		Bar:    []Key{knock.As("again"), fix, mask},
		Legend: [][2]string{{"=", "twice"}},
	}
	help := strings.Join(plainTheme().HelpPage(keys).Lines, "\n")
	const want = ` k enter space   knock, and probe
 m   y           mask the ports; copy them
 f               apply the fix
 up down         scroll; pgup, pgdown, home and end too
 =               twice`
	if help != want {
		t.Errorf("the help is\n%s", help)
	}
	if bar := plainTheme().KeyBar(keys.Bar, nil, 80); strings.TrimRight(bar, " ") != " k again         m mask" {
		t.Errorf("the key bar is %q", bar)
	}
	for _, tt := range []struct {
		msg  tea.KeyMsg
		want string
	}{
		{tea.KeyMsg{Type: tea.KeySpace, Runes: []rune(" ")}, "k"},
		{tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("y")}, "y"},
		{tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("f")}, ""}, // disabled
		{tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("q")}, ""},
		{tea.KeyMsg{Type: tea.KeyPgDown}, ""},
	} {
		pressed = ""
		if k, ok := keys.Find(tt.msg); ok {
			k.Do()
		}
		if pressed != tt.want {
			t.Errorf("%v does %q, want %q", tt.msg, pressed, tt.want)
		}
	}
	if at != 10 {
		t.Errorf("pgdown moves to %d", at)
	}
}

// A narrow key bar keeps the root's keys, and a key that does not apply its place.
func TestKeyBarKeepsItsPlaces(t *testing.T) {
	var bar []Key
	for _, name := range []string{"a", "b", "c", "d"} {
		bar = append(bar, NewKey(name, "some "+name, "", nil))
	}
	own := []Key{NewKey("?", "help", "", nil), NewKey("q", "quit", "", nil)}
	th := plainTheme()
	for w := 30; w < 90; w++ {
		before := th.KeyBar(bar, own, w)
		if ansi.StringWidth(before) != w || !strings.HasPrefix(before, " a some a") || !strings.Contains(before, "? help") || !strings.HasSuffix(before, "q quit ") {
			t.Errorf("in %d cells: %q", w, before)
		}
		off := append([]Key{bar[0].If(false)}, bar[1:]...)
		if after := th.KeyBar(off, own, w); after != strings.Replace(before, "a some a", "        ", 1) {
			t.Errorf("a key that does not apply changes\n%q to\n%q", before, after)
		}
	}
}
