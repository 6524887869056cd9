package hostlist

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/charmbracelet/bubbles/textinput"
	tea "github.com/charmbracelet/bubbletea"

	"rapport/knock"
	"rapport/knock/hosts"
	"rapport/tui/ui"
)

// Unlocked is a server whose secret has been read.
type Unlocked struct {
	host   hosts.Host
	secret knock.Secret
	err    error
}

// reading is what the list says while a secret is being read.
func reading(h hosts.Host) string { return "reading the secret of " + h.Name + "; esc gives up" }

// unlock reads the secret of a server. A command that prints it may ask for a
// passphrase, so it gets the terminal; everything else is read beside the screen.
func (s *Screen) unlock(h hosts.Host) tea.Cmd {
	ctx := s.Ctx
	s.asked = h
	if len(h.SecretCommand) > 0 {
		var secret knock.Secret
		run := ui.ExecFunc(func() (err error) {
			fmt.Printf("rapport: reading the secret of %s with its secret_command\n", h.Name)
			secret, err = h.ReadSecret(ctx)
			return err
		})
		return tea.Exec(run, func(err error) tea.Msg { return Unlocked{h, secret, err} })
	}
	if s.notice == "" {
		s.notice = reading(h)
	}
	return func() tea.Msg {
		secret, err := h.ReadSecret(ctx)
		return Unlocked{h, secret, err}
	}
}

// typedSecret takes the secret that was typed.
func (s *Screen) typedSecret() tea.Cmd {
	secret, err := knock.ParseSecret(strings.TrimSpace(s.input.Value()))
	if err != nil {
		s.failure = err.Error()
		return nil
	}
	return s.unlocked(Unlocked{s.asked, secret, nil})
}

// unlocked turns the screens to a server whose secret has been read.
func (s *Screen) unlocked(msg Unlocked) tea.Cmd {
	if s.step != listing && s.step != unlocking || s.asked.Name != msg.host.Name {
		return nil // the user has gone elsewhere
	}
	if s.notice == reading(msg.host) {
		s.notice = ""
	}
	switch {
	case errors.Is(msg.err, hosts.ErrNoSecret):
		s.ask(unlocking, ui.NewSecretInput(50, 4096))
		return textinput.Blink
	case errors.Is(msg.err, context.Canceled):
		return nil
	case msg.err != nil:
		s.step, s.failure = listing, msg.err.Error()
		return nil
	}
	notice := s.notice
	s.step, s.failure, s.notice, s.asked = listing, "", "", hosts.Host{}
	cmd := s.Use(msg.host, msg.secret)
	if notice != "" {
		s.Note("%s", notice)
	}
	return cmd
}
