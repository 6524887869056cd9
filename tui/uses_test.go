package tui

import (
	"net/netip"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"rapport/knock"
	"rapport/tui/knocking"
	"rapport/tui/ui"
)

// mostKeys is how many keys each use of the program takes at most, from its start.
const mostKeys = 4

// answer plays the server, whose clock is skew ahead: it ends what the last key began.
func answer(t *testing.T, m *app, skew time.Duration) *app {
	t.Helper()
	if job := m.clocks.Job; job != nil {
		m = reach(m, []tea.Msg{clocksRead()})
	}
	switch {
	case m.Wire.Job == nil:
		return m
	case m.knock.Stage == knocking.Resolving:
		return tell(m, fromJob{netip.MustParseAddr("203.0.113.7")}, jobOver{})
	case m.Wire.UsedBy(m.diagnose):
		r := behind(t)
		r.Done = true
		return tell(m, snapshot(r), jobOver{})
	}
	end := shut
	if m.Target.Skew == skew {
		end = opened
	}
	r := knocked(5, end)
	return tell(m, fromJob{knock.Event{Kind: knock.AttemptStarted, Report: r}}, fromJob{knock.Event{Kind: knock.Finished, Report: r}}, jobOver{})
}

// The three uses of the program, each in under five keys: knocking, finding out that the
// server's clock is off and knocking by it, and seeing the ports of hours ahead. The list
// of servers takes one key more than a server that is named.
func TestUsesTakeFewKeys(t *testing.T) {
	const behindBy = -3 * time.Hour
	hour := tea.KeyMsg{Type: tea.KeyShiftLeft}
	for _, use := range []struct {
		name string
		skew time.Duration // of the server's clock
		keys []tea.Msg
		says []string
	}{
		{"knock", 0, []tea.Msg{press("k")}, []string{"SSH IS OPEN", "shuts in"}},
		{"diagnose and fix", behindBy, []tea.Msg{press("d"), press("f")}, []string{"SSH IS OPEN", "server's clock -3h"}},
		{"read the clocks", behindBy, []tea.Msg{press("4")}, []string{"-3:00:00", "what if"}},
		{"apply what the clocks say", behindBy, []tea.Msg{press("4"), press("="), enter}, []string{"skew -3h"}},
		{"what if it were an hour behind", 0, []tea.Msg{press("4"), hour}, []string{"skew -1h", "expects the sequence of 07h"}},
		{"sequences of the day", 0, []tea.Msg{press("3")}, []string{"08h", "10247 10363 10357 10858 10938", "10h", "10197 10591 10496 10032 10144"}},
		{"a sequence for a phone", 0, []tea.Msg{press("3"), tea.KeyMsg{Type: tea.KeyDown}, press("r")}, []string{"for a phone"}},
	} {
		for _, listed := range []bool{false, true} {
			const file = "[hosts.alpha]\nsecret = \"f00b4r\"\n"
			keys := use.keys
			m, _ := onHosts(t, file)
			if listed {
				m, _ = newList(t, file)
				keys = append([]tea.Msg{enter}, keys...)
			}
			m = tell(m, tea.WindowSizeMsg{Width: 80, Height: 24})
			for _, key := range keys {
				var cmd tea.Cmd
				m, cmd = update(m, key)
				if m = follow(t, m, cmd); m.knock == nil {
					t.Fatalf("%s: no server is open:\n%s", use.name, m.View())
				}
				m = answer(t, m, use.skew)
			}
			m = tell(m, ui.Beat(noon))
			shows(t, m, use.says...)
			if len(keys) > mostKeys {
				t.Errorf("%s takes %d keys from the start", use.name, len(keys))
			}
		}
	}
}
