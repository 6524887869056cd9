package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"rapport/knock"
	"rapport/knock/hosts"
	"rapport/knock/phrase"
)

// secretVariable is the environment variable that can hold the secret.
const secretVariable = "RAPPORT_SECRET"

// secret returns the secret of h from --secret-file, the hosts file, the environment,
// or a prompt on the terminal, in this order. It is never an argument, which other
// users could read in the process list.
func (f *flags) secret(ctx context.Context, h hosts.Host) (knock.Secret, error) {
	if f.secretFile != "" {
		return hosts.ReadSecretFile(f.secretFile)
	}
	s, err := h.ReadSecret(ctx)
	if !errors.Is(err, hosts.ErrNoSecret) {
		return s, err
	}
	if f.environment != "" {
		return parseEnvironment(f.environment)
	}
	text, err := hosts.Ask(ctx, fmt.Sprintf("secret for %q: ", h.Name))
	switch {
	case errors.Is(err, hosts.ErrNoTerminal) && f.listed:
		return knock.Secret{}, fmt.Errorf("there is no secret for %q: rapport hosts edit %s --secret-file PATH names one, or set %s", h.Name, phrase.ShellWord(h.Name), secretVariable)
	case errors.Is(err, hosts.ErrNoTerminal):
		return knock.Secret{}, fmt.Errorf("there is no secret for %q, which is not in the hosts file: rapport hosts add %s, or give --secret-file PATH, or set %s", h.Name, phrase.ShellWord(h.Name), secretVariable)
	case err != nil:
		return knock.Secret{}, err
	}
	return knock.ParseSecret(text)
}

// takeEnvironment returns the value of RAPPORT_SECRET and removes it from the
// environment: child processes, such as ssh and secret_command, do not need it.
func takeEnvironment() string {
	text := os.Getenv(secretVariable)
	_ = os.Unsetenv(secretVariable)
	return text
}

func parseEnvironment(text string) (knock.Secret, error) {
	s, err := knock.ParseSecret(text)
	if err != nil {
		err = fmt.Errorf("%s: %w", secretVariable, err)
	}
	return s, err
}
