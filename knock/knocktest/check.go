package knocktest

import (
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

// Patience is how long a test waits for what must happen.
const Patience = 20 * time.Second

// Eventually waits until done, and fails the test where it never is.
func Eventually(t testing.TB, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(Patience); !done(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", Patience, what)
		}
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
