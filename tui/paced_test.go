package tui

import (
	"io"
	"testing"
	"testing/synctest"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"rapport/tui/ui"
)

// counted counts how often it is drawn.
type counted struct{ views, updates int }

func (c *counted) Init() tea.Cmd                       { return nil }
func (c *counted) Update(tea.Msg) (tea.Model, tea.Cmd) { c.updates++; return c, nil }
func (c *counted) View() string                        { c.views++; return "" }

// A thousand reports within a second are drawn 30 times, the last of them too; a key is
// drawn at once, and nothing at rest.
func TestAtMostThirtyFramesASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := &counted{}
		p := tea.NewProgram(&paced{model: inner}, tea.WithInput(nil), tea.WithOutput(io.Discard), tea.WithoutSignalHandler())
		ended := make(chan struct{})
		go func() {
			_, _ = p.Run()
			close(ended)
		}()
		synctest.Wait()
		before := inner.views
		for range 1000 {
			p.Send(ui.JobEvent{})
			time.Sleep(time.Millisecond)
		}
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		if n := inner.views - before; n < 25 || n > 32 || inner.updates < 1000 {
			t.Errorf("%d reports, %d frames", inner.updates, n)
		}
		rest := inner.views
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if inner.views != rest {
			t.Errorf("%d frames at rest", inner.views-rest)
		}
		p.Send(ui.JobEvent{})
		p.Send(tea.KeyMsg{Type: tea.KeyDown})
		synctest.Wait()
		if inner.views != rest+2 {
			t.Errorf("a report and a key were drawn in %d frames", inner.views-rest)
		}
		p.Quit()
		<-ended
	})
}
