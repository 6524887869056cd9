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
	"rapport/tui/session"
	"rapport/tui/ui"
)

// Unlocked is the event that a server's secret has been read, or could not be.
type Unlocked struct {
	host   hosts.Host
	secret knock.Secret
	err    error
}

// unlock reads the secrets of servers, one after the other, and does then what is asked
// with each; one that was opened has its secret. A secret_command gets the terminal, since it
// may ask for a passphrase; any other secret is read while the list is shown.
func (s *Screen) unlock(then then, servers ...hosts.Host) tea.Cmd {
	if len(servers) == 0 {
		return nil
	}
	h := servers[0]
	s.then, s.queue = then, servers[1:]
	if server := s.At(h.Name); server != nil && (then == thenKnock || then == thenProbe) {
		return tea.Batch(begin(then, server), s.unlock(then, servers[1:]...))
	}
	ctx := s.Ctx
	s.asked = h
	var secret knock.Secret
	read := func() (err error) {
		secret, err = h.ReadSecret(ctx)
		return err
	}
	done := func(err error) tea.Msg { return Unlocked{h, secret, err} }
	if h.Secret.Source() != hosts.FromCommand {
		return func() tea.Msg { return done(read()) }
	}
	return ui.Exec(func() error {
		fmt.Printf("rapport: reading the secret of %s with its secret_command\n", h.Name)
		return read()
	}, done)
}

// begin does with a server what is asked.
func begin(then then, server Server) tea.Cmd {
	if then == thenProbe {
		return server.Check()
	}
	return server.Handshake()
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
	notice, queue := s.notice, s.queue
	s.step = listing
	s.forget()
	if s.then == thenKnock || s.then == thenProbe {
		return tea.Batch(begin(s.then, s.Find(msg.host, msg.secret)), s.unlock(s.then, queue...))
	}
	cmd := s.Use(msg.host, msg.secret)
	if s.then == thenDiagnose {
		cmd = tea.Batch(cmd, s.Open(session.ToDiagnosis))
	}
	for line := range strings.SplitSeq(notice, "\n") {
		if line != "" {
			s.Note("%s", line)
		}
	}
	return cmd
}
