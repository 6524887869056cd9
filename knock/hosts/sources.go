package hosts

import (
	"context"
	"errors"
	"fmt"

	"rapport/knock"
	"rapport/knock/phrase"
)

// SecretVariable is the environment variable that can hold the secret.
const SecretVariable = "RAPPORT_SECRET"

// Sources are where a secret may come from besides the hosts file. It is never an
// argument, which other users could read in the process list.
type Sources struct {
	File        string // of --secret-file: the secret of every host; empty for none
	Environment string // the value of SecretVariable; empty for none
	Near        string // the listed name that the host may be a misspelling of; empty for none
}

// Read returns the secret of h from s.File, the hosts file, s.Environment or a prompt.
// listed says that h is in the hosts file, which an error then names.
func (s Sources) Read(ctx context.Context, h Host, listed bool) (knock.Secret, error) {
	if s.File != "" {
		return ReadSecretFile(s.File)
	}
	secret, err := h.ReadSecret(ctx)
	if !errors.Is(err, ErrNoSecret) {
		return secret, err
	}
	return s.ReadMissing(ctx, h, listed)
}

// ReadMissing returns the secret of a host that has none of its own: from s.Environment or
// a prompt.
func (s Sources) ReadMissing(ctx context.Context, h Host, listed bool) (knock.Secret, error) {
	if s.Environment != "" {
		return s.ParseEnvironment()
	}
	doubt, prompt := "", fmt.Sprintf("secret for %q: ", h.Name)
	if s.Near != "" {
		doubt = fmt.Sprintf(" (did you mean %s?)", s.Near)
		prompt = fmt.Sprintf("%q is not in the hosts file%s\n%s", h.Name, doubt, prompt)
	}
	text, err := Ask(ctx, prompt)
	switch {
	case errors.Is(err, ErrNoTerminal) && listed:
		return knock.Secret{}, fmt.Errorf("there is no secret for %q: rapport hosts edit %s --secret-file PATH names one, or set %s", h.Name, phrase.ShellWord(h.Name), SecretVariable)
	case errors.Is(err, ErrNoTerminal):
		return knock.Secret{}, fmt.Errorf("there is no secret for %q, which is not in the hosts file%s: rapport hosts add %s, or give --secret-file PATH, or set %s", h.Name, doubt, phrase.ShellWord(h.Name), SecretVariable)
	case err != nil:
		return knock.Secret{}, err
	}
	return knock.ParseSecret(text)
}

// ParseEnvironment returns the secret of s.Environment.
func (s Sources) ParseEnvironment() (knock.Secret, error) {
	secret, err := knock.ParseSecret(s.Environment)
	if err != nil {
		err = fmt.Errorf("%s: %w", SecretVariable, err)
	}
	return secret, err
}
