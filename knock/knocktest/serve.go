package knocktest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"testing"
)

// listen opens a TCP port of the host, on all addresses of both families, for
// the test process to accept. Port 0 is any.
func (h *Host) listen(t testing.TB, port int) (l net.Listener) {
	t.Helper()
	open := func() error {
		return h.enter(func() (err error) {
			l, err = net.Listen("tcp", fmt.Sprintf("[::]:%d", port))
			return err
		})
	}
	// A process that another test is starting has copies of all sockets until exec,
	// also of a listener that was closed in the meantime.
	Eventually(t, fmt.Sprintf("port %d is free", port), func() bool {
		err := open()
		if err != nil && !errors.Is(err, syscall.EADDRINUSE) {
			t.Fatal(err)
		}
		return err == nil
	})
	return l
}

// Listen calls handle for every connection to an address of this machine, as net.Listen takes it,
// until the test ends, and returns that address with its port.
func Listen(t testing.TB, address string, handle func(net.Conn)) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	serve(t, l, handle)
	return l.Addr().(*net.TCPAddr).AddrPort()
}

// serve calls handle for every connection that l accepts, until the test ends. The
// connection is closed when handle returns or the test ends.
func serve(t testing.TB, l net.Listener, handle func(net.Conn)) {
	background(t, l, func() {
		var all sync.WaitGroup
		defer all.Wait()
		for {
			c, err := l.Accept()
			if err != nil {
				return // closed
			}
			all.Go(func() {
				defer c.Close()
				stop := context.AfterFunc(t.Context(), func() { _ = c.Close() })
				defer stop()
				handle(c)
			})
		}
	})
}

// serveUDP sends the result of answer for every packet to a UDP port of the host,
// until the test ends; nil is no answer.
func (h *Host) serveUDP(t testing.TB, port int, answer func([]byte) []byte) {
	t.Helper()
	var conn net.PacketConn
	err := h.enter(func() (err error) {
		conn, err = net.ListenPacket("udp", fmt.Sprintf("[::]:%d", port))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	answerUDP(t, conn, answer)
}

// answerUDP answers every packet to conn, which it closes when the test is over.
func answerUDP(t testing.TB, conn net.PacketConn, answer func([]byte) []byte) {
	background(t, conn, func() {
		p := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(p)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil {
				continue // ICMP for an answer that came too late
			}
			if a := answer(p[:n]); a != nil {
				_, _ = conn.WriteTo(a, from) // UDP may lose it
			}
		}
	})
}

// background runs f beside the test. At the end of the test it closes c, which ends f.
func background(t testing.TB, c io.Closer, f func()) {
	var running sync.WaitGroup
	running.Go(f)
	t.Cleanup(func() {
		_ = c.Close()
		running.Wait()
	})
}

// ServeSSH serves the SSH port of a server made with NoSSHD, behind the gate, until
// the test ends. handle, which may be [Say] or [Hold], is called for each
// connection on a goroutine of its own; the connection is closed when it returns.
func (s *Server) ServeSSH(t testing.TB, handle func(net.Conn)) {
	t.Helper()
	serve(t, s.listen(t, s.SSHPort), handle)
}

// The lines that sshd sends in place of its banner when it refuses an address.
const (
	Penalty     = "Not allowed at this time\r\n" // from OpenSSH 9.8 on
	MaxStartups = "Exceeded MaxStartups\r\n"     // to OpenSSH 9.7
)

// Say returns a service that says the text and hangs up.
func Say(text string) func(net.Conn) {
	return func(c net.Conn) { _, _ = io.WriteString(c, text) } // the client may have hung up
}

// Hold is a service that accepts and says nothing, until the client hangs up.
func Hold(c net.Conn) { _, _ = io.Copy(io.Discard, c) }
