package tui

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

// unlocked is a server whose secret has been read.
type unlocked struct {
	host   hosts.Host
	secret knock.Secret
	err    error
}

// reading is what the list says while a secret is being read.
func reading(h hosts.Host) string { return "reading the secret of " + h.Name + "; esc gives up" }

// unlock reads the secret of a server. A command that prints it may ask for a
// passphrase, so it gets the terminal; everything else is read beside the screen.
func (s *hostsScreen) unlock(h hosts.Host) tea.Cmd {
	ctx := s.ctx
	s.asked = h
	if len(h.SecretCommand) > 0 {
		var secret knock.Secret
		run := ui.ExecFunc(func() (err error) {
			fmt.Printf("rapport: reading the secret of %s with its secret_command\n", h.Name)
			secret, err = h.ReadSecret(ctx)
			return err
		})
		return tea.Exec(run, func(err error) tea.Msg { return unlocked{h, secret, err} })
	}
	if s.notice == "" {
		s.notice = reading(h)
	}
	return func() tea.Msg {
		secret, err := h.ReadSecret(ctx)
		return unlocked{h, secret, err}
	}
}

// typedSecret takes the secret that was typed.
func (s *hostsScreen) typedSecret() tea.Cmd {
	secret, err := knock.ParseSecret(strings.TrimSpace(s.input.Value()))
	if err != nil {
		s.failure = err.Error()
		return nil
	}
	return s.unlocked(unlocked{s.asked, secret, nil})
}

// unlocked turns the screens to a server whose secret has been read.
func (s *hostsScreen) unlocked(msg unlocked) tea.Cmd {
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
	cmd := s.use(msg.host, msg.secret)
	if notice != "" {
		s.note("%s", notice)
	}
	return cmd
}
