package demo_test

import (
	"context"
	"io"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"rapport/knock"
	"rapport/knock/demo"
	"rapport/knock/knocktest"
)

// at is the time by the clocks of these tests.
var at = time.Date(2026, 11, 22, 8, 30, 0, 0, time.UTC)

// server is a stand-in under test, and what it told.
type server struct {
	*demo.StandIn
	t      *testing.T
	config demo.Config

	mu     sync.Mutex
	events []demo.Event
}

// start starts a stand-in that is closed at the test's end, with no goroutine
// left behind by then.
func start(t *testing.T, c demo.Config) *server {
	t.Helper()
	t.Cleanup(func() { noGoroutines(t) }) // after the Close that launch adds
	return launch(t, c)
}

// launch is start for a second stand-in of a test.
func launch(t *testing.T, c demo.Config) *server {
	t.Helper()
	s := &server{t: t}
	c.Secret = secret(t)
	c.OnEvent = func(e demo.Event) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.events = append(s.events, e)
	}
	if c.Clock == nil {
		at := time.Now() // no test is about the hour change
		c.Clock = func() time.Time { return at }
	}
	s.config = c
	var err error
	if s.StandIn, err = demo.Start(context.Background(), c); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			for _, e := range s.events {
				t.Log(e.Time.Format("15:04:05.000"), e)
			}
		}
	})
	return s
}

// goroutines returns the stacks of those that run in this package's code or in
// the SSH library's, apart from the test.
func goroutines() []string {
	buf := make([]byte, 1<<20)
	return slices.DeleteFunc(strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n"), func(g string) bool {
		return strings.Contains(g, "testing.tRunner") ||
			!strings.Contains(g, "rapport/knock/demo.") && !strings.Contains(g, "crypto/ssh.")
	})
}

// noGoroutines waits until none is left.
func noGoroutines(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(knocktest.Patience); len(goroutines()) > 0; time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("goroutines stay:\n%s", strings.Join(goroutines(), "\n\n"))
		}
	}
}

// has waits for an event that fits.
func (s *server) has(what string, fits func(demo.Event) bool) {
	s.t.Helper()
	knocktest.Eventually(s.t, what, func() bool { return s.count(fits) > 0 })
}

func (s *server) count(fits func(demo.Event) bool) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.events {
		if fits(e) {
			n++
		}
	}
	return n
}

func kind(k demo.EventKind) func(demo.Event) bool {
	return func(e demo.Event) bool { return e.Kind == k }
}

// ports returns the sequence of the client's hour, off hours later.
func (s *server) ports(off int) [knock.Knocks]uint16 {
	return knock.Derive(knock.HourOf(s.config.Clock()).Add(off), s.Range, s.config.Secret).Ports()
}

// knock knocks as a client does: it opens a connection to each port and takes
// whatever comes.
func (s *server) knock(gap time.Duration, ports ...uint16) {
	s.t.Helper()
	for i, port := range ports {
		if i > 0 {
			time.Sleep(gap)
		}
		c, err := dial(netip.AddrPortFrom(s.SSHAddr.Addr(), port))
		if err == nil {
			defer c.Close()
		}
	}
}

func dial(to netip.AddrPort) (net.Conn, error) {
	return net.DialTimeout("tcp", to.String(), knocktest.Patience)
}

// handshake knocks with the gaps of a client's attempts and returns the
// connection to the SSH port; it fails if none of them opened.
func (s *server) handshake(ports [knock.Knocks]uint16) net.Conn {
	s.t.Helper()
	for _, gap := range []time.Duration{1, 50, 100} {
		s.knock(gap*time.Millisecond, ports[:]...)
		for range 50 {
			if c, err := dial(s.SSHAddr); err == nil {
				s.t.Cleanup(func() { c.Close() })
				_ = c.SetDeadline(time.Now().Add(knocktest.Patience))
				return c
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	s.t.Fatalf("%v does not open", ports)
	return nil
}

// refuses reports that the SSH port does, now.
func (s *server) refuses() bool {
	c, err := dial(s.SSHAddr)
	if err == nil {
		c.Close()
	}
	return err != nil
}

// mustRefuse fails unless SSH is shut and stays so until knocks that are still
// on their way must have been handled.
func (s *server) mustRefuse(why string) {
	s.t.Helper()
	for range 10 {
		if !s.refuses() {
			s.t.Fatalf("ssh is open %s", why)
		}
		time.Sleep(5 * time.Millisecond)
	}
	if n := s.count(kind(demo.Opened)); n > 0 {
		s.t.Fatalf("the gate opened %s", why)
	}
}

// read returns what the connection says until its end.
func read(t *testing.T, c net.Conn) string {
	t.Helper()
	b, err := io.ReadAll(c)
	if err != nil {
		t.Errorf("after %q: %v", b, err)
	}
	return string(b)
}

// freeRange returns a range of that many ports, all free.
func freeRange(t *testing.T, size int) knock.Range {
	t.Helper()
	for bottom := 24001; bottom < 32000; bottom += 7 * size {
		if r, err := knock.NewRange(bottom, bottom+size-1); err == nil && allFree(r) {
			return r
		}
	}
	t.Fatal("no free range")
	return knock.Range{}
}

func allFree(r knock.Range) bool {
	for port := r.Bottom(); port <= r.Top(); port++ {
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			return false
		}
		l.Close()
	}
	return true
}
