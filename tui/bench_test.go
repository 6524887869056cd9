package tui

import (
	"fmt"
	"os"
	"strings"
	"testing"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/muesli/termenv"
)

// BenchmarkView draws each screen at 200x50 in colour, with 500 servers and a full log.
func BenchmarkView(b *testing.B) {
	for name, msgs := range shownScreens(b) {
		b.Run(name, func(b *testing.B) {
			m := styled(b, look{"", termenv.TrueColor, false})
			manyHosts(b, m.Config.HostsPath)
			m = reach(m, msgs)
			m.hosts.Reload()
			for i := range 300 {
				m.Note("line %d of the log, which is long enough to fill a row", i)
			}
			m = tell(m, tea.WindowSizeMsg{Width: 200, Height: 50})
			for b.Loop() {
				if m.View() == "" {
					b.Fatal(fmt.Errorf("%s draws nothing", name))
				}
			}
		})
	}
}

// manyHosts writes a hosts file with 500 servers.
func manyHosts(b *testing.B, path string) {
	var text strings.Builder
	for i := range 500 {
		fmt.Fprintf(&text, "[hosts.server%03d]\naddress = \"192.0.2.%d\"\n", i, i%250)
	}
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		b.Fatal(err)
	}
}
