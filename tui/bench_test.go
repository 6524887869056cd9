package tui

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/muesli/termenv"

	"rapport/knock"
	"rapport/knock/gate"
	"rapport/knock/solve"
	"rapport/tui/rules"
	"rapport/tui/ui"
)

// truecolor is the look with the longest lines.
var truecolor = look{"", termenv.TrueColor, false}

// BenchmarkView draws each screen at 200x50 in colour, with 500 servers, a full log and,
// behind those that have no job of their own, a running scan.
func BenchmarkView(b *testing.B) {
	size := tea.WindowSizeMsg{Width: 200, Height: 50}
	for name, msgs := range shownScreens(b) {
		b.Run(name, func(b *testing.B) {
			m := styled(b, truecolor)
			manyHosts(b, m.Config.HostsPath)
			if !slices.Contains([]string{"knock", "shut", "log", "fleet", "diagnose"}, name) {
				m = tell(m, press("d"), snapshot(running(b)), press("2"))
			}
			m = reach(m, msgs)
			m.hosts.Reload()
			draw(b, tell(m, size))
		})
	}
	b.Run("trace", func(b *testing.B) { draw(b, tell(traced(b), size)) })
	b.Run("watch", func(b *testing.B) {
		now := noon
		m := newWatch(b, &now, false)
		m.Theme = styled(b, truecolor).Theme
		draw(b, tell(m, crowd(), size))
	})
}

// draw fills the log, and draws.
func draw(b *testing.B, m *app) {
	for i := range 300 {
		m.Note("line %d of the log, which is long enough to fill a row", i)
	}
	for b.Loop() {
		if m.View() == "" {
			b.Fatal("nothing is drawn")
		}
	}
}

// traced returns the Rules screen with the article's rules.
func traced(b *testing.B) *app {
	text, err := os.ReadFile("../knock/gate/testdata/rules/article.save")
	if err != nil {
		b.Fatal(err)
	}
	m := tell(styled(b, truecolor), press("6"))
	q := solve.Query{Secret: m.Target.Secret, Range: knock.DefaultRange, Hour: knock.HourOf(noon), Past: 1, Future: 1}
	found, err := rules.Request{Text: text, Query: q, Facts: gate.Facts{SSHPort: 22}}.Inspect(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	job := &ui.Job{Cancel: func() {}}
	m.rules.Step, m.rules.Job, m.rules.Began = rules.Comparing, job, noon
	return tell(m, ui.JobEvent{Job: job, Event: found})
}

// manyHosts writes a hosts file with 500 servers.
func manyHosts(b *testing.B, path string) {
	var text strings.Builder
	for i := range 500 {
		fmt.Fprintf(&text, "[hosts.server%03d]\naddress = \"192.0.2.%d\"\ntags = [\"web\"]\n", i, i%250)
	}
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		b.Fatal(err)
	}
}
