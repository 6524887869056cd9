package diag_test

import (
	"flag"
	"net/netip"
	"testing"
	"time"

	"rapport/knock"
	"rapport/knock/knocktest"
)

// In a namespace of the tests' own no other program has the usual ports, and
// ICMP is allowed.
func TestMain(m *testing.M) {
	// Most of a diagnosis is waiting: for silence, and for windows to end. Fuzzing
	// waits for nothing.
	flag.Parse()
	if flag.Lookup("test.fuzz").Value.String() == "" {
		_ = flag.Set("test.parallel", "8")
	}
	knocktest.Main(m)
}

// morning is the time by this machine's clock in these tests, well away from the
// turn of the hour.
var morning = time.Date(2026, 11, 22, 8, 30, 0, 0, time.UTC)

// clientAt returns a client whose clock starts at t.
func clientAt(t time.Time) *knock.Client {
	started := time.Now()
	return &knock.Client{Clock: func() time.Time { return t.Add(time.Since(started)) }}
}

// targetOf is a server as its client has it, who knows nothing of what is wrong.
func targetOf(t testing.TB, s *knocktest.Server, addr netip.Addr) knock.Target {
	t.Helper()
	secret, err := knock.ParseSecret(knocktest.DefaultSecret)
	if err != nil {
		t.Fatal(err)
	}
	return knock.Target{Host: "server", Addr: s.SSHAddr(addr), Range: knock.DefaultRange, Secret: secret, Window: s.Window}
}

func mustRange(t testing.TB, s string) knock.Range {
	t.Helper()
	r, err := knock.ParseRange(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
