package hosts

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"golang.org/x/term"
)

// HasTerminal reports whether there is a terminal that Ask, or a secret_command, can
// prompt on.
func HasTerminal() bool {
	tty, err := openTerminal()
	if err == nil {
		tty.Close()
	}
	return err == nil
}

func openTerminal() (*os.File, error) {
	name := "/dev/tty"
	if runtime.GOOS == "windows" {
		name = "CONIN$"
	}
	return os.OpenFile(name, os.O_RDWR, 0)
}

// Ask prompts for a secret, on the terminal without echo, whatever standard input is. It
// returns [ErrNoTerminal] if there is none, or the cause of ctx's end.
func Ask(ctx context.Context, prompt string) (string, error) {
	return ask(ctx, prompt, false)
}

// AskLine prompts on the terminal for a line that is no secret, and shows what is typed.
// It returns as Ask does.
func AskLine(ctx context.Context, prompt string) (string, error) {
	return ask(ctx, prompt, true)
}

func ask(ctx context.Context, prompt string, shown bool) (string, error) {
	tty, err := openTerminal()
	if err != nil {
		return "", ErrNoTerminal
	}
	defer tty.Close()
	fd := int(tty.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", fmt.Errorf("cannot read from the terminal: %w", err)
	}
	out := tty
	if runtime.GOOS == "windows" { // CONIN$ is for reading alone
		if screen, err := os.OpenFile("CONOUT$", os.O_RDWR, 0); err == nil {
			defer screen.Close()
			out = screen
		}
	}
	fmt.Fprint(out, prompt)
	if shown {
		return answered(ctx, async(func() ([]byte, error) { return readLine(tty) }))
	}
	defer fmt.Fprintln(out)
	read := async(func() ([]byte, error) { return term.ReadPassword(fd) })
	text, err := answered(ctx, read)
	if ctx.Err() != nil {
		// Wait until ReadPassword has turned echo off, or it would do so afterwards.
		for range 200 {
			if now, err := term.GetState(fd); err != nil || *now != *before {
				break
			}
			time.Sleep(time.Millisecond)
		}
		_ = term.Restore(fd, before)
	}
	return text, err
}

// answered waits for a line of the terminal, or for the end of ctx.
func answered(ctx context.Context, read <-chan outcome[[]byte]) (string, error) {
	select {
	case <-ctx.Done():
		return "", context.Cause(ctx)
	case l := <-read:
		if l.err != nil {
			return "", fmt.Errorf("cannot read from the terminal: %w", l.err)
		}
		return string(l.value), nil
	}
}

// readLine reads one line of at most 1,024 bytes, without its end.
func readLine(r io.Reader) ([]byte, error) {
	line, err := bufio.NewReader(io.LimitReader(r, 1024)).ReadBytes('\n')
	return bytes.TrimRight(line, "\r\n"), err
}
