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

	"rapport/tui/ui"
)

// sshEnded says that ssh has ended and the terminal is free.
type sshEnded struct{ err error }

// ssh runs ssh through the gate on the terminal.
func (s *Screen) ssh() tea.Cmd {
	if s.Wire.Job != nil {
		s.Note("a handshake is under way; press s again when it has ended")
		return nil
	}
	cmd, err := s.Config.SSH(s.Ctx, s.Host, s.Target.Secret)
	if err != nil {
		s.Note("%v", err)
		return nil
	}
	s.Note("ssh is running in this terminal")
	ctx := s.Ctx
	return ui.Exec(func() error { return runSSH(ctx, cmd) }, func(err error) tea.Msg { return sshEnded{err} })
}

func (s *Screen) sshEnded(msg sshEnded) {
	var exit *exec.ExitError
	switch {
	case msg.err == nil:
		s.Note("ssh ended")
	case errors.As(msg.err, &exit):
		s.Note("ssh ended with exit status %d", exit.ExitCode())
	default:
		s.Note("ssh did not start: %v", msg.err)
	}
}

const (
	shortSession = 2 * time.Second // whose output the user had no time to read
	killDelay    = 2 * time.Second // that ssh gets to end after SIGTERM
)

// runSSH runs ssh on the terminal until it ends or ctx, which is cmd's, does. The
// screens would overwrite the output of a session that failed or was short, so after
// those it waits for enter.
func runSSH(ctx context.Context, cmd *exec.Cmd) error {
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
	err := cmd.Run()
	if unknown == nil {
		_ = term.Restore(terminal, mode)
	}
	if ctx.Err() == nil && (err != nil || time.Since(started) < shortSession) {
		end := "ssh ended"
		if err != nil {
			end = err.Error()
		}
		fmt.Printf("\n[%s; press enter to return to the screens] ", end)
		if in, err := cancelreader.NewReader(os.Stdin); err == nil {
			stop := context.AfterFunc(ctx, func() { in.Cancel() })
			_, _ = bufio.NewReader(in).ReadString('\n')
			stop()
			_ = in.Close()
		}
	}
	return err
}
