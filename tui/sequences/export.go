package sequences

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"rapport/knock"
	"rapport/knock/hosts/sshconfig"
	"rapport/knock/phrase"
	"rapport/tui/session"
	"rapport/tui/ui"
)

// startExport asks where to write the day of the chosen hour.
func (s *Screen) startExport() tea.Cmd {
	s.step, s.failure, s.path = exporting, "", ui.NewPathInput(48)
	s.path.SetValue(fmt.Sprintf("%s-%s.txt", s.fileName(), s.firstHour().Start().Format(time.DateOnly)))
	s.path.CursorEnd()
	return s.path.Focus()
}

// fileName is the server's name without what file systems do not take.
func (s *Screen) fileName() string {
	return strings.Map(func(c rune) rune {
		if strings.ContainsRune(`/\:*?"<>|`, c) {
			return '-'
		}
		return c
	}, s.Host.Name)
}

// export writes the day into a new file that the user alone may read: whoever has the
// ports can knock.
func (s *Screen) export() {
	path, err := sshconfig.ExpandHome(strings.TrimSpace(s.path.Value()))
	if err == nil {
		err = writeNew(path, s.dayText())
	}
	if err != nil {
		s.failure = err.Error()
		return
	}
	s.step, s.failure = listing, ""
	s.notice = "written to " + ui.Truncate(filepath.Base(path), 30)
	s.Note("the ports of %s are in %s", s.firstHour().Start().Format(time.DateOnly), path)
}

// writeNew writes a file that must not exist yet.
func writeNew(path, text string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	switch {
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%s exists already; give another path", knock.QuotePath(path))
	case err == nil:
		_, err = f.WriteString(text)
		err = errors.Join(err, f.Close())
		if err != nil {
			_ = os.Remove(path)
		}
	}
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", knock.QuotePath(path), phrase.WithoutPath(err))
	}
	return nil
}

// firstHour is the first hour of the UTC day of the chosen hour.
func (s *Screen) firstHour() knock.Hour {
	return knock.HourOf(s.chosen().Start().Truncate(day * time.Hour))
}

// dayText is the day of the chosen hour, a line for each hour.
func (s *Screen) dayText() string {
	first := s.firstHour()
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s UTC  range %s", s.Host.Name, first.Start().Format("Monday 2006-01-02"), s.Target.Range)
	if s.Target.Skew != 0 {
		fmt.Fprintf(&b, "  the server's clock is %s from this machine's", ui.Signed(s.Target.Skew))
	}
	b.WriteString("\nWhoever has this list can knock. Knock the five ports in their order.\n\nserver  here    ports\n")
	for i := range day {
		h := first.Add(i)
		ports := s.Sequence(h).Ports()
		here := h.Start().Add(-s.Target.Skew).In(s.Zone())
		fmt.Fprintf(&b, "%-8s%-8s%s\n", session.ClockHour(h), here.Format("15:04"), session.PortList(ports[:]))
	}
	return b.String()
}
