package demo

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

const (
	// version is the banner, which clients see before anything else.
	version = "SSH-2.0-rapport_demo"
	// refusal is what OpenSSH says to an address under a penalty.
	refusal = "Not allowed at this time\r\n"
	// greeting is what a login prints.
	greeting = "you are in: this is rapport's demo server, behind its port-knocking gate\n" +
		"there is no shell here; the connection closes now\n"

	// maxSessions bounds the connections to the SSH port at one time.
	maxSessions = 16
	// handshakeTime is how long a login may take, and how long the silent server
	// stays connected.
	handshakeTime = 30 * time.Second
	// sessionTime bounds a connection that requests no shell.
	sessionTime = 10 * time.Minute
	// closeTime is how long a client has to read the last bytes.
	closeTime = 2 * time.Second
)

// newSSHServer returns a server with a new host key that accepts every login.
func newSSHServer() (*ssh.ServerConfig, error) {
	_, key, err := ed25519.GenerateKey(nil)
	signer, signerErr := ssh.NewSignerFromKey(key)
	if err := errors.Join(err, signerErr); err != nil {
		return nil, fmt.Errorf("no host key for the demo's ssh server: %w", err)
	}
	c := &ssh.ServerConfig{NoClientAuth: true, ServerVersion: version}
	c.AddHostKey(signer)
	return c, nil
}

// admit serves a connection to the SSH port if the gate is open for its source.
func (s *StandIn) admit(c *net.TCPConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	addr := remote(c)
	if s.closed || !s.phases.Open(addr, time.Now()) {
		cutOff(c)
		return
	}
	select {
	case s.sessions <- struct{}{}:
	default:
		cutOff(c)
		return
	}
	s.conns[c] = struct{}{}
	s.running.Go(func() {
		s.serve(c, addr)
		_ = c.Close()
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.conns, c)
		<-s.sessions
	})
}

// cutOff closes a connection with a reset: the kernel has accepted it, so that it can
// no longer be refused.
func cutOff(c *net.TCPConn) {
	_ = c.SetLinger(0)
	_ = c.Close()
}

// serve serves one connection as the configured SSH server does.
func (s *StandIn) serve(c *net.TCPConn, addr netip.Addr) {
	_ = c.SetDeadline(time.Now().Add(handshakeTime))
	switch s.config.Faults.SSHD {
	case SSHDSilent:
		_, _ = io.Copy(io.Discard, c)
		return
	case SSHDRefusing:
		_, _ = io.WriteString(c, refusal)
		drain(c)
		return
	}
	conn, channels, requests, err := ssh.NewServerConn(c, s.server)
	if err != nil {
		return // a probe that read the banner and left
	}
	_ = c.SetDeadline(time.Now().Add(sessionTime))
	s.running.Go(func() { ssh.DiscardRequests(requests) })
	for ch := range channels {
		if ch.ChannelType() != "session" {
			_ = ch.Reject(ssh.UnknownChannelType, "there are only sessions here")
			continue
		}
		if greet(ch) {
			s.mu.Lock()
			s.emit(Event{Kind: Login, Addr: addr, Port: int(s.SSHAddr.Port())})
			s.mu.Unlock()
			_ = c.SetDeadline(time.Now().Add(closeTime))
		}
	}
	_ = conn.Wait()
}

// drain closes the sending half and waits briefly for the client to close: a close
// with unread bytes would reset the connection, and the refusal could be lost.
func drain(c *net.TCPConn) {
	_ = c.CloseWrite()
	_ = c.SetDeadline(time.Now().Add(closeTime))
	_, _ = io.Copy(io.Discard, c)
}

// greet answers one session: a shell or a command prints the greeting and exits with
// status 0. It reports whether one was requested.
func greet(nc ssh.NewChannel) bool {
	ch, requests, err := nc.Accept()
	if err != nil {
		return false
	}
	defer ch.Close()
	text := greeting
	for r := range requests {
		switch r.Type {
		case "pty-req":
			text = strings.ReplaceAll(greeting, "\n", "\r\n")
			_ = r.Reply(true, nil)
		case "shell", "exec":
			_ = r.Reply(true, nil)
			_, _ = io.WriteString(ch, text)
			_, _ = ch.SendRequest("exit-status", false, make([]byte, 4)) // 0
			return true
		default:
			_ = r.Reply(false, nil)
		}
	}
	return false
}
