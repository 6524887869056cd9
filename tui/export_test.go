package tui

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
)

// x writes the day to a new file for the user alone; tab completes the path.
func TestExportOfADay(t *testing.T) {
	m, path := onHosts(t, "[hosts.alpha]\nsecret = \"f00b4r\"\nskew = \"-3h\"\n")
	m.Config.Zone = time.UTC
	dir := filepath.Join(filepath.Dir(path), "printed papers")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	m = tell(m, press("3"), press("x"))
	shows(t, m, "write the day to", "alpha-2026-11-22.txt", "enter write it")
	m = tell(m, tea.KeyMsg{Type: tea.KeyCtrlU})
	m = tell(m, typing(filepath.Join(filepath.Dir(path), "print"), "tab", "day.txt", "enter")...)
	shows(t, m, "written to")
	file := filepath.Join(dir, "day.txt")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v:\n%s", err, m.View())
	}
	text := string(b)
	if n := strings.Count(text, "\n"); n != 28 || !strings.HasPrefix(text, "alpha  Sunday 2026-11-22 UTC  range 10000-10999  the server's clock is -3h from") ||
		!strings.Contains(text, "\n08h     11:00   10247 10363 10357 10858 10938\n") || strings.Contains(text, "f00b4r") {
		t.Errorf("%d lines:\n%s", n, text)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file's mode is %v, %v", info.Mode(), err)
	}
	for _, tt := range [][2]string{{file, "exists already; give another path"}, {filepath.Join(dir, "none", "x"), "cannot write"}} {
		m = tell(m, press("x"), tea.KeyMsg{Type: tea.KeyCtrlU})
		m = tell(m, typing(tt[0], "enter")...)
		shows(t, m, tt[1])
		m = tell(m, typing("esc")...)
	}
	if now, err := os.ReadFile(file); err != nil || string(now) != text {
		t.Errorf("the file was changed: %s, %v", now, err)
	}
}
