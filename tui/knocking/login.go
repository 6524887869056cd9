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

	"rapport/tui/ui"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/term"
	"github.com/muesli/cancelreader"
)

// sshEnded says that ssh has ended and the terminal is free.
type sshEnded struct{ err error }

// ssh runs ssh through the gate on the terminal.
func (s *Screen) ssh() tea.Cmd {
	if s.Wire.Busy() {
		s.Note("a handshake is under way; press s again when it has ended")
		return nil
	}
	cmd, err := s.Config.SSH(s.Host, s.Target.Secret)
	if err != nil {
		s.Note("%v", err)
		return nil
	}
	s.Note("ssh is running in this terminal")
	ctx := s.Ctx
	return ui.Exec(func() error { return runSSH(ctx, cmd) }, func(err error) tea.Msg { return sshEnded{err} })
}

// sshEnded notes how ssh ended.
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

// shortSession is how short a session is whose output the user had no time to read.
const shortSession = 2 * time.Second

// runSSH runs ssh on the terminal until it ends or ctx does. The screens would
// overwrite the output of a session that failed or was short, so after those it
// waits for enter.
func runSSH(ctx context.Context, cmd *exec.Cmd) error {
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	started := time.Now()
	err := runUntil(ctx, cmd)
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

// killDelay is how long ssh gets to end after SIGTERM.
const killDelay = 2 * time.Second

// runUntil runs cmd until it ends or ctx does, and restores the terminal's mode.
func runUntil(ctx context.Context, cmd *exec.Cmd) error {
	if before, err := term.GetState(os.Stdin.Fd()); err == nil {
		defer func() { _ = term.Restore(os.Stdin.Fd(), before) }()
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	over := make(chan error, 1)
	go func() { over <- cmd.Wait() }()
	select {
	case err := <-over:
		return err
	case <-ctx.Done():
	}
	if cmd.Process.Signal(syscall.SIGTERM) != nil { // Windows has none
		_ = cmd.Process.Kill()
	}
	select {
	case err := <-over:
		return err
	case <-time.After(killDelay):
		_ = cmd.Process.Kill()
		return <-over
	}
}
