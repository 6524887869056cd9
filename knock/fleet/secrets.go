package fleet

import (
	"context"
	"errors"
	"sync"

	"rapport/knock"
	"rapport/knock/hosts"
)

// maxCommands is how many secret commands, or questions to the keyring, run at a time.
const maxCommands = 4

// Secrets says where the secrets of many servers come from. Of all that may use the
// terminal, one does at a time: a prompt, and a secret_command that runs with the terminal.
//
// Each command runs once. Where there is a terminal any of them may ask, and nothing shows
// beforehand which will: they run one after the other. Without one up to four run at a time.
type Secrets struct {
	File string // the secret of all hosts; empty for none
	// Ask returns the secret of a host that has none; it may use the terminal.
	Ask func(context.Context, hosts.Host) (knock.Secret, error)

	once     sync.Once
	terminal bool
	file     func() (knock.Secret, error)
	slots    chan struct{} // one for each command that runs
	alone    sync.Mutex    // held by who waits for all slots, or has them
}

func (s *Secrets) prepare() {
	s.terminal = hosts.HasTerminal()
	s.slots = make(chan struct{}, maxCommands)
	s.file = sync.OnceValues(func() (knock.Secret, error) { return hosts.ReadSecretFile(s.File) })
}

// read returns the secret of h: of the file, of the hosts file, or asked for.
func (s *Secrets) read(ctx context.Context, h hosts.Host) (knock.Secret, error) {
	s.once.Do(s.prepare)
	if s.File != "" {
		return s.file()
	}
	secret, err := s.stored(ctx, h)
	if !errors.Is(err, hosts.ErrNoSecret) {
		return secret, err
	}
	return s.exclusively(ctx, h, s.Ask)
}

// stored reads a secret from where the hosts file says it is.
func (s *Secrets) stored(ctx context.Context, h hosts.Host) (knock.Secret, error) {
	switch h.Secret.Source() {
	case hosts.FromCommand:
	case hosts.InKeyring:
		return s.beside(ctx, h, hosts.Host.ReadSecret)
	default:
		return h.ReadSecret(ctx)
	}
	if s.terminal {
		return s.exclusively(ctx, h, func(ctx context.Context, h hosts.Host) (knock.Secret, error) { return h.ReadSecret(ctx) })
	}
	return s.beside(ctx, h, hosts.Host.ReadSecret)
}

// beside runs read beside at most three others.
func (s *Secrets) beside(ctx context.Context, h hosts.Host, read func(hosts.Host, context.Context) (knock.Secret, error)) (knock.Secret, error) {
	s.slots <- struct{}{}
	defer func() { <-s.slots }()
	if ctx.Err() != nil {
		return knock.Secret{}, context.Cause(ctx)
	}
	return read(h, ctx)
}

// exclusively runs read while nothing else reads a secret.
func (s *Secrets) exclusively(ctx context.Context, h hosts.Host, read func(context.Context, hosts.Host) (knock.Secret, error)) (knock.Secret, error) {
	s.alone.Lock()
	defer s.alone.Unlock()
	for range maxCommands {
		s.slots <- struct{}{}
		defer func() { <-s.slots }()
	}
	if ctx.Err() != nil {
		return knock.Secret{}, context.Cause(ctx)
	}
	return read(ctx, h)
}
