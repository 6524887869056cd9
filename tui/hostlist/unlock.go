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

// Unlocked is the event that a server's secret has been read, or could not be.
type Unlocked struct {
	host   hosts.Host
	secret knock.Secret
	err    error
}

// unlock reads the secret of a server. A secret_command gets the terminal, since it
// may ask for a passphrase; any other secret is read while the list is shown.
func (s *Screen) unlock(h hosts.Host) tea.Cmd {
	ctx := s.Ctx
	s.asked = h
	if h.Secret.Source() == hosts.FromCommand {
		var secret knock.Secret
		run := func() (err error) {
			fmt.Printf("rapport: reading the secret of %s with its secret_command\n", h.Name)
			secret, err = h.ReadSecret(ctx)
			return err
		}
		return ui.Exec(run, func(err error) tea.Msg { return Unlocked{h, secret, err} })
	}
	return func() tea.Msg {
		secret, err := h.ReadSecret(ctx)
		return Unlocked{h, secret, err}
	}
}

// typedSecret opens the server with the secret that was typed.
func (s *Screen) typedSecret() tea.Cmd {
	secret, err := knock.ParseSecret(strings.TrimSpace(s.input.Value()))
	if err != nil {
		s.failure = err.Error()
		return nil
	}
	return s.unlocked(Unlocked{s.asked, secret, nil})
}

// unlocked opens a server whose secret has been read, or asks for the secret.
func (s *Screen) unlocked(msg Unlocked) tea.Cmd {
	if s.step != listing && s.step != unlocking || s.asked.Name != msg.host.Name {
		return nil // the user has left that server
	}
	switch {
	case errors.Is(msg.err, hosts.ErrNoSecret):
		s.ask(unlocking, ui.NewSecretInput(50, 4096))
		return textinput.Blink
	case errors.Is(msg.err, context.Canceled):
		s.asked = hosts.Host{}
		return nil
	case msg.err != nil:
		s.step, s.failure, s.asked = listing, msg.err.Error(), hosts.Host{}
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
