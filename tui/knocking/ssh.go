package knocking

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/term"
	"github.com/muesli/cancelreader"

	"rapport/knock/phrase"
	"rapport/tui/session"
	"rapport/tui/ui"
)

// sshEnded says that ssh has ended and the terminal is free.
type sshEnded struct {
	of     *Screen
	err    error
	lasted time.Duration
}

// ssh runs ssh through the gate on the terminal.
func (s *Screen) ssh() tea.Cmd {
	if s.Wire.Job != nil {
		s.Note("a handshake is under way; press s again when it has ended")
		return nil
	}
	cmd, err := s.Config.SSH(s.Ctx, s.Host, s.Target.Secret)
	if err != nil {
		s.NoteAs(session.Bad, "%s", session.ErrorText(err))
		return nil
	}
	s.Note("ssh is running in this terminal")
	ctx := s.Ctx
	var lasted time.Duration
	return ui.Exec(func() (err error) {
		lasted, err = runSSH(ctx, cmd)
		return err
	}, func(err error) tea.Msg { return SSHEnded(s, err, lasted) })
}

func (s *Screen) sshEnded(msg sshEnded) {
	s.sshEndedAt, s.sshLasted, s.sshFailure = s.Now, msg.lasted, ending(msg.err)
	s.Note("%s", s.sshEndedWords())
}

// sshEndedWords says how the last login ended.
func (s *Screen) sshEndedWords() string {
	if s.sshFailure != "" {
		return "ssh " + s.sshFailure
	}
	return "ssh ended after " + phrase.Span(s.sshLasted.Round(time.Second))
}

// ending says how a command ended; empty if well.
func ending(err error) string {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return ""
	case !errors.As(err, &exit):
		return "did not start: " + session.ErrorText(err)
	case exit.ExitCode() < 0: // by a signal
		return "was ended by a signal"
	}
	return fmt.Sprintf("ended with exit status %d", exit.ExitCode())
}

const (
	shortSession = 2 * time.Second // whose output the user had no time to read
	killDelay    = 2 * time.Second // that ssh gets to end after SIGTERM
)

// runSSH runs ssh on the terminal until it ends or ctx, which is cmd's, does. The
// screens would overwrite the output of a session that failed or was short, so after
// those it waits for enter.
func runSSH(ctx context.Context, cmd *exec.Cmd) (lasted time.Duration, err error) {
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.WaitDelay = killDelay
	cmd.Cancel = func() error {
		if cmd.Process.Signal(syscall.SIGTERM) != nil { // Windows has none
			return cmd.Process.Kill()
		}
		return nil
	}
	started, terminal := time.Now(), os.Stdin.Fd()
	mode, unknown := term.GetState(terminal)
	err = cmd.Run()
	lasted = time.Since(started)
	if unknown == nil {
		_ = term.Restore(terminal, mode)
	}
	if ctx.Err() == nil && (err != nil || lasted < shortSession) {
		end := "ssh ended"
		if err != nil {
			end = "ssh " + ending(err)
		}
		fmt.Printf("\n[%s; press enter to return to the screens] ", end)
		if in, err := cancelreader.NewReader(os.Stdin); err == nil {
			stop := context.AfterFunc(ctx, func() { in.Cancel() })
			_, _ = bufio.NewReader(in).ReadString('\n')
			stop()
			_ = in.Close()
		}
	}
	return lasted, err
}

// SSHEnded is the message that ssh has given the terminal back to a screen.
func SSHEnded(of *Screen, err error, lasted time.Duration) tea.Msg {
	return sshEnded{of, err, lasted}
}
