package knocktest

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// Script is a script that makes the server's rules, as rapport prints it, with its
// files. The script sees a clock that stands still: at first at the time of the
// server's rules, see [Script.SetClock].
type Script struct {
	Dir   string   // its folder, also for other files that it needs
	Shell []string // what runs it, at first "sh"

	server *Server
}

// NewScript makes the folder of a script on the server, with the server's secret
// in it. [Script.Install] writes the script itself. On a server made with
// NoGate all rules of SSH are the script's.
func (s *Server) NewScript(t testing.TB) *Script {
	t.Helper()
	c := &Script{Dir: t.TempDir(), Shell: []string{"sh"}, server: s}
	c.Write(t, "secret", s.Secret.Reveal()+"\n", 0o600)
	c.Write(t, "bin/date", "#!/bin/sh\nexec /bin/date -d \"@$(cat '"+c.Dir+"/at')\" \"$@\"\n", 0o700)
	c.SetClock(t, s.at)
	return c
}

// SecretPath is the script's file with the secret, which only root may read.
func (c *Script) SecretPath() string { return filepath.Join(c.Dir, "secret") }

// Install writes the script, in place of an earlier one. The folder's bin is first
// on its PATH, and the folder replaces its /run.
func (c *Script) Install(t testing.TB, text string) {
	t.Helper()
	for _, change := range [][2]string{{"\nPATH=", "\nPATH='" + c.Dir + "/bin':"}, {"\nrun=/run/", "\nrun='" + c.Dir + "/run'/"}} {
		if strings.Count(text, change[0]) != 1 {
			t.Fatalf("the script has not one line %q", change[0])
		}
		text = strings.Replace(text, change[0], change[1], 1)
	}
	c.Write(t, "gate", text, 0o700)
}

// Write writes a file of the script's folder.
func (c *Script) Write(t testing.TB, name, text string, mode os.FileMode) {
	t.Helper()
	WriteFile(t, filepath.Join(c.Dir, name), text, mode)
}

// SetClock sets the clock that the script reads.
func (c *Script) SetClock(t testing.TB, to time.Time) {
	t.Helper()
	c.Write(t, "at", fmt.Sprint(to.Unix()), 0o600)
}

// Try runs the script on the server with an action such as setup, and returns its
// standard output and standard error.
func (c *Script) Try(action ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	args := slices.Concat(c.Shell[1:], []string{filepath.Join(c.Dir, "gate")}, action)
	cmd := c.server.Command(ctx, c.Shell[0], args...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// Run is Try for an action that must succeed.
func (c *Script) Run(t testing.TB, action ...string) string {
	t.Helper()
	out, err := c.Try(action...)
	if err != nil {
		t.Fatalf("%v: %v\n%s", action, err, out)
	}
	return out
}

// NewAddress gives the test process one more address on the link to the server at
// a, for sockets that are bound to it. For the gate it is one more client, made
// faster than with [NewClient].
func (s *Server) NewAddress(t testing.TB, a netip.Addr) netip.Addr {
	t.Helper()
	// Hosts use the lowest addresses.
	k := 254 - s.extra
	s.extra++
	if k <= s.link.last {
		t.Fatal("the link has no address left")
	}
	addr, args := s.link.addr4(k), []string{"addr", "add", s.link.addr4(k).String() + "/24", "dev", s.link.name}
	if a.Is6() {
		addr = s.link.addr6(k)
		// Only for sockets that are bound to it.
		args = []string{"addr", "add", addr.String() + "/64", "dev", s.link.name, "nodad", "preferred_lft", "0"}
	}
	ip(t, args...)
	return addr
}

// MoveClient gives the test process one more address, from which it then sends to
// the server at a, unless a socket is bound to another. For the gate it is a new
// client.
func (s *Server) MoveClient(t testing.TB, a netip.Addr) netip.Addr {
	t.Helper()
	addr, bits, metric := s.NewAddress(t, a), 24, "0"
	if a.Is6() {
		bits, metric = 64, "1" // before the kernel's own route
	}
	subnet := netip.PrefixFrom(addr, bits).Masked().String()
	ip(t, "route", "replace", subnet, "dev", s.link.name, "src", addr.String(), "metric", metric)
	return addr
}
