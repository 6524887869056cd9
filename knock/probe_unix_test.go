//go:build unix

package knock_test

import (
	"errors"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"rapport/knock"
)

// Where this machine has no descriptor left for the connection, a probe says so.
// Not parallel: no other test may need a descriptor meanwhile.
func TestProbeReportsErrorsOfThisMachine(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // the kernel accepts
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	few := limit
	few.Cur = 64
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &few); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit) }()
	var c knock.Client
	var r knock.ProbeReport
	for range 20 { // what an earlier test left may give a descriptor back meanwhile
		exhaust(t)
		if r, err = c.Probe(t.Context(), "h", l.Addr().(*net.TCPAddr).AddrPort(), knock.Options{Timeout: time.Second}); err != nil {
			break
		}
	}
	if !errors.Is(err, knock.ErrSend) || !strings.Contains(err.Error(), "too many files are open") || r.SSH.State != knock.SSHSilent {
		t.Errorf("%v, %+v", err, r.SSH)
	}
}

// exhaust opens files until only one descriptor is left, for the SYN's socket.
func exhaust(t *testing.T) {
	t.Helper()
	var last *os.File
	for {
		f, err := os.Open(os.DevNull)
		if errors.Is(err, syscall.EMFILE) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		last = f
	}
	if last != nil {
		_ = last.Close()
	}
}
