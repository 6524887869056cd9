//go:build unix

package knock_test

import (
	"errors"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

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
	var last *os.File
	for {
		f, err := os.Open(os.DevNull)
		if errors.Is(err, syscall.EMFILE) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		last = f
	}
	last.Close() // for the SYN's socket

	var c knock.Client
	r, err := c.Probe(t.Context(), "h", l.Addr().(*net.TCPAddr).AddrPort(), knock.Options{})
	if !errors.Is(err, knock.ErrSend) || !strings.Contains(err.Error(), "too many files are open") || r.SSH.State != knock.SSHSilent {
		t.Errorf("%v, %+v", err, r.SSH)
	}
}
