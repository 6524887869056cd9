package hosts

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/term"

	"rapport/knock"
	"rapport/knock/hosts/sshconfig"
	"rapport/knock/phrase"
)

// SecretSource is the kind of place where a secret is stored.
type SecretSource string

// The sources. A secret can be stored InFile and InKeyring.
const (
	NoSecret    SecretSource = "none"
	FromCommand SecretSource = "command"
	InFile      SecretSource = "file"
	InKeyring   SecretSource = "keyring"
	Inline      SecretSource = "inline"
)

// SecretRef says by one of its fields where a secret is. The zero one says nothing.
type SecretRef struct {
	Command []string     // a command, with its arguments, that prints the secret on its first line
	Path    string       // a file; ~/ is the home folder, relative paths start at that of the hosts file
	Keyring bool         // the entry with the host's name in the system's keyring
	Inline  knock.Secret // the secret itself, in the hosts file
}

// Source returns the kind of place, NoSecret for the zero SecretRef.
func (r SecretRef) Source() SecretSource {
	switch {
	case len(r.Command) > 0:
		return FromCommand
	case r.Path != "":
		return InFile
	case r.Keyring:
		return InKeyring
	case !r.Inline.IsZero():
		return Inline
	}
	return NoSecret
}

// Equal reports whether both name the same place, and the same secret if inline.
func (r SecretRef) Equal(o SecretRef) bool {
	return slices.Equal(r.Command, o.Command) && r.Path == o.Path && r.Keyring == o.Keyring && r.Inline == o.Inline
}

// ErrNoSecret says that the hosts file does not say where a host's secret is.
var ErrNoSecret = errors.New("the hosts file does not say where the secret is")

const (
	// secretTimeout bounds how long a command or a keyring, and a passphrase, may take.
	secretTimeout = 60 * time.Second
	// secretGrace is how long a command may run after its interrupt.
	secretGrace = 2 * time.Second
)

// ReadSecret fetches the host's secret from where the hosts file says, and wraps
// ErrNoSecret if it does not say. It fails as [ReadSecretFile] does, or with ctx's cause.
//
// A secret_command runs without a shell, for 60 seconds at most. The first line that it
// prints is the secret: pass(1) has notes in the lines after it. To ask for a passphrase
// it has standard error, and standard input if that is a terminal, never a pipe.
func (h Host) ReadSecret(ctx context.Context) (knock.Secret, error) {
	switch h.Secret.Source() {
	case FromCommand:
		return commandSecret(ctx, h.Secret.Command)
	case InKeyring:
		return readKeyring(ctx, h.Name)
	case InFile:
		path, err := sshconfig.ExpandHome(h.Secret.Path)
		if err != nil {
			return knock.Secret{}, err
		}
		if !filepath.IsAbs(path) {
			path = filepath.Join(h.folder, path)
		}
		return ReadSecretFile(path)
	case Inline:
		return h.Secret.Inline, nil
	}
	return knock.Secret{}, fmt.Errorf("host %s: %w", knock.Quote(h.Name), ErrNoSecret)
}

func commandSecret(ctx context.Context, argv []string) (knock.Secret, error) {
	fail := func(format string, args ...any) (knock.Secret, error) {
		return knock.Secret{}, fmt.Errorf("secret_command %s "+format, append([]any{knock.Quote(argv[0])}, args...)...)
	}
	name, err := sshconfig.ExpandHome(argv[0])
	if err != nil {
		return knock.Secret{}, err
	}
	limited, cancel := context.WithTimeout(ctx, secretTimeout)
	defer cancel()
	cmd := exec.CommandContext(limited, name, argv[1:]...)
	// An interrupt lets it restore the terminal.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = secretGrace
	cmd.Stderr = os.Stderr
	if term.IsTerminal(int(os.Stdin.Fd())) {
		cmd.Stdin = os.Stdin
	}
	var out head
	cmd.Stdout = &out
	err = cmd.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return fail("was stopped: %w", context.Cause(ctx))
	case limited.Err() != nil:
		return fail("took longer than %v; run it by hand to see why", secretTimeout)
	case errors.Is(err, exec.ErrNotFound):
		return fail("is not a program on this machine")
	case errors.As(err, &exit):
		return fail("failed: %s; run it by hand to see why", knock.Excerpt(exit.ProcessState.String()))
	// A child process that keeps running, such as an agent, is no failure.
	case err != nil && !errors.Is(err, exec.ErrWaitDelay):
		return fail("cannot run: %s", knock.Excerpt(plainExec(err).Error()))
	}
	line, _, _ := bytes.Cut(out.text, []byte("\n"))
	line = bytes.TrimSuffix(line, []byte("\r"))
	if len(line) == 0 {
		return fail("printed nothing in its first line, where the secret belongs")
	}
	s, err := knock.ParseSecret(string(line))
	if err != nil {
		return fail("printed no valid secret: %w", err)
	}
	return s, nil
}

// plainExec removes the command's name from an error.
func plainExec(err error) error {
	if ee, ok := errors.AsType[*exec.Error](err); ok {
		return ee.Err
	}
	return phrase.WithoutPath(err)
}

// maxOutput is how much of a command's output is read, in bytes.
const maxOutput = 4096

// head stores the start of what is written to it, and discards the rest.
type head struct{ text []byte }

func (h *head) Write(b []byte) (int, error) {
	h.text = append(h.text, b[:min(len(b), maxOutput-len(h.text))]...)
	return len(b), nil
}

// ErrNoTerminal reports that there is no terminal to prompt on.
var ErrNoTerminal = errors.New("there is no terminal to prompt on")

// outcome is what a function returned.
type outcome[T any] struct {
	value T
	err   error
}

// async runs a function that takes no context, and sends what it returns.
func async[T any](do func() (T, error)) <-chan outcome[T] {
	done := make(chan outcome[T], 1)
	go func() {
		value, err := do()
		done <- outcome[T]{value, err}
	}()
	return done
}
