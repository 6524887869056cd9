package tui

import (
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	tea "github.com/charmbracelet/bubbletea"
)

// The whole program on a virtual clock: without a key, its heartbeat counts the window
// down and ends it, and at the hour change the next hour's sequence stands first.
func TestTimePassesWithoutAKey(t *testing.T) {
	lateInTheHour := noon.Truncate(time.Hour).Add(time.Hour - 5*time.Second)
	for _, tt := range []struct {
		name  string
		from  time.Time
		after time.Duration
		shown string
	}{
		{"in the window", noon, time.Second, "SSH IS OPEN"},
		{"after the window", noon, 7 * time.Second, "WINDOW OVER"},
		{"before the hour change", lateInTheHour, 3 * time.Second, "▶ 08h"},
		{"after the hour change", lateInTheHour, 7 * time.Second, "▶ 09h"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				now := noon
				m := newScreen(t, &now, func(c *Config) {
					c.Host.Address = "203.0.113.7" // no name to look up
					c.Client.Clock = func() time.Time { return tt.from.Add(time.Since(begin)) }
				})
				m = tell(m, append([]tea.Msg{tea.WindowSizeMsg{Width: 80, Height: 24}}, over(nil, knocked(5, opened))...)...)
				p := tea.NewProgram(m, tea.WithInput(nil), tea.WithOutput(io.Discard), tea.WithoutSignalHandler())
				last := make(chan tea.Model)
				go func() {
					model, _ := p.Run()
					last <- model
				}()
				time.Sleep(tt.after)
				p.Quit()
				if view := (<-last).View(); !strings.Contains(view, tt.shown) {
					t.Errorf("no %q in\n%s", tt.shown, view)
				}
				time.Sleep(2 * time.Second) // the beat under way ends
			})
		})
	}
}
