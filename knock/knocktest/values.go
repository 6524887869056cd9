package knocktest

import (
	"testing"

	"rapport/knock"
)

// NewSecret returns the secret of a text that is one.
func NewSecret(t testing.TB, text string) knock.Secret {
	t.Helper()
	s, err := knock.ParseSecret(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// NewRange returns the range of two ports that make one.
func NewRange(t testing.TB, bottom, top int) knock.Range {
	t.Helper()
	r, err := knock.NewRange(bottom, top)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
