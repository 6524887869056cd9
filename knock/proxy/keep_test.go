package proxy_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"rapport/knock/proxy"
)

// server is what one connection of a test does at the far side.
type server func(t *testing.T, c *net.TCPConn)

const (
	banner = "a line before\r\nSSH-2.0-test\r\n"
	hello  = "SSH-2.0-client\r\n"
)

// resets says the banner, reads what the client says first, and breaks the connection.
func resets(t *testing.T, c *net.TCPConn) {
	_, _ = c.Write([]byte(banner))
	readHello(t, c)
	_ = c.SetLinger(0)
}

// hangs says the banner, and nothing more.
func hangs(t *testing.T, c *net.TCPConn) {
	_, _ = c.Write([]byte(banner))
	_, _ = io.Copy(io.Discard, c)
}

// serves says the banner and its keys, and sends back all that comes after the first line.
func serves(t *testing.T, c *net.TCPConn) {
	_, _ = c.Write([]byte(banner))
	readHello(t, c)
	_, _ = c.Write([]byte("keys\r\n"))
	_, _ = io.Copy(c, c)
}

func readHello(t *testing.T, c net.Conn) {
	got := make([]byte, len(hello))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != hello {
		t.Errorf("the client begins with %q, %v", got, err)
	}
}

// keep carries a client that says hello, then more once it has seen "keys", with one
// server after the other, and returns what the client saw.
func keep(t *testing.T, ctx context.Context, tries int, servers ...server) (seen string, again int, err error) {
	t.Helper()
	connect := func() net.Conn {
		near, far := pair(t)
		run := servers[0]
		if len(servers) > 1 {
			servers = servers[1:]
		}
		go func() {
			run(t, far)
			far.Close()
		}()
		return near
	}
	in, client, _ := os.Pipe()
	defer in.Close()
	defer client.Close()
	out := &watched{want: "keys\r\n", found: func() { _, _ = client.WriteString("login"); client.Close() }}
	_, _ = client.WriteString(hello)
	k := proxy.Keeper{Tries: tries, Silence: 200 * time.Millisecond, Again: func() (net.Conn, error) {
		again++
		return connect(), nil
	}}
	err = k.Carry(ctx, connect(), in, out)
	return out.String(), again, err
}

// watched calls found when want has been written.
type watched struct {
	bytes.Buffer
	want  string
	found func()
}

func (w *watched) Write(b []byte) (int, error) {
	n, err := w.Buffer.Write(b)
	if w.found != nil && strings.Contains(w.String(), w.want) {
		w.found()
		w.found = nil
	}
	return n, err
}

// breaks says the banner and its keys, and breaks the connection.
func breaks(t *testing.T, c *net.TCPConn) {
	_, _ = c.Write([]byte(banner + "keys\r\n"))
	_, _ = io.ReadFull(c, make([]byte, len(hello+"login")))
	_ = c.SetLinger(0)
}

func TestKeep(t *testing.T) {
	says := func(text string) server {
		return func(_ *testing.T, c *net.TCPConn) { _, _ = c.Write([]byte(text)) }
	}
	all := banner + "keys\r\nlogin"
	for _, tt := range []struct {
		name    string
		tries   int
		servers []server
		seen    string
		again   int
		lost    string // part of the error
	}{
		{"nothing happens", 2, []server{serves}, all, 0, ""},
		{"reset, then it works", 2, []server{resets, serves}, all, 1, ""},
		{"silence and a reset, then it works", 2, []server{hangs, resets, serves}, all, 2, ""},
		{"reset once more than it may be", 2, []server{resets}, banner, 2, "lost before the login"},
		{"reset after the keys", 2, []server{breaks, serves}, banner + "keys\r\n", 0, "lost"},
		{"closed in order", 2, []server{func(t *testing.T, c *net.TCPConn) {
			_, _ = c.Write([]byte(banner))
			readHello(t, c)
		}, serves}, banner, 0, ""},
		{"another server", 3, []server{resets, says("SSH-2.0-other\r\n"), serves}, banner, 1, "another banner"},
		{"no try at all", 0, []server{resets, serves}, banner, 0, "lost before the login"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			seen, again, err := keep(t, t.Context(), tt.tries, tt.servers...)
			if seen != tt.seen || again != tt.again {
				t.Errorf("the client saw %q, with %d more connections", seen, again)
			}
			if tt.lost == "" && err != nil || tt.lost != "" && (!errors.Is(err, proxy.ErrLost) || !strings.Contains(err.Error(), tt.lost)) {
				t.Errorf("err = %v", err)
			}
		})
	}
}

func TestKeepEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	errMine := errors.New("mine")
	_, _, err := keep(t, ctx, 2, resets, func(t *testing.T, c *net.TCPConn) {
		_, _ = c.Write([]byte(banner))
		cancel(errMine)
		_, _ = io.Copy(io.Discard, c)
	})
	if !errors.Is(err, errMine) {
		t.Errorf("err = %v", err)
	}
}
