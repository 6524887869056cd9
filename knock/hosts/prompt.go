package hosts

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"

	"golang.org/x/term"
)

// ErrNoTerminal reports that there is no terminal to prompt on.
var ErrNoTerminal = errors.New("there is no terminal to prompt on")

// Ask prompts for a secret and reads one line from the terminal without echo. It
// opens the terminal by name, since standard input and output may belong to ssh. The
// error is [ErrNoTerminal] if there is none, or the cause of ctx's end.
func Ask(ctx context.Context, prompt string) (string, error) {
	name := "/dev/tty"
	if runtime.GOOS == "windows" {
		name = "CONIN$"
	}
	tty, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return "", ErrNoTerminal
	}
	defer tty.Close()
	fd := int(tty.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", fmt.Errorf("cannot read the secret from the terminal: %w", err)
	}
	out := tty
	if runtime.GOOS == "windows" { // CONIN$ is for reading alone
		if screen, err := os.OpenFile("CONOUT$", os.O_RDWR, 0); err == nil {
			defer screen.Close()
			out = screen
		}
	}
	fmt.Fprint(out, prompt)
	defer fmt.Fprintln(out)
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
