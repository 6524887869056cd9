package knocktest

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"rapport/knock"
)

// Patience bounds every wait of a test and of this package. Only a fault lets a wait
// reach it, so it is far longer than a busy machine needs.
const Patience = 30 * time.Second

// Eventually waits until done, and fails the test after Patience. It asks less often the
// longer it has waited: many a question starts programs.
func Eventually(t testing.TB, what string, done func() bool) {
	t.Helper()
	for start := time.Now(); !done(); {
		waited := time.Since(start)
		if waited > Patience {
			t.Fatalf("not within %v: %s", Patience, what)
		}
		time.Sleep(min(max(2*time.Millisecond, waited/10), 100*time.Millisecond))
	}
}

// Printable fails the test if a text, which may have several lines, holds what a
// terminal would act on.
func Printable(t testing.TB, s string) {
	t.Helper()
	if !utf8.ValidString(s) || strings.ContainsFunc(s, func(c rune) bool { return !unicode.IsPrint(c) && c != '\n' && c != '\t' }) {
		t.Errorf("%q does not print", s)
	}
}

// OneLine fails the test unless err is a line that a terminal can show, without the
// secret of the tests, f00b4r.
func OneLine(t testing.TB, err error) {
	t.Helper()
	if err == nil {
		return
	}
	text := err.Error()
	for _, c := range text {
		if c < ' ' || c == 0x7f || c >= 0x80 && c < 0xa0 || c == '\u202e' {
			t.Errorf("an error holds %U: %q", c, text)
		}
	}
	if strings.Contains(text, "f00b4r") {
		t.Errorf("an error shows the secret: %s", text)
	}
	if len(text) > 6000 {
		t.Errorf("an error has %d bytes", len(text))
	}
}

// WriteFile writes a file, and makes the folder for it.
func WriteFile(t testing.TB, path, text string, mode os.FileMode) {
	t.Helper()
	err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), mode), os.Chmod(path, mode))
	if err != nil {
		t.Fatal(err)
	}
}

// NewSecret returns the secret with a valid text.
func NewSecret(t testing.TB, text string) knock.Secret {
	t.Helper()
	s, err := knock.ParseSecret(text)
	return valid(t, s, err)
}

// NewRange returns the range from bottom to top.
func NewRange(t testing.TB, bottom, top int) knock.Range {
	t.Helper()
	r, err := knock.NewRange(bottom, top)
	return valid(t, r, err)
}

func valid[T any](t testing.TB, v T, err error) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// ClientAt returns a client whose clock starts at t.
func ClientAt(t time.Time) *knock.Client {
	started := time.Now()
	return &knock.Client{Clock: func() time.Time { return t.Add(time.Since(started)) }}
}

// Target is the server as a client is configured for it, without the server's
// faults.
func (s *Server) Target(t testing.TB, addr netip.Addr) knock.Target {
	t.Helper()
	return knock.Target{Host: "server", Addr: s.SSHAddr(addr), Range: knock.DefaultRange, Secret: NewSecret(t, DefaultSecret), Window: s.Window}
}
