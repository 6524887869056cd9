package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"

	"golang.org/x/term"

	"rapport/knock"
	"rapport/knock/hosts"
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
	text, err := ask(ctx, fmt.Sprintf("secret for %q: ", h.Name))
	switch {
	case errors.Is(err, errNoTerminal) && f.listed:
		return knock.Secret{}, fmt.Errorf("there is no secret for %q: rapport hosts edit %s --secret-file PATH names one, or set %s", h.Name, shellWord(h.Name), secretVariable)
	case errors.Is(err, errNoTerminal):
		return knock.Secret{}, fmt.Errorf("there is no secret for %q, which is not in the hosts file: rapport hosts add %s, or give --secret-file PATH, or set %s", h.Name, shellWord(h.Name), secretVariable)
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

// errNoTerminal reports that there is no terminal to prompt on.
var errNoTerminal = errors.New("there is no terminal to prompt on")

// ask reads a line from the terminal without echo, until ctx ends. It opens the
// terminal by name, since standard input and output may belong to ssh.
func ask(ctx context.Context, prompt string) (string, error) {
	name := "/dev/tty"
	if runtime.GOOS == "windows" {
		name = "CONIN$"
	}
	tty, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return "", errNoTerminal
	}
	defer tty.Close()
	fd := int(tty.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", fmt.Errorf("cannot read the secret from the terminal: %w", err)
	}
	fmt.Fprint(tty, prompt)
	defer fmt.Fprintln(tty)
	type line struct {
		text []byte
		err  error
	}
	read := make(chan line, 1)
	go func() {
		text, err := term.ReadPassword(fd)
		read <- line{text, err}
	}()
	select {
	case <-ctx.Done():
		// Wait until ReadPassword has turned echo off, or it would do so afterwards.
		for range 200 {
			if now, err := term.GetState(fd); err != nil || *now != *before {
				break
			}
			time.Sleep(time.Millisecond)
		}
		_ = term.Restore(fd, before)
		return "", context.Cause(ctx)
	case l := <-read:
		if l.err != nil {
			return "", fmt.Errorf("cannot read the secret from the terminal: %w", l.err)
		}
		return string(l.text), nil
	}
}
