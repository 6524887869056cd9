package knocktest

import (
	"net/netip"
	"testing"
	"time"

	"rapport/knock"
)

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

// ParseRange returns the range of a valid text.
func ParseRange(t testing.TB, text string) knock.Range {
	t.Helper()
	r, err := knock.ParseRange(text)
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
